"""Shortcuts of the attention family, for ``fast_attention``; results change by rounding only.

Letters: B batch, N queries, M keys, H heads, K key_dim, V value_dim, Y output; P maps made in one product,
Z columns; S keys of one side at most, G = H / 2 heads of a side.

Each of ``heads``, ``pairs`` and ``blocks`` stands for the steps of a layer's ``call`` between the projections
and the result. A layer names its own as ``shortcut``; if the weights are requested, dropped or
causal,
``call`` goes through all steps instead.

1. The weights are never made: exp(logits) meets the values first, the division comes last ::

       softmax(L) V  =  (exp(L - m) V) / (exp(L - m) 1),     m the row's largest logit

   so that of each [N, M] map only the logits and their exponentials are ever made, and its gradient is one
   product; a softmax makes the weights beside them and takes four passes over them on the way back. Padding
   takes no pass of its own: it enters the product with the keys as one more element, and the values as zeros.
2. Factorization heads lie at [B, h2, h1 * N, M]: the key head is a batch axis of both products, so that no
   map is transposed or tiled.
3. Feedback-aware heads make only what the label mask leaves: see ``blocks``.
"""

from dfar_tf.layers.attention.softmax import MASKED
from dfar_tf.layers.packing import front, take
from dfar_tf.layers.shapes import size_of
from recommenders_utils.backend import tf

# One a layer: queries [B, H, N, K], keys [B, H, M, K], values [B, H, M, V], padding_mask [B, M] or None,
# sides -> [B, N, Y].


def heads(layer, queries, keys, values, padding_mask, sides):
    """Multi-head attention from its heads on."""
    queries *= layer.key_dim**-0.5
    summed, _ = attend(queries, keys, weighed(values, padding_mask), padding_mask)
    return layer.project(divided(summed))


def pairs(layer, queries, keys, values, padding_mask, sides):
    """Factorization-heads attention from its heads on."""
    count, width = layer.num_heads, values.shape.as_list()[-1]
    queries = _together(queries * layer.key_dim**-0.5)  # [B, 1, h1 * N, K]
    summed, _ = attend(queries, keys, weighed(values, padding_mask), padding_mask)
    attended = divided(summed)  # [B, h2, h1 * N, V]
    length = size_of(attended, 2) // count
    attended = tf.reshape(attended, [-1, count, count, length, width])  # [B, h2, h1, N, V]
    attended = tf.transpose(attended, [0, 2, 1, 3, 4])
    return layer.project(tf.reshape(attended, [-1, count**2, length, width]))


def blocks(layer, queries, keys, values, padding_mask, sides):
    """Feedback-aware factorization-heads attention from its heads on, without what the mask makes 0.

    A query i of side y_i and a key j of side y_j keep the head pairs (h1 of side y_i, h2 of side y_j): G x G
    of H x H. With ``mask_mode`` "logits" all other logits are 0, their exponential 1. So with E the
    exponentials of the kept logits over e^m and O_{h2} the sum of V_{h2} over the real keys that are *not*
    of h2's side,

    ::

        A_{h1,h2} V_{h2} = (sum_{j of h2's side} E[h1, h2, i, j] V_{h2}[j] + e^-m O_{h2}) / (the same of 1)
                                                                      where h1 is of side y_i
                         = mean of V_{h2} over all real keys          elsewhere

    The second line is one vector a history; in the first the keys of a side are moved together, so that the
    maps of both sides have some M columns between them. With "neg_inf" there is no O and no mean; with
    "weights" there is no mean, and the keys of the other side count in the division only.

    Args:
      sides: ([B, H, N, 1], [B, H, M, 1]), 1 where the head is of the item's side; heads of side 0 first.
    """
    query_side, key_side = sides
    count, width = layer.num_heads, values.shape.as_list()[-1]
    half, rows, length = count // 2, tf.shape(queries)[0], size_of(queries, 2)
    queries *= layer.key_dim**-0.5
    own = tf.add(*tf.split(queries * query_side, 2, 1))  # [B, G, N, K], heads of the query's side
    own = tf.reshape(own, [rows, 1, half * length, layer.key_dim])  # [B, 1, g1 * N, K]
    every = weighed(values, padding_mask)  # [B, H, M, V + 1]
    others = tf.reduce_sum(every * (1.0 - key_side), 2, keepdims=True)  # [B, H, 1, V + 1]
    through = {"logits": _one_side, "neg_inf": _one_side_alone, "weights": _one_side_of_all}
    found = [
        through[layer.mask_mode](own, *parts)
        for parts in zip(*(tf.split(each, 2, 1) for each in (keys, every, key_side, others)))
    ]  # of each side [B, g2, g1 * N, V]
    attended = tf.stack(found, 1)  # [B, s2, g2, g1 * N, V]
    attended = tf.reshape(attended, [rows, count, half, length, width])  # [B, h2, g1, N, V]
    attended = tf.transpose(attended, [0, 3, 2, 1, 4])  # [B, N, g1, h2, V]
    attended = tf.reshape(attended, [rows, length, half * count * width])
    # W_0's rows are ordered by h1: the first half of them reads the query heads of side 0.
    kernels = tf.split(layer.flat_output_kernel(), 2, 0)
    outputs = tf.tensordot(attended, tf.concat(kernels, -1), 1)  # [B, N, 2 Y]
    outputs = tf.stack(tf.split(outputs, 2, -1), 2)  # [B, N, s1, Y]
    chosen = tf.stack([query_side[:, 0], query_side[:, half]], 2)  # [B, N, s1, 1]
    outputs *= chosen
    if layer.mask_mode == "logits":
        mean = divided(tf.reduce_sum(every, 2))  # [B, H, V]
        mean = tf.tile(tf.reshape(mean, [rows, count * width]), [1, half])  # [B, G * H * V]
        means = tf.stack([tf.matmul(mean, kernel) for kernel in kernels], 1)  # [B, s1, Y]
        outputs += means[:, None] * (1.0 - chosen)
    return layer.biased(tf.reduce_sum(outputs, 2))  # [B, N, Y]


