"""SINE's passive-negative sub-interests (RecSys 2023): vectors, their independence, the intent filter.

Letters: B batch, T history, D width, K sub-interests.
"""

from dfar_tf.layers.attention.multi_head import MultiHeadAttention
from recommenders_utils.backend import tf


class IntentFilteredAttention(MultiHeadAttention):
    """Causal attention whose weights on keys of the query's own intent are multiplied by a factor."""

    shortcut = None

    def call(self, query, value, padding_mask, factor=None, training=False):
        """Attends.

        Args:
          query: [B, T, D].
          value: [B, T, D], keys and values.
          padding_mask: [B, T].
          factor: [B, T, T], what each weight is multiplied by after the softmax; none if None.
          training: whether dropout is on.

        Returns:
          [B, T, D].
        """
        sides = None if factor is None else factor[:, None]
        return super().call(query, value, value, padding_mask, training, sides=sides)

    def attention_weights(self, logits, visible, sides):
        """[B, H, T, T], multiplied by the factor [B, 1, T, T] that ``sides`` is."""
        weights = super().attention_weights(logits, visible, sides)
        return weights if sides is None else weights * sides


def sub_interest_states(state, vectors):
    """z_k = h + sigmoid(h * u_k) * h: [B, D] and [K, D] -> [B, K, D]."""
    return state[:, None] * (1.0 + tf.sigmoid(state[:, None] * vectors))


def intents(items, skipped, there, vectors):
    """argmax_k (<e, u_k> - <fb, u_k>): the sub-interest an item speaks for, and the skip before it against.

    Args:
      items: [B, T, D].
      skipped: [B, T, D] of the item skipped right before each.
      there: [B, T], 0 where none was: the term is then zero.
      vectors: [K, D].

    Returns:
      [B, T] int.
    """
    difference = items - skipped * there[:, :, None]
    return tf.argmax(tf.tensordot(difference, vectors, [[2], [1]]), -1)


def distance_correlation(first, second, epsilon=1e-12):
    """Distance correlation of two vectors, their elements taken as paired samples.

    ::

        dCor(x, y) = sqrt(dCov2(x, y)) / sqrt(sqrt(dCov2(x, x)) sqrt(dCov2(y, y)))
        dCov2(x, y) = mean(A * B),   A, B the double-centred |x_i - x_j|, |y_i - y_j|

    Args:
      first: [D].
      second: [D].
      epsilon: a dCov2 below it, which rounding can make negative, counts as 0.

    Returns:
      Scalar in [0, 1]; 0, with gradient 0, if a vector is constant.
    """
    a, b = _centred_distances(first), _centred_distances(second)
    mean = tf.reduce_mean
    between = _safe_root(mean(a * b), epsilon)
    own = _safe_root(mean(a * a), epsilon) * _safe_root(mean(b * b), epsilon)
    return tf.math.divide_no_nan(between, _safe_root(own, epsilon))


def _centred_distances(vector):
    distance = tf.abs(vector[:, None] - vector[None, :])  # [D, D]
    rows = tf.reduce_mean(distance, 0, keepdims=True)
    return distance - rows - tf.transpose(rows) + tf.reduce_mean(distance)


def _safe_root(value, epsilon):
    # The root's gradient at 0 is infinite: it is taken of epsilon there, and multiplied by 0.
    return tf.sqrt(tf.maximum(value, epsilon)) * tf.cast(value > epsilon, tf.float32)
