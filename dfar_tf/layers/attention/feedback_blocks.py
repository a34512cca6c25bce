"""FFHA's Eq. 11 with only the logits that the label mask leaves.

Letters: B batch, N queries, M keys, S keys of one side at most, H heads, G = H / 2 heads of a side,
K key_dim, V value_dim, Y output.

A query i of side y_i and a key j of side y_j keep the logits of head pairs (h1 of side y_i, h2 of side
y_j): G x G of H x H. All others are 0, their exponential 1. So with E the exponentials of the kept logits
over e^m and O_{h2} the sum of V_{h2} over the real keys that are *not* of h2's side,

::

    A_{h1,h2} V_{h2} = (sum_{j of h2's side} E[h1, h2, i, j] V_{h2}[j] + e^-m O_{h2}) / (the same of 1)
                                                                  where h1 is of side y_i
                     = mean of V_{h2} over all real keys          elsewhere

The second line is one vector a history; in the first the keys of a side are moved together, so that the
maps of both sides have some M columns between them. The result is that of the H x H maps, to rounding.
"""

from dfar_tf.layers.attention.exponentials import attend, divided, weighed
from dfar_tf.layers.packing import front, take
from recommenders_utils.backend import tf


def attend_in_blocks(queries, keys, values, output_kernel, padding_mask, sides):
    """Feedback-aware factorization-heads attention under ``mask_mode`` "logits".

    Args:
      queries: [B, H, N, K], scaled; heads of side 0 first.
      keys: [B, H, M, K].
      values: [B, H, M, V].
      output_kernel: [H * H * V, Y].
      padding_mask: [B, M], non-zero where a key is real, or None.
      sides: ([B, H, N, 1], [B, H, M, 1]), 1 where the head is of the item's side.

    Returns:
      [B, N, Y].
    """
    query_side, key_side = sides
    heads, width = queries.shape.as_list()[1], values.shape.as_list()[-1]
    half, rows, length = heads // 2, tf.shape(queries)[0], tf.shape(queries)[2]
    own = tf.add(*tf.split(queries * query_side, 2, 1))  # [B, G, N, K], heads of the query's side
    own = tf.reshape(
        own, [rows, 1, half * length, queries.shape.as_list()[-1]]
    )  # [B, 1, g1 * N, K]
    every = weighed(values, padding_mask)  # [B, H, M, V + 1]
    others = tf.reduce_sum(every * (1.0 - key_side), 2, keepdims=True)  # [B, H, 1, V + 1]
    found = [
        _side(own, *parts)
        for parts in zip(*(tf.split(each, 2, 1) for each in (keys, every, key_side, others)))
    ]  # of each side [B, g2, g1 * N, V]
    attended = tf.stack(found, 1)  # [B, s2, g2, g1 * N, V]
    attended = tf.reshape(attended, [rows, heads, half, length, width])  # [B, h2, g1, N, V]
    attended = tf.transpose(attended, [0, 3, 2, 1, 4])  # [B, N, g1, h2, V]
    size = half * heads * width
    attended = tf.reshape(attended, [rows, length, size])
    mean = divided(tf.reduce_sum(every, 2))  # [B, H, V]
    mean = tf.tile(tf.reshape(mean, [rows, heads * width]), [1, half])  # [B, G * H * V]
    # W_0's rows are ordered by h1: the first half of them reads the query heads of side 0.
    kernels = tf.split(output_kernel, 2, 0)
    outputs = tf.tensordot(attended, tf.concat(kernels, -1), 1)  # [B, N, 2 Y]
    outputs = tf.stack(tf.split(outputs, 2, -1), 2)  # [B, N, s1, Y]
    means = tf.stack([tf.matmul(mean, kernel) for kernel in kernels], 1)  # [B, s1, Y]
    chosen = tf.stack([query_side[:, 0], query_side[:, half]], 2)  # [B, N, s1, 1]
    return tf.reduce_sum(outputs * chosen + means[:, None] * (1.0 - chosen), 2)  # [B, N, Y]


def _side(queries, keys, columns, side, others):
    """What queries attend to through the key heads of one side.

    Args:
      queries: [B, 1, g1 * N, K].
      keys: [B, G, M, K].
      columns: [B, G, M, V + 1], values and a count, zero at padding.
      side: [B, G, M, 1], 1 at the keys of this side.
      others: [B, G, 1, V + 1], the columns' sum over the keys of the other side.

    Returns:
      [B, G, g1 * N, V].
    """
    index, mask = front(side[:, 0, :, 0] * columns[:, 0, :, -1])  # [B, S]
    sizes = [keys.shape.as_list()[-1], columns.shape.as_list()[-1]]
    half, size = keys.shape.as_list()[1], sum(sizes)
    both = tf.transpose(tf.concat([keys, columns], -1), [0, 2, 1, 3])  # [B, M, G, K + V + 1]
    packed = take(tf.reshape(both, [-1, tf.shape(both)[1], half * size]), index)
    packed = tf.reshape(packed * mask[:, :, None], [-1, tf.shape(index)[1], half, size])
    keys, columns = tf.split(tf.transpose(packed, [0, 2, 1, 3]), sizes, -1)  # [B, G, S, K], ...
    # With keys of the other side about, the largest exponential is theirs, exp(0), at the least.
    mixed = tf.stop_gradient(others)[:, :1, :, -1:] > 0  # [B, 1, 1, 1]
    floor = tf.where(mixed, tf.zeros(tf.shape(mixed)), tf.fill(tf.shape(mixed), -1e30))
    summed, largest = attend(queries, keys, columns, mask, floor)
    # Where there is no such key ``others`` is zero, and the clip keeps its factor finite.
    return divided(summed + tf.exp(-tf.maximum(largest, 0.0)) * others)
