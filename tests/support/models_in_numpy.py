"""Parts of the baselines again in numpy, a history at a time and without padding (inference mode).

Weights are a dict of the model's own variable names. Letters: n real records, D width, H heads.
"""

import numpy as np
from dfar_in_numpy import dense, layer_norm, relu, within


def softmax(x):
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def multi_head(query, value, w, causal=False, mix=False, factor=1.0):
    """Multi-head attention, or with ``mix`` talking heads: [n, D] queries and values -> [n, D]."""

    def heads(x, name):
        return np.einsum("nd,dhk->hnk", x, w[name + "_kernel"]) + (
            w[name + "_bias"][:, None] if name + "_bias" in w else 0
        )

    q, k, v = heads(query, "query"), heads(value, "key"), heads(value, "value")
    logits = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    if mix:
        logits = np.einsum("hnm,hg->gnm", logits, w["logits_mix"])
    if causal:
        logits = np.where(np.tril(np.ones(logits.shape[-2:])) > 0, logits, -np.inf)
    weights = softmax(logits) * factor
    if mix:
        weights = np.einsum("gnm,gh->hnm", weights, w["weights_mix"])
    output = np.einsum("hnk,hkd->nd", weights @ v, w["output_kernel"])
    return output + w.get("output_bias", 0)


def transformer(x, w, **options):
    """A ``TransformerBlock``: [n, D] -> [n, D]."""
    z = layer_norm(x, within(w, "norm_attention"), 1e-8)
    z = x + multi_head(z, z, within(w, "attention"), **options)
    inner = layer_norm(z, within(w, "norm_feed_forward"), 1e-8)
    return z + dense(relu(dense(inner, within(w, "dense_inner"))), within(w, "dense_outer"))


def gru(inputs, w, attention=None):
    """[n, X] -> all states [n, D]; gates in the order update, reset, state, reset before the product."""
    units, states = w["recurrent_kernel"].shape[0], []
    state = np.zeros(units)
    for t, x in enumerate(inputs):
        given, u = x @ w["kernel"] + w["bias"], w["recurrent_kernel"]
        update = sigmoid(given[:units] + state @ u[:, :units])
        reset = sigmoid(given[units : 2 * units] + state @ u[:, units : 2 * units])
        proposed = np.tanh(given[2 * units :] + (reset * state) @ u[:, 2 * units :])
        if attention is None:  # Keras calls the update gate what keeps the old state
            state = update * state + (1 - update) * proposed
        else:
            update = attention[t] * update
            state = (1 - update) * state + update * proposed
        states.append(state)
    return np.array(states).reshape(-1, units)


def histories(arrays, positive_only=False):
    """(items, labels) of each row of a batch, padding cut off."""
    for items, labels, mask in zip(
        arrays["history_items"], arrays["history_labels"], arrays["history_mask"]
    ):
        kept = (mask > 0) & ((labels == 1) | (not positive_only))
        yield items[kept], labels[kept]


def scored(users, candidates, w, tower, hp):
    """Tower of [B, X] users (or [B, C, X]) and the candidates' embeddings: [B, C]."""
    target = w["item_embedding"][candidates]
    shared = users[:, None] if users.ndim == 2 else users
    shared = np.broadcast_to(shared, (*target.shape[:2], shared.shape[-1]))
    rows = np.concatenate([shared, target], -1).reshape(-1, shared.shape[-1] + target.shape[-1])
    return tower(rows, within(w, "tower"), hp.tower_norm).reshape(candidates.shape)
