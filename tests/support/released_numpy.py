"""The released attention in numpy, a number at a time, at sizes that all differ."""

import itertools

import numpy as np

B, T, C, H, WIDTH = 3, 7, 5, 4, 2  # WIDTH of a head
D = H * WIDTH
HIDDEN = -(2.0**32) + 1


def sequences(seed=0):
    """Queries and keys with rows of zeros, a history without any key, and labels."""
    random = np.random.RandomState(seed)
    queries, keys = random.normal(size=[2, B, T, D]).astype(np.float32)
    queries[0, 5:] = 0
    keys[0, [1, 4]] = 0
    keys[1] = 0
    return queries, keys, random.randint(0, 2, [B, T])


def dense(values, name, inputs):
    return inputs @ values[name + "/kernel"] + values[name + "/bias"]


def heads(tensor):
    return tensor.reshape(B, T, H, WIDTH)  # [b, t, h]


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


# Factorization heads. ----------------------------------------------------------------------------


def factorization_weights(queries, keys, values, causal, labels):
    """[b, h_q, h_k, t_q, t_k], a number at a time."""
    q, k = heads(dense(values, "query", queries)), heads(dense(values, "key", keys))
    weights = np.zeros([B, H, H, T, T])
    for b, h_q, t_q in itertools.product(range(B), range(H), range(T)):
        logits = np.full([T * H], HIDDEN)
        for t_k, h_k in itertools.product(range(T), range(H)):
            seen = not causal or t_k * H + h_k <= h_q * T + t_q
            if seen and keys[b, t_k].any():
                logits[t_k * H + h_k] = q[b, t_q, h_q] @ k[b, t_k, h_k] / np.sqrt(T * H)
        row = softmax(logits) * queries[b, t_q].any()
        for t_k, h_k in itertools.product(range(T), range(H)):
            kept = 1
            if labels is not None:
                kept = (h_q >= H / 2) == labels[b, t_q] and (h_k >= H / 2) == labels[b, t_k]
            weights[b, h_q, h_k, t_q, t_k] = row[t_k * H + h_k] * kept
    return weights


def mixed(attended):
    """The reordering: [b, h_q, h_k, t, width] written out as (h_k, h_q, width, t), read as [T, ...]."""
    order = itertools.product(range(H), range(H), range(WIDTH), range(T))
    flat = [attended[:, h_q, h_k, t, w] for h_k, h_q, w, t in order]
    return np.stack(flat, 1).reshape(B, T, H * D)
