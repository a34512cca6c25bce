"""Attention without its weights: exp(logits) meets the values first, the division comes last.

Letters: B batch, P maps a batch row, N queries, M keys, K key_dim, V value width.

::

    softmax(L) V  =  (exp(L - m) V) / (exp(L - m) 1),     m the row's largest logit

so that of each [N, M] map only the logits and their exponentials are ever made, and its gradient is one
product; a softmax makes the weights beside them and takes four passes over them on the way back. Padding
takes no pass of its own: it enters the product with the keys as one more element, and the values as zeros.
"""

from recommenders_utils.backend import tf

MASKED = -1e9  # added to a masked logit; finite, so that a row with every key masked stays finite


def weighed(values, padding_mask=None):
    """[B, P, M, V] -> [B, P, M, V + 1]: the values, zero at padding, and a column that counts the keys."""
    ones = tf.ones_like(values[..., :1])
    columns = tf.concat([values, ones], -1)
    return columns if padding_mask is None else columns * _real(padding_mask)[:, None, :, None]


def attend(queries, keys, columns, padding_mask=None, floor=None):
    """Sums columns under the exponentials of the logits.

    Args:
      queries: [B, P or 1, N, K], scaled.
      keys: [B, P, M, K].
      columns: [B, P, M, Z], zero at padding (see ``weighed``).
      padding_mask: [B, M], non-zero where a key is real.
      floor: [B, 1, 1, 1] the least that m may be, or None.

    Returns:
      (exp(L - m) columns [B, P, N, Z], m [B, P, N, 1]); no gradient flows through m, which cancels.
    """
    if padding_mask is not None:
        hidden = (1.0 - _real(padding_mask))[:, None, :, None] * MASKED  # [B, 1, M, 1]
        keys = tf.concat([keys, hidden + tf.zeros_like(keys[..., :1])], -1)  # [B, P, M, K + 1]
        queries = tf.concat([queries, tf.ones_like(queries[..., :1])], -1)
    logits = tf.matmul(queries, keys, transpose_b=True)  # [B, P, N, M]
    shift = tf.stop_gradient(tf.reduce_max(logits, -1, keepdims=True))
    if floor is not None:
        shift = tf.maximum(shift, floor)
    return tf.matmul(tf.exp(logits - shift), columns), shift


def divided(summed):
    """[..., V + 1] -> [..., V]: the sums over the count of the last column, 0 where that is 0."""
    # A slice's gradient would be a padded copy for each part; a split's is one concatenation.
    total, count = tf.split(summed, [-1, 1], -1)
    return total * tf.math.divide_no_nan(tf.ones_like(count), count)  # one division a row, not V


def _real(padding_mask):
    return tf.cast(tf.cast(padding_mask, tf.bool), tf.float32)
