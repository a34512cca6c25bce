"""The attention family against the paper's listings in numpy, and by hand."""

import listings
import numpy as np
import pytest
from graph import Bench, close

from dfar_tf import layers
from recommenders_utils.backend import tf

B, N, M, X, MEMORY, H, K, V, Y = 3, 7, 5, 10, 9, 2, 3, 4, 6
KINDS = {
    "mha": layers.MultiHeadAttention,
    "tha": layers.TalkingHeadsAttention,
    "fha": layers.FactorizationHeadsAttention,
    "ffha": layers.FeedbackAwareFactorizationHeadsAttention,
}
MODES = ("logits", "neg_inf", "weights")


def make(kind, heads=H, **kwargs):
    sizes = {"key_dim": K, "value_dim": V, "output_dim": Y}
    return KINDS[kind](num_heads=heads, **dict(sizes, **kwargs))


def data(seed=0):
    """Queries, memory, their labels, the padding masks of each; every row padded differently."""
    random = np.random.RandomState(seed)
    return {
        "x": random.normal(size=[B, N, X]).astype(np.float32),
        "memory": random.normal(size=[B, M, MEMORY]).astype(np.float32),
        "x_labels": random.randint(0, 2, [B, N]),
        "memory_labels": random.randint(0, 2, [B, M]),
        "x_mask": (np.arange(N) < np.array([[7], [4], [1]])).astype(np.float32),
        "memory_mask": (np.arange(M) < np.array([[3], [5], [2]])).astype(np.float32),
    }


def run(layer, *args, **kwargs):
    """Output, weights, {short name: value} of ``layer`` under random weights of a fixed seed."""
    with Bench() as bench:
        args = [tf.constant(argument) for argument in args]
        output, scores = layer(*args, return_attention_scores=True, **kwargs)
        values = bench.randomize(layer.weights)
        short = {name.split("/")[-1]: value for name, value in values.items()}
        return (*bench.run((output, scores)), short)


def seen(mask, length, causal=False):
    """[B, N, M] bool from a padding mask [B, M]."""
    visible = np.repeat(mask[:, None, :] > 0, length, 1)
    return visible & np.tri(length, mask.shape[1], dtype=bool) if causal else visible


@pytest.mark.parametrize("kind", ["mha", "tha", "fha"])
@pytest.mark.parametrize("setting", ["self", "cross", "causal"])
def test_layers_follow_the_listings(kind, setting):
    d = data()
    if setting == "self":
        x, memory, mask = d["x"], d["x"], np.ones([B, N])
        output, scores, w = run(make(kind), x)
    elif setting == "cross":
        x, memory, mask = d["x"], d["memory"], d["memory_mask"]
        layer = make(kind, memory_dim=MEMORY, use_bias=True)
        output, scores, w = run(layer, x, memory, padding_mask=mask)
    else:
        x, memory, mask = d["x"], d["x"], d["x_mask"]
        output, scores, w = run(make(kind, causal=True), x, padding_mask=mask)
    visible = seen(mask, N, setting == "causal")
    for b in range(B):
        expected, weights = getattr(listings, kind)(x[b], memory[b], w, visible[b])
        close(output[b], expected)
        close(scores[b], weights)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("setting", ["self", "cross", "causal"])
def test_feedback_aware_attention_follows_eq_11(mode, setting):
    d, heads = data(1), 4
    if setting == "cross":
        x, memory, mask = d["x"], d["memory"], d["memory_mask"]
        of_keys = d["memory_labels"]
        layer = make("ffha", heads, mask_mode=mode, memory_dim=MEMORY, use_bias=True)
        arguments = (x, d["x_labels"], of_keys, memory)
    else:
        x, memory, mask = d["x"], d["x"], d["x_mask"] if setting == "causal" else np.ones([B, N])
        of_keys = d["x_labels"]
        layer = make("ffha", heads, mask_mode=mode, causal=setting == "causal")
        arguments = (x, of_keys)
    output, scores, w = run(layer, *arguments, padding_mask=mask)
    visible = seen(mask, N, setting == "causal")
    for b in range(B):
        allowed = listings.label_mask(d["x_labels"][b], of_keys[b], heads)
        expected, weights = listings.fha(x[b], memory[b], w, visible[b], allowed, mode)
        close(output[b], expected)
        close(scores[b], weights)


