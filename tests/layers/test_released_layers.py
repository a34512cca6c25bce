"""The released attention: each rule in numpy at sizes that all differ, and the recorded layers."""

import numpy as np
import pytest
from graph import Bench, close
from released_case import load, off, part
from released_numpy import (
    HIDDEN,
    WIDTH,
    B,
    D,
    H,
    T,
    dense,
    factorization_weights,
    heads,
    mixed,
    sequences,
)

from dfar_tf.layers.released import attention as attention
from recommenders_utils.backend import tf


def run_attention(kind, causal, labels=None):
    """(queries, keys, {our short name: value}, output, weights)."""
    queries, keys, _ = sequences()
    with Bench() as bench:
        layer = kind(H, causal)
        fetched = layer(
            tf.constant(queries), tf.constant(keys), labels, return_attention_scores=True
        )
        values = bench.randomize(layer.weights)
        output, weights = bench.run(fetched)
    values = {"/".join(name.split("/")[1:]): value for name, value in values.items()}
    return queries, keys, values, output, weights


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_factorization_heads_by_loops(causal, labelled):
    labels = sequences()[2] if labelled else None
    kind = attention.ReleasedFactorizationHeadsAttention
    queries, keys, values, output, weights = run_attention(kind, causal, labels)
    expected = factorization_weights(queries, keys, values, causal, labels)
    close(weights, expected)
    value_heads = heads(dense(values, "value", keys))
    attended = np.einsum("bpqts,bsqw->bpqtw", expected, value_heads)
    close(output, dense(values, "output", mixed(attended)) + queries)


def test_the_reordering_mixes_times_and_widths():
    """Ones in one time of one width spread over output rows that are no time at all."""
    attended = np.zeros([B, H, H, T, WIDTH], np.float32)
    attended[:, 1, 2, 3, 1] = 1
    with Bench() as bench:
        result = bench.run(attention.mix_time_and_width(tf.constant(attended)))
    place = ((2 * H + 1) * WIDTH + 1) * T + 3  # h_k, h_q, width, t
    expected = np.zeros([B, T * H * D])
    expected[:, place] = 1
    close(result, expected.reshape(B, T, H * D))
    assert place // (H * D) != 3  # not the row of its time


def test_the_causal_rule_is_of_numbers_not_of_time():
    visible = attention.causal_columns(H * T, T * H)
    expected = [[c <= r for c in range(T * H)] for r in range(H * T)]
    assert visible.tolist() == expected
    first_head, last_head = visible[0], visible[(H - 1) * T]
    assert first_head.sum() == 1  # time 0 of head 0: one head of one key
    assert last_head.sum() > T  # time 0 of the last head sees the future


def test_hidden_columns():
    logits = np.random.RandomState(1).normal(size=[2, 4, 4]).astype(np.float32)
    real = np.array([[True, False, True, True], [False] * 4])
    with Bench() as bench:
        hidden = attention.hide(tf.constant(logits), tf.constant(real), True)
        share, tanh = tf.nn.softmax(hidden), attention.tanh_weights(hidden)
        hidden, share, tanh = bench.run((hidden, share, tanh))
    visible = np.tril(np.ones([4, 4], bool)) & real[:, None, :]
    assert (hidden[~visible] == np.float32(HIDDEN)).all()
    assert (hidden[visible] == logits[visible]).all()
    assert (share[0, 1:][~visible[0, 1:]] == 0).all()
    close(share[1], np.full([4, 4], 0.25))  # nothing to see: equal weights, not none
    assert (tanh[~visible] == -1).all()  # and under tanh a masked key weighs -1


def test_a_position_counts_unless_all_its_numbers_are_zero():
    rows = np.array([[[0, 0], [1, -1], [0, 1e-30], [-0.0, 0]]], np.float32)
    with Bench() as bench:
        result = bench.run(attention.real_rows(tf.constant(rows)))
    assert result.tolist() == [[False, True, True, False]]


