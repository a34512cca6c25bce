"""Interest aggregation against Eqs. 15-17 written out densely in numpy."""

import numpy as np
import pytest
from dfar_in_numpy import aggregate, within
from graph import Bench, close

from dfar_tf import layers
from recommenders_utils.backend import tf

B, T, C, D = 4, 5, 3, 6
# Real positions need not be the first ones: a feedback's items lie anywhere. Row 2 has none.
MASK = np.array([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], np.float32)


def dense(query, sequence, mask, w):
    """The equations for each candidate by itself, on the real positions of its row."""
    w = within(w, "aggregation")
    rows = zip(query, sequence, mask)
    return np.array([[aggregate(q, s[m > 0], w, np.tanh) for q in each] for each, s, m in rows])


def data(seed=0):
    random = np.random.RandomState(seed)
    return (
        random.normal(size=[B, C, D]).astype(np.float32),
        random.normal(size=[B, T, D]).astype(np.float32),
    )


@pytest.mark.parametrize("units", [[7], [7, 4]])
def test_follows_the_equations(units):
    query, sequence = data()
    layer = layers.InterestAggregation(units, "tanh", name="aggregation")
    with Bench() as bench:
        output = layer(tf.constant(query), tf.constant(sequence), tf.constant(MASK))
        w = bench.randomize(layer.weights)
        output = bench.run(output)
    assert len(w) == 3 + 2 * len(units)
    close(output, dense(query, sequence, MASK, w))
    assert np.all(output[2] == 0)


def test_a_linear_mlp_is_the_equations_whatever_the_candidate():
    query, sequence = data(4)
    random = np.random.RandomState(5)
    layer = layers.InterestAggregation([], name="aggregation")
    with Bench() as bench:
        output = layer(tf.constant(query), tf.constant(sequence), tf.constant(MASK))
        (kernel,) = bench.randomize(layer.weights).values()
        output = bench.run(output)
    assert output.shape == (B, 1, D)
    of_query, bias = random.normal(size=[D, D]), random.normal(size=D)
    for row, real in enumerate(MASK > 0):
        records = sequence[row, real]
        for candidate in query[row]:
            scores = candidate @ of_query + records @ kernel + bias  # Eq. 15
            weights = np.exp(scores) / np.exp(scores).sum(0)
            close(output[row, 0], (weights * records).sum(0))


def test_content_of_padding_is_never_read_and_scores_may_be_large():
    query, sequence = data(1)
    other = sequence + (1 - MASK)[:, :, None] * np.float32(1e6)
    layer = layers.InterestAggregation([7], "tanh", name="aggregation")
    with Bench() as bench:
        outputs = [layer(tf.constant(query), tf.constant(s), MASK) for s in (sequence, other)]
        w = bench.randomize(layer.weights, scale=200.0)  # exp of such a score is infinite
        first, second = bench.run(outputs)
    close(first, second)
    close(first, dense(query, sequence, MASK, w), 1e-4)


def test_gradients_agree_with_differences():
    query, sequence = data(2)
    layer = layers.InterestAggregation([7], "tanh", name="aggregation")
    with Bench() as bench:
        fed = tf.placeholder(tf.float32, [B, C, D]), tf.placeholder(tf.float32, [B, T, D])
        output = layer(*fed, tf.constant(MASK))
        weights = np.random.RandomState(3).normal(size=[B, C, D]).astype(np.float32)
        sources = [*fed, *layer.weights]
        gradients = tf.gradients(tf.reduce_sum(weights * output), sources)
        w = bench.randomize(layer.weights)
        gradients = bench.run(gradients, {fed[0]: query, fed[1]: sequence})
    values = [query, sequence, *w.values()]
    random = np.random.RandomState(4)
    for number, (value, gradient) in enumerate(zip(values, gradients)):
        assert np.all(np.isfinite(gradient))
        for _ in range(4):
            place = tuple(random.randint(size) for size in value.shape)
            results = []
            for step in (1e-5, -1e-5):
                changed = [np.array(v, np.float64) for v in values]
                changed[number][place] += step
                pooled = dense(*changed[:2], MASK, dict(zip(w, changed[2:])))
                results.append((weights * pooled).sum())
            close(gradient[place], (results[0] - results[1]) / 2e-5, 1e-3)
    assert np.all(gradients[1][MASK == 0] == 0) and np.all(gradients[0][2] == 0)


def test_a_batch_without_one_real_position_gives_zeros_and_finite_gradients():
    query, sequence = data(5)
    layer = layers.InterestAggregation([7, 4], name="aggregation")
    with Bench() as bench:
        output = layer(tf.constant(query), tf.constant(sequence), tf.zeros([B, T]))
        gradients = tf.gradients(tf.reduce_sum(output), layer.weights)
        bench.randomize(layer.weights)
        output, gradients = bench.run((output, gradients))
    assert np.all(output == 0)
    assert all(np.all(gradient == 0) for gradient in gradients)


@pytest.mark.parametrize("scale", [20.0, 100.0])
def test_a_prefix_far_below_what_follows_keeps_its_interest_and_finite_gradients(scale):
    records = np.array([-1.0, -0.9, 1.0, 0.5], np.float32)  # scores up to 2 * scale apart
    sequence = np.tile(records[None, :, None], [1, 1, D]) * np.linspace(0.5, 1, D, dtype=np.float32)
    counts = np.array([1, 2, 3, 4], np.int32)
    layer = layers.InterestAggregation([], name="aggregation")
    with Bench() as bench:
        layer(tf.zeros([1, C, D]), tf.zeros([1, 4, D]), tf.ones([1, 4]))
        fed = tf.constant(sequence)
        found = layer.of_prefixes(
            tf.zeros([C, D]), fed, tf.ones([1, 4]), tf.zeros([4], tf.int32), tf.constant(counts)
        )
        gradients = tf.gradients(tf.reduce_sum(found), [fed, *layer.weights])
        bench.assign(layer.weights[0], scale * np.eye(D))
        found, gradients = bench.run((found, gradients))
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
    for prefix, count in enumerate(counts):
        own = sequence[0, :count]
        weights = np.exp(scale * (own - own.max(0)))
        expected = (weights * own).sum(0) / weights.sum(0)
        near = scale * (sequence[0].max(0) - own.max(0)) < 80
        close(found[prefix, 0][near], expected[near])
        # Elsewhere a mean of the prefix's records, and not nothing.
        assert np.all(found[prefix, 0] <= own.max(0) + 1e-6)
        assert np.all(found[prefix, 0] >= own.min(0) - 1e-6)
