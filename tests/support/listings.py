"""The attention family again in numpy, after the paper's listings and Eq. 11, for one sequence at a time.

Letters as in the listings: n queries, m keys, h heads, k d_k, v d_v, x d_X, y d_Y. Weights lie as the
layers hold them, [width, heads, size] and [heads, d_v, d_Y]; nothing else is shared with the layers.
"""

import numpy as np


def weighted(logits, seen):
    """Softmax over keys [n, m, ...] of those a query sees, ``seen`` [n, m, ...]; zeros if none."""
    seen = np.broadcast_to(
        seen.reshape(seen.shape + (1,) * (logits.ndim - seen.ndim)), logits.shape
    )
    shifted = np.where(seen, logits, -np.inf)
    largest = np.max(shifted, 1, keepdims=True)
    powers = np.where(seen, np.exp(logits - np.where(np.isfinite(largest), largest, 0)), 0)
    total = powers.sum(1, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)


def projections(x, memory, w):
    """Lines 8-10: queries [n, k, h], keys [m, k, h], values [m, v, h], and P_o [y, v, relations]."""
    queries = np.einsum("nx,xkh->nkh", x, w["query_kernel"].transpose(0, 2, 1))
    keys = np.einsum("mx,xkh->mkh", memory, w["key_kernel"].transpose(0, 2, 1))
    values = np.einsum("mx,xvh->mvh", memory, w["value_kernel"].transpose(0, 2, 1))
    if "query_bias" in w:
        queries = queries + w["query_bias"].T
        keys, values = keys + w["key_bias"].T, values + w["value_bias"].T
    return queries, keys, values, w["output_kernel"].transpose(2, 1, 0)


def projected(o, p_o, w):
    """The last lines: [n, v, relations] -> [n, y]."""
    return np.einsum("nvh,yvh->ny", o, p_o) + w.get("output_bias", 0)


def mha(x, memory, w, seen):
    """Listing 1. Returns output [n, y] and weights [h, n, m]."""
    q, k, v, p_o = projections(x, memory, w)
    logits = np.einsum("nkh,mkh->nmh", q, k) / np.sqrt(q.shape[1])
    weights = weighted(logits, seen)
    return projected(np.einsum("nmh,mvh->nvh", weights, v), p_o, w), weights.transpose(2, 0, 1)


def tha(x, memory, w, seen):
    """Listing 2."""
    q, k, v, p_o = projections(x, memory, w)
    j = np.einsum("nkh,mkh->nmh", q, k) / np.sqrt(q.shape[1])
    logits = np.einsum("nmg,gh->nmh", j, w["logits_mix"])
    u = np.einsum("nmh,hg->nmg", weighted(logits, seen), w["weights_mix"])
    return projected(np.einsum("nmh,mvh->nvh", u, v), p_o, w), u.transpose(2, 0, 1)


def fha(x, memory, w, seen, label_mask=None, mask_mode=None):
    """Listing 3, with Eq. 11's ``label_mask`` [h, h, n, m] if given. Weights come as [h, h, n, m]."""
    q, k, v, p_o = projections(x, memory, w)
    (n, d_k, h), m = q.shape, k.shape[0]
    q = q.transpose(0, 2, 1).reshape(n * h, d_k)  # line 12
    k = k.transpose(1, 2, 0).reshape(d_k, h * m)  # line 13
    v = np.tile(v, [1, 1, h])  # line 14
    logits = np.einsum("ak,kb->ab", q, k) / np.sqrt(d_k)  # line 16
    logits = logits.reshape(n, h * h, m).transpose(0, 2, 1)  # line 17: [n, m, h * h]
    if label_mask is None:
        weights = weighted(logits, seen)
    else:
        allowed = label_mask.reshape(h * h, n, m).transpose(1, 2, 0)  # [n, m, h * h]
        if mask_mode == "logits":
            weights = weighted(allowed * logits, seen)
        elif mask_mode == "weights":
            weights = allowed * weighted(logits, seen)
        else:
            weights = weighted(logits, seen[:, :, None] & (allowed > 0))
    output = projected(np.einsum("nmh,mvh->nvh", weights, v), p_o, w)
    return output, weights.transpose(2, 0, 1).reshape(h, h, n, m)


def label_mask(query_labels, key_labels, heads):
    """M of Eq. 11 from its sets of head numbers, which count from 1: [h1, h2, n, m]."""
    mask = np.zeros([heads, heads, len(query_labels), len(key_labels)])
    for i, y_i in enumerate(query_labels):
        for j, y_j in enumerate(key_labels):
            first = range(y_i * heads // 2 + 1, (y_i + 1) * heads // 2 + 1)
            second = range(y_j * heads // 2 + 1, (y_j + 1) * heads // 2 + 1)
            for h1 in first:
                for h2 in second:
                    mask[h1 - 1, h2 - 1, i, j] = 1
    return mask