# What queries attend to through the key heads of one side: queries [B, 1, g1 * N, K], keys [B, G, M, K],
# columns [B, G, M, V + 1] (values and a count, zero at padding), side [B, G, M, 1] and the columns' sum over
# the keys of the other side [B, G, 1, V + 1] -> [B, G, g1 * N, V].


def _one_side(queries, keys, columns, side, others):
    """The keys of the side; those of the other side have logit 0."""
    keys, columns, mask = _of_side(keys, columns, side)
    # If keys of the other side exist, the largest exponential is theirs, exp(0), at the least.
    mixed = tf.stop_gradient(others)[:, :1, :, -1:] > 0  # [B, 1, 1, 1]
    floor = tf.where(mixed, tf.zeros(tf.shape(mixed)), tf.fill(tf.shape(mixed), -1e30))
    summed, largest = attend(queries, keys, columns, mask, floor)
    # Where there is no such key ``others`` is zero, and the clip keeps its factor finite.
    return divided(summed + tf.exp(-tf.maximum(largest, 0.0)) * others)


def _one_side_alone(queries, keys, columns, side, others):
    """The keys of the side, as if there were no others."""
    keys, columns, mask = _of_side(keys, columns, side)
    return divided(attend(queries, keys, columns, mask)[0])


def _one_side_of_all(queries, keys, columns, side, others):
    """The keys of the side, by their weights among all keys."""
    values, count = tf.split(columns, [-1, 1], -1)
    columns = tf.concat([values * side, count], -1)
    return divided(attend(queries, keys, columns, count[:, 0, :, 0])[0])


def _of_side(keys, columns, side):
    """Keys [B, G, S, K] and columns [B, G, S, V + 1] of the side's real keys, their mask [B, S]."""
    index, mask = front(side[:, 0, :, 0] * columns[:, 0, :, -1])  # [B, S]
    sizes = [keys.shape.as_list()[-1], columns.shape.as_list()[-1]]
    half, size = keys.shape.as_list()[1], sum(sizes)
    both = tf.transpose(tf.concat([keys, columns], -1), [0, 2, 1, 3])  # [B, M, G, K + V + 1]
    packed = take(tf.reshape(both, [-1, tf.shape(both)[1], half * size]), index)
    packed = tf.reshape(packed * mask[:, :, None], [-1, tf.shape(index)[1], half, size])
    return (*tf.split(tf.transpose(packed, [0, 2, 1, 3]), sizes, -1), mask)


# What they share.


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


def _together(queries):
    """[B, h1, N, K] -> [B, 1, h1 * N, K]."""
    count, _, width = queries.shape.as_list()[1:]
    return tf.reshape(queries, [-1, 1, count * size_of(queries, 2), width])


def _real(padding_mask):
    return tf.cast(tf.cast(padding_mask, tf.bool), tf.float32)
