"""Prefix sums by matrix products against loops, with their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfar_tf.layers.prefix_sums import CHUNK, prefix_sums, running_sum
from recommenders_utils.backend import tf


def sums_and_gradients(values, row, weights):
    with tf.Graph().as_default(), tf.Session() as session:
        given_values = tf.constant(values)
        sums = prefix_sums(given_values, tf.constant(row, tf.int32))
        (gradient,) = tf.gradients(tf.reduce_sum(sums[: len(row)] * weights), given_values)
        return session.run([sums, gradient])


# Within a chunk, over several, that end with one, and a row that is left out.
@pytest.mark.parametrize(
    "lengths", [[1], [3, 0, 2], [CHUNK, 1], [5, 3 * CHUNK + 2, 7], [CHUNK] * 3]
)
def test_each_record_has_the_sum_of_its_sequence_so_far(lengths):
    row = np.repeat(np.arange(len(lengths)), lengths)
    random = np.random.RandomState(3)
    values = random.randn(len(row), 2, 5).astype(np.float32)
    weights = random.randn(len(row), 2, 5).astype(np.float32)
    sums, gradient = sums_and_gradients(values, row, weights)
    before = (row[:, None] == row[None]) & (np.arange(len(row))[:, None] >= np.arange(len(row)))
    np.testing.assert_allclose(
        sums[: len(row)], np.einsum("ts,scd->tcd", before, values), atol=1e-5
    )
    np.testing.assert_allclose(gradient, np.einsum("ts,tcd->scd", before, weights), atol=1e-5)
    assert len(sums) > len(row) and not sums[len(row) :].any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2 * CHUNK + 3), min_size=1, max_size=9).filter(sum))
def test_any_lengths(lengths):
    row = np.repeat(np.arange(len(lengths)), lengths)
    values = np.random.RandomState(len(row)).randint(-9, 9, [len(row), 3]).astype(np.float32)
    sums, _ = sums_and_gradients(values, row, np.ones_like(values))
    expected = np.concatenate([np.cumsum(values[row == k], 0) for k in range(len(lengths))])
    np.testing.assert_array_equal(sums[: len(row)], expected)


def test_a_small_sum_after_large_ones_keeps_its_digits():
    """A difference of sums over all sequences would lose them."""
    values = np.full([40, 1], 1e6, np.float32)
    values[20:] = 1e-6
    sums, _ = sums_and_gradients(values, np.arange(40) // 20, np.ones_like(values))
    np.testing.assert_allclose(sums[20:40, 0], 1e-6 * np.arange(1, 21), rtol=1e-5)


def test_the_running_sum_of_padded_sequences():
    values = np.random.RandomState(0).randn(3, 7, 2).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(running_sum(tf.constant(values)))
    np.testing.assert_allclose(found, np.cumsum(values, 1), atol=1e-5)