def test_by_hand_the_case_of_fig_3():
    """Two heads, one feature, kernels of ones: items 2 (liked) and ln 3 (disliked); d_k = 1.

    All queries, keys and values equal their items, so with a = 2, b = ln 3 a query a has logits
    a * a, a * b for the two keys, and by Fig. 3 the query's row keeps one logit of each map at most:
    for i liked (y_i = 1) and j disliked (y_j = 0) only M[2,1] survives.
    """
    a, b = 2.0, np.log(3.0)
    items, labels = np.array([[[a], [b]]], np.float32), np.array([[1, 0]])
    # Query i = 0 (liked), key j = 1 (disliked): head pair (2, 1), in Python (1, 0), keeps a * b and
    # the other key's logit is 0: exp(2 ln 3) = 9 against exp(0) = 1.
    expected_logits_mode = {
        (0, 0): [1 / 2, 1 / 2],  # h1 = 1 is the negative half; the query is liked: nothing kept
        (0, 1): [1 / 2, 1 / 2],
        (1, 0): [1 / 10, 9 / 10],
        (1, 1): [np.exp(4) / (np.exp(4) + 1), 1 / (np.exp(4) + 1)],  # j = 0, liked as well: a * a
    }
    total = np.exp(4) + 9  # the softmax before the mask, mode weights
    expected_weights_mode = {
        (0, 0): [0, 0],
        (0, 1): [0, 0],
        (1, 0): [0, 9 / total],
        (1, 1): [np.exp(4) / total, 0],
    }
    expected_neg_inf_mode = {(0, 0): [0, 0], (0, 1): [0, 0], (1, 0): [0, 1], (1, 1): [1, 0]}
    modes = {
        "logits": expected_logits_mode,
        "weights": expected_weights_mode,
        "neg_inf": expected_neg_inf_mode,
    }
    for mode, expected in modes.items():
        layer = KINDS["ffha"](2, 1, mask_mode=mode, kernel_initializer="ones")
        with Bench() as bench:
            out, scores = layer(
                tf.constant(items), tf.constant(labels), return_attention_scores=True
            )
            bench.initialize()
            output, scores = bench.run((out, scores))
        for (h1, h2), weights in expected.items():
            close(scores[0, h1, h2, 0], weights)
        # W_0 of ones adds up what the four maps read.
        read = sum(np.dot(weights, [a, b]) for weights in expected.values())
        close(output[0, 0], [read])


@pytest.mark.parametrize("mode", MODES)
def test_one_feedback_only_leaves_one_quarter_of_the_maps(mode):
    """Of one feedback only, its own maps are plain FHA's; the others are uniform or nothing."""
    d = data(2)
    for label, own in ((0, 0), (1, 1)):
        labels = np.full([B, N], label)
        _, scores, _ = run(make("ffha", mask_mode=mode), d["x"], labels, padding_mask=d["x_mask"])
        _, plain, _ = run(make("fha"), d["x"], padding_mask=d["x_mask"])
        lengths = d["x_mask"].sum(1)[:, None, None]
        nothing = np.repeat(d["x_mask"][:, None, :] / lengths, N, 1)
        nothing = nothing if mode == "logits" else 0 * nothing
        for h1 in range(H):
            for h2 in range(H):
                expected = plain[:, h1, h2] if (h1, h2) == (own, own) else nothing
                close(scores[:, h1, h2], expected)


def test_the_mask_modes_are_renormalisations_of_one_another():
    d = data(3)
    maps = {mode: run(make("ffha", mask_mode=mode), d["x"], d["x_labels"])[1] for mode in MODES}
    plain = run(make("fha"), d["x"])[1]
    allowed = np.stack([listings.label_mask(y, y, H) for y in d["x_labels"]])
    close(maps["weights"], plain * allowed)
    total = maps["weights"].sum(-1, keepdims=True)
    close(maps["neg_inf"], maps["weights"] / np.where(total > 0, total, 1))
    close(maps["logits"].sum(-1), np.ones([B, H, H, N]))
    assert np.all(maps["logits"] > 0)


@pytest.mark.parametrize("kind", list(KINDS))
def test_all_keys_masked_gives_zeros_and_finite_gradients(kind):
    d = data(4)
    mask = d["x_mask"].copy()
    mask[1] = 0
    for mode in MODES if kind == "ffha" else (None,):
        layer = make(kind, **({"mask_mode": mode} if mode else {}))
        with Bench() as bench:
            x = tf.constant(d["x"])
            extra = {"labels": d["x_labels"]} if mode else {}
            output = layer(x, padding_mask=mask, **extra)
            gradients = tf.gradients(tf.reduce_sum(output * output[::-1]), [x, *layer.weights])
            bench.randomize(layer.weights)
            output, gradients = bench.run((output, gradients))
        assert np.all(output[1] == 0)
        assert np.all(output[0] != 0)
        assert all(np.all(np.isfinite(g)) for g in gradients)


@pytest.mark.parametrize("kind", list(KINDS))
def test_padding_and_the_future_are_never_read(kind):
    d = data(5)
    extra = {"labels": d["x_labels"]} if kind == "ffha" else {}
    changed = d["x"] + (1 - d["x_mask"])[:, :, None] * 9  # other padding
    real = d["x_mask"] > 0
    padded = [run(make(kind), x, padding_mask=d["x_mask"], **extra)[0] for x in (d["x"], changed)]
    close(padded[0][real], padded[1][real])
    future = d["x"].copy()
    future[:, 4:] += 9
    causal = [run(make(kind, causal=True), x, **extra)[0] for x in (d["x"], future)]
    close(causal[0][:, :4], causal[1][:, :4])
    assert np.abs(causal[0][:, 4:] - causal[1][:, 4:]).min() > 1e-3
