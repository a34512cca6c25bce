"""The released block, norm, target attention, MLP, pooling and losses in numpy or by hand."""

import numpy as np
import pytest
from graph import Bench, close
from released_numpy import (
    HIDDEN,
    B,
    C,
    D,
    H,
    T,
    dense,
    factorization_weights,
    heads,
    mixed,
    sequences,
    softmax,
)

from dfar_tf.layers.released import attention as attention
from dfar_tf.layers.released import blocks as blocks
from dfar_tf.layers.released import losses as losses
from recommenders_utils.backend import tf


def normed(values, name, inputs):
    mean, variance = inputs.mean(-1, keepdims=True), inputs.var(-1, keepdims=True)
    return (inputs - mean) / np.sqrt(variance + 1e-8) * values[name + "gain"] + values[
        name + "bias"
    ]


def test_the_layer_norms_epsilon_is_added_to_the_biased_variance():
    inputs = np.array([[1e-4, -1e-4], [0, 0], [3, 5]], np.float32)  # variances 1e-8, 0, 1
    with Bench() as bench:
        layer = blocks.ReleasedLayerNorm()
        output = layer(tf.constant(inputs))
        bench.assign(layer.weights[0], [2, 3])
        bench.assign(layer.weights[1], [0.5, 0.25])
        assert [w.name.split("/")[-1] for w in layer.weights] == ["gain:0", "bias:0"]
        output = bench.run(output)
    half = np.sqrt(0.5)
    close(output, [[2 * half + 0.5, -3 * half + 0.25], [0.5, 0.25], [-2 + 0.5, 3 + 0.25]])


def test_a_block_by_numpy():
    _, inputs, labels = sequences(2)
    mask = np.random.RandomState(3).randint(0, 2, [B, T]).astype(np.float32)
    with Bench() as bench:
        inner = attention.ReleasedFactorizationHeadsAttention(H, name="attention")
        block = blocks.ReleasedBlock(inner, name="block")
        steps = block(tf.constant(inputs), tf.constant(mask), labels)
        values = bench.randomize(block.weights)
        steps = bench.run(steps)
    values = {name.replace("block/", ""): value for name, value in values.items()}
    of_attention = {n[len("attention/") :]: v for n, v in values.items() if "attention/" in n}
    queries = normed(values, "norm_query/", inputs)
    close(steps["queries"], queries)
    weights = factorization_weights(queries, inputs, of_attention, True, labels)
    close(steps["weights"], weights)
    attended = np.einsum("bpqts,bsqw->bpqtw", weights, heads(dense(of_attention, "value", inputs)))
    attended = dense(of_attention, "output", mixed(attended)) + queries
    close(steps["attended"], attended)
    middle = normed(values, "norm_middle/", attended)
    hidden = np.maximum(dense(values, "inner", middle), 0)
    fed_forward = dense(values, "outer", hidden) + middle
    close(steps["fed_forward"], fed_forward)
    output = normed(values, "norm_final/", fed_forward * mask[:, :, None])
    close(steps["output"], output)
    expected = np.broadcast_to(values["norm_final/bias"], [int((mask == 0).sum()), D])
    close(steps["output"][mask == 0], expected)  # a masked row is the bias, not zero


UNITS = [6, 9]


def mlp_oracle(values, rows, training):
    """(output, {moving average's name: value after one step}) of a matrix of rows."""
    averages = {}
    for i in range(len(UNITS)):
        rows = rows @ values[f"dense_{i}_kernel"] + values[f"dense_{i}_bias"]
        norm = {k: values[f"norm_{i}/{k}"] for k in ("gamma", "beta")}
        mean, variance = values[f"norm_{i}/moving_mean"], values[f"norm_{i}/moving_variance"]
        if training:
            averages[f"norm_{i}/moving_mean"] = 0.95 * mean + 0.05 * rows.mean(0)
            averages[f"norm_{i}/moving_variance"] = 0.95 * variance + 0.05 * rows.var(0)
            mean, variance = rows.mean(0), rows.var(0)
        rows = (rows - mean) / np.sqrt(variance + 1e-4) * norm["gamma"] + norm["beta"]
        rows = np.maximum(rows, 0)
    return rows @ values["dense_out_kernel"] + values["dense_out_bias"], averages


