"""DFAR's forward pass again in numpy, one history at a time and without padding (inference mode).

Weights are a dict of the model's own variable names. Letters: n real history items, c candidates, D.
"""

import listings
import numpy as np

EPSILON = {"batch": 1e-4, "layer": 1e-6}


def within(w, prefix):
    """The weights under one name, by the rest of their names."""
    return {k[len(prefix) + 1 :]: v for k, v in w.items() if k.startswith(prefix + "/")}


def relu(x):
    return np.maximum(x, 0)


def dense(x, w):
    """x W + b."""
    return x @ w["kernel"] + w.get("bias", 0)


def layer_norm(x, w, epsilon):
    """Over the last axis."""
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * w["gamma"] + w["beta"]


def block(x, attend, w, kind):
    """An ``AttentionBlock`` around ``attend(query, value)``."""
    if kind == "transformer":
        z = x + attend(layer_norm(x, within(w, "norm_in"), 1e-8), x)
        inner = relu(dense(layer_norm(z, within(w, "norm_mid"), 1e-8), within(w, "dense_inner")))
        return layer_norm(z + dense(inner, within(w, "dense_outer")), within(w, "norm_out"), 1e-8)
    return attend(x, x) + (x if kind == "residual" else 0)


def aggregate(query, sequence, w, activation=relu):
    """Eqs. 15-17 for one candidate [D] and the [n, D] items of one feedback: [D], zeros if n = 0."""
    if not len(sequence):
        return np.zeros(query.shape)
    first = np.concatenate([w["dense_query/kernel"], w["dense_key/kernel"]])
    rows = np.concatenate([np.repeat(query[None], len(sequence), 0), sequence], 1)
    scores, number = activation(rows @ first + w["dense_query/bias"]), 0
    while f"mlp/dense_{number}/kernel" in w:
        scores = dense(activation(scores) if number else scores, within(w, f"mlp/dense_{number}"))
        number += 1
    weights = np.exp(scores - scores.max(0))
    return (weights / weights.sum(0) * sequence).sum(0)


def normalized(x, w, kind, training=False):
    """``x`` [rows, width] after one normalisation with the parameters ``w``."""
    if kind == "none":
        return x
    if kind == "layer":
        return layer_norm(x, w, EPSILON[kind])
    mean = x.mean(0) if training else w["moving_mean"]
    variance = x.var(0) if training else w["moving_variance"]
    return (x - mean) / np.sqrt(variance + EPSILON[kind]) * w["gamma"] + w["beta"]


def tower(rows, w, kind, activation=relu, training=False):
    """A ``NormalizedTower`` on rows of concatenated features [rows, X + Z]: [rows] logits."""
    names = ["norm_in"] if kind == "layer" else ["norm_instance", "norm_candidate"]
    parts = [within(w, name) for name in names]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    rows = normalized(rows, joined, kind, training)
    first = np.concatenate([w["dense_instance/kernel"], w["dense_candidate/kernel"]])
    hidden, number = activation(rows @ first + w["dense_candidate/bias"]), 1
    while f"dense_{number}/kernel" in w:
        hidden = activation(dense(hidden, within(w, f"dense_{number}")))
        number += 1
    hidden = normalized(hidden, within(w, "norm_out"), kind, training)
    return dense(hidden, within(w, "logit"))[:, 0]


def pool(sequence, hp):
    """[n, D] -> [D]; zeros if n = 0."""
    return sequence.sum(0) / (max(len(sequence), 1) if hp.pooling == "mean" else 1)


def forward(w, hp, batch):
    """Both towers' logits [B, c] and interests [B, c, D] of a batch, by the names of ``score``."""
    outputs = {}
    plain = listings.mha if hp.ablation == "fha" else listings.fha
    for b, candidates in enumerate(batch["candidates"]):
        real = batch["history_mask"][b] > 0
        labels = batch["history_labels"][b][real]
        x = w["item_embedding"][batch["history_items"][b][real]] + w["label_embedding"][labels]
        if hp.position_embedding:
            x = x + w["position_embedding"][: len(x)][::-1]  # row 0 is the newest item's

        def encode(query, value, labels=labels):
            kernels, seen = within(w, "encoder_block/encoder"), np.ones([len(value)] * 2, bool)
            if hp.ablation in ("fha", "mo"):
                return plain(query, value, kernels, seen)[0]
            mask = listings.label_mask(labels, labels, hp.num_heads)
            return listings.fha(query, value, kernels, seen, mask, hp.mask_mode)[0]

        encoded = block(x, encode, within(w, "encoder_block"), hp.encoder_block)
        for label, side in enumerate(("negative", "positive")):
            name = "decoupler_block_" + side
            kernels = within(w, f"{name}/decoupler_{side}")
            attend = lambda q, v, k=kernels: plain(q, v, k, np.ones([len(v)] * 2, bool))[0]  # noqa: E731
            own = encoded[labels == label]
            own = block(own, attend, within(w, name), hp.encoder_block) if len(own) else own
            rows = []
            for item in candidates:
                query = w["item_embedding"][item] + w["label_embedding"][label]
                interest = aggregate(query, own, within(w, "aggregation_" + side))
                outputs.setdefault(side + "_interest", []).append(interest)
                rows.append(np.concatenate([pool(encoded, hp), pool(own, hp), interest, query]))
            logits = tower(np.array(rows), within(w, "tower_" + side), hp.tower_norm)
            outputs.setdefault(side + "_logits", []).append(logits)
    shape = list(batch["candidates"].shape)
    for side in ("negative", "positive"):
        outputs[side + "_logits"] = np.array(outputs[side + "_logits"])
        outputs[side + "_interest"] = np.reshape(outputs[side + "_interest"], [*shape, -1])
    return outputs