def test_the_label_mask_by_loops():
    labels = np.array([[1, 0, 1], [0, 0, 1]])
    with Bench() as bench:
        mask = bench.run(attention.side_mask(tf.constant(labels), H))
    assert mask.shape == (2, H, H, 3, 3)
    for b, p, q, i, j in np.ndindex(*mask.shape):
        own = (p >= H // 2) == labels[b, i] and (q >= H // 2) == labels[b, j]
        assert mask[b, p, q, i, j] == own


# Tanh attention. ---------------------------------------------------------------------------------


def tanh_oracle(queries, keys, values, causal, mix=None):
    """(weights [b, h, t_q, t_k], joined values [b, t, D])."""
    q, k, v = (
        heads(dense(values, n, x)) for n, x in (("query", queries), ("key", keys), ("value", keys))
    )
    logits = np.einsum("bthw,bshw->bhts", q, k) / np.sqrt(WIDTH)
    if mix is not None:
        logits = np.einsum("gh,bhts->bgts", mix[0], logits)
    seen = np.broadcast_to(keys.any(-1)[:, None, None, :], logits.shape)
    if causal:
        seen = seen & (np.arange(T) <= np.arange(T)[:, None])
    weights = np.where(seen, np.tanh(logits), -1)
    if mix is not None:
        weights = np.einsum("gh,bhts->bgts", mix[1], weights)
    weights = weights * queries.any(-1)[:, None, :, None]
    return weights, np.einsum("bhts,bshw->bthw", weights, v).reshape(B, T, D)


@pytest.mark.parametrize("causal", [True, False])
def test_tanh_multi_head_attention(causal):
    kind = attention.ReleasedMultiHeadAttention
    queries, keys, values, output, weights = run_attention(kind, causal)
    expected, joined = tanh_oracle(queries, keys, values, causal)
    close(weights, expected)
    close(output, joined + queries)
    assert not any(name.startswith("output") for name in values)


@pytest.mark.parametrize("causal", [True, False])
def test_tanh_talking_heads_attention(causal):
    kind = attention.ReleasedTalkingHeadsAttention
    queries, keys, values, output, weights = run_attention(kind, causal)
    mix = values["logits_mix"], values["weights_mix"]
    expected, joined = tanh_oracle(queries, keys, values, causal, mix)
    close(weights, expected)
    close(output, dense(values, "output", joined) + queries)


def test_a_layer_is_made_again_from_its_config():
    layer = attention.ReleasedTalkingHeadsAttention(H, causal=False, name="tha")
    again = attention.ReleasedTalkingHeadsAttention.from_config(layer.get_config())
    assert (again.num_heads, again.causal, again.name) == (H, False, "tha")


# The recorded layers. ----------------------------------------------------------------------------

KINDS = {
    "mha": attention.ReleasedMultiHeadAttention,
    "tha": attention.ReleasedTalkingHeadsAttention,
    "fha": attention.ReleasedFactorizationHeadsAttention,
    "ffha": attention.ReleasedFactorizationHeadsAttention,
}
NAMES = {
    "dense": "query",
    "dense_1": "key",
    "dense_2": "value",
    "dense_3": "output",
    "query_trans_matrix": "logits_mix",
    "value_trans_matrix": "weights_mix",
}


def renamed(theirs):
    """{"sa/dense_1/kernel": ...} under our names."""
    ours = {}
    for name, value in theirs.items():
        words = name.split("/")[1:]
        ours["/".join([NAMES[words[0]], *words[1:]])] = value
    return ours


@pytest.mark.parametrize("seen", ["causal", "full"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_recorded_layers(shared, kind, seen):
    """Output, weights and every gradient within 1e-5 of the largest recorded number."""
    recorded = part(load(shared / "golden" / "attention_layers.npz"), f"{kind}_a_{seen}/")
    _, _, width, num_heads = recorded["BTCH"]
    with Bench() as bench:
        layer = KINDS[kind](int(num_heads), seen == "causal", name="a")
        inputs = [tf.constant(recorded["queries"]), tf.constant(recorded["keys"])]
        labels = recorded["labels"] if kind == "ffha" else None
        output, weights = layer(*inputs, labels, return_attention_scores=True)
        variables = {w.name.split(":")[0][2:]: w for w in layer.weights}
        values = renamed(part(recorded, "var/"))
        assert set(variables) == set(values)
        for name, variable in variables.items():
            bench.assign(variable, values[name])
        target = tf.reduce_sum(output * recorded["R"])
        by = {**variables, "queries": inputs[0], "keys": inputs[1]}
        gradients = dict(zip(by, tf.gradients(target, list(by.values()))))
        output, weights, gradients = bench.run((output, weights, gradients))
    scores = recorded["attn_score"]
    if kind == "mha":  # head-major rows
        scores = scores.reshape(num_heads, -1, *scores.shape[1:])
    if kind in ("mha", "tha"):
        scores = scores.swapaxes(0, 1)
    assert output.shape[-1] == width
    assert off(output, recorded["out"]) < 1e-5
    assert off(weights, scores) < 1e-5
    theirs = part(recorded, "grad/")
    theirs = {
        **renamed({k: v for k, v in theirs.items() if "/" in k}),
        **{k: theirs[k] for k in ("queries", "keys")},
    }
    assert set(gradients) == set(theirs)
    for name, gradient in gradients.items():
        assert off(gradient, theirs[name]) < 1e-5, name


def test_the_recorded_label_mask(shared):
    recorded = part(load(shared / "golden" / "attention_layers.npz"), "ffha_a_full/")
    with Bench() as bench:
        mask = bench.run(attention.side_mask(tf.constant(recorded["labels"]), 2))
    np.testing.assert_array_equal(mask, recorded["head_mask"])
