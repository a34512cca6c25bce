"""Sums of the first records of sequences, by matrix products: a running sum has one thread, they have all.

Letters: P records of all sequences one after the other, N chunks of L records, X numbers of a record.
"""

from recommenders_utils.backend import tf

CHUNK = 16  # records; a product with a triangle of ones costs that many operations a number


def prefix_sums(values, row):
    """The sum of each record and those before it in its sequence.

    ::

        within_t = sum_{s <= t in the chunk, of t's sequence} v_s
        sum_t = within_t + sum_{earlier chunks that end in t's sequence} within_end

    Args:
      values: [P, ...] float.
      row: [P] int >= 0, the sequence of each record; records of one sequence are neighbours.

    Returns:
      [P + n, ...], n >= 1: the last n, of no record, are 0.
    """
    count, shape = tf.shape(values)[0], tf.shape(values)
    chunks = count // CHUNK + 1
    missing = chunks * CHUNK - count
    flat = tf.pad(tf.reshape(values, [count, tf.reduce_prod(shape[1:])]), [[0, missing], [0, 0]])
    flat = tf.reshape(flat, [chunks, CHUNK, -1])  # [N, L, X]
    row = tf.reshape(tf.pad(row, [[0, missing]], constant_values=-1), [chunks, CHUNK])
    same = tf.cast(tf.equal(row[:, :, None], row[:, None, :]), values.dtype)
    within = tf.matmul(tf.linalg.band_part(same, -1, 0), flat)  # [N, L, X]
    ends_in = tf.cast(tf.equal(row[:, :1], row[None, :, -1]), values.dtype)  # [N, N]
    earlier = tf.linalg.band_part(ends_in, -1, 0) - tf.linalg.band_part(ends_in, 0, 0)
    carried = tf.matmul(earlier, within[:, -1])  # [N, X]
    goes_on = tf.cast(tf.equal(row, row[:, :1]), values.dtype)  # [N, L]
    sums = within + goes_on[:, :, None] * carried[:, None]
    return tf.reshape(sums, tf.concat([[chunks * CHUNK], shape[1:]], 0))


def running_sum(sequence):
    """[B, T, D] -> [B, T, D]: at each position the sum of it and all before it."""
    length = tf.shape(sequence)[1]
    below = tf.linalg.band_part(tf.ones([length, length], sequence.dtype), -1, 0)
    return tf.matmul(tf.tile(below[None], [tf.shape(sequence)[0], 1, 1]), sequence)