@pytest.mark.parametrize("training", [True, False])
def test_target_attention_and_its_mlp_by_numpy(training):
    random = np.random.RandomState(4)
    query, sequence = random.normal(size=[B, C, D]), random.normal(size=[B, T, D])
    length = np.array([T, 2, 4])
    mask = (np.arange(T) < length[:, None]).astype(np.float32)
    sequence = sequence * mask[:, :, None]
    with Bench() as bench:
        layer = blocks.ReleasedTargetAttention(UNITS, name="attention")
        outputs = layer(
            *(tf.constant(x.astype(np.float32)) for x in (query, sequence, mask)), training=training
        )
        values = bench.randomize(layer.weights)
        outputs, _ = bench.run((outputs, layer.updates))
        moved = {
            w.name.split(":")[0]: value for w, value in zip(layer.weights, bench.run(layer.weights))
        }
    values = {name.replace("attention/", ""): value for name, value in values.items()}
    of_mlp = {name.replace("mlp/", ""): value for name, value in values.items()}
    key = (sequence @ values["matrix"])[:, None]  # [B, 1, T, D]
    each = query[:, :, None]
    terms = np.broadcast_arrays(key, each, key - each, key * each)
    # Every row is one of the statistics, those at padding positions too.
    rows = np.concatenate(terms, -1).reshape(B * C * T, 4 * D)
    logits, averages = mlp_oracle(of_mlp, rows, training)
    logits = logits.reshape(B, C, T)
    close(outputs["logits"], logits)
    weights = softmax(np.where(mask[:, None] > 0, logits, HIDDEN))
    close(outputs["weights"], weights)
    close(outputs["interest"], np.einsum("bct,btd->bcd", weights, sequence))
    assert len(averages) == (4 if training else 0)
    for name, value in averages.items():
        close(moved["attention/mlp/" + name], value)


def test_blocks_of_fewer_rows_give_what_their_concatenation_gives():
    random = np.random.RandomState(5)
    shared = random.normal(size=[B, 1, D]).astype(np.float32)
    own = random.normal(size=[B, C, D]).astype(np.float32)
    with Bench() as bench:
        mlp = blocks.ReleasedMLP(UNITS, num_blocks=3, name="mlp")
        output = mlp([tf.constant(shared), tf.constant(own)], [[2], [1, -3]], training=True)
        values = bench.randomize(mlp.weights)
        output = bench.run(output)
    values = {name.replace("mlp/", ""): value for name, value in values.items()}
    rows = np.concatenate([own, np.broadcast_to(shared, own.shape), -own], -1)
    expected, _ = mlp_oracle(values, rows.reshape(B * C, 3 * D), True)
    close(output, expected.reshape(B, C))


def test_the_pooled_mean_divides_by_all_real_positions():
    sequence = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2)
    mask = np.array([[1, 1, 0], [0, 0, 0]], np.float32)
    with Bench() as bench:
        result = bench.run(blocks.mean_over_real(tf.constant(sequence), tf.constant(mask)))
    close(result, [[1, 2], [0, 0]])


# Losses. -----------------------------------------------------------------------------------------


def test_attraction_is_minus_the_cosine_over_the_width():
    first = np.array([[3, 4, 0, 0], [1, 0, 0, 0], [2, 2, 0, 0], [0, 0, 0, 0]], np.float32)
    second = np.array([[6, 8, 0, 0], [0, 5, 0, 0], [-1, -1, 0, 0], [1, 2, 3, 4]], np.float32)
    with Bench() as bench:
        first, second = tf.constant(first), tf.constant(second)
        result = losses.attraction(first, second)
        result, gradients = bench.run((result, tf.gradients(result, [first, second])))
    close(result, [-0.25, 0, 0.25, 0])  # of like vectors the least: they attract
    assert np.isfinite(gradients).all()


def test_the_log_loss_has_its_epsilon_inside_the_logarithms():
    logits = np.array([[40.0, -40.0, 0.5, 7.0]], np.float32)
    labels = np.array([[0.0, 1.0, 1.0, 0.0]], np.float32)
    weights = np.array([[1, 1, 1, 0]], np.float32)
    with Bench() as bench:
        place = tf.constant(logits)
        loss = losses.released_log_loss(place, labels, weights)
        loss, gradient = bench.run((loss, tf.gradients(loss, place)[0]))
    share = 1 / (1 + np.exp(-0.5))
    close(loss, (-2 * np.log(1e-7) - np.log(share + 1e-7)) / 3)
    close(gradient, [[0, 0, (share - 1) / 3, 0]])
