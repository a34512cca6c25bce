"""Computing on fewer padded positions, with the results of computing on all of them.

Letters: B batch, T history, D width.
"""

from recommenders_utils.backend import tf

# [B, T] in a history
BY_POSITION = ("history_items", "history_labels", "history_levels", "history_mask")


def encode_by_length(encode, history, parts):
    """Encodes a batch's histories in parts of similar length, each cut to its longest history.

    Args:
      encode: history -> dict of tensors with B rows; it may not look at other rows.
      history: dict of [B, T] (``BY_POSITION``) and [B] tensors, right-padded.
      parts: how many parts; 1 cuts the whole batch to its longest history.

    Returns:
      What ``encode`` returns, rows in the given order. A tensor with positions is as long as the batch's
      longest history, zeros past a row's part.
    """
    lengths = tf.cast(tf.reduce_sum(history["history_mask"], 1), tf.int32)  # [B]
    if parts == 1:
        return encode(cut_to_longest(history))
    rows = tf.shape(lengths)[0]
    order = tf.argsort(lengths)
    states = []
    for part in range(parts):
        chosen = order[part * rows // parts : (part + 1) * rows // parts]
        own = {name: tf.gather(value, chosen) for name, value in history.items()}
        states.append(encode(cut_to_longest(own)))
    back = tf.math.invert_permutation(order)
    return {name: tf.gather(_joined([state[name] for state in states]), back) for name in states[0]}


def front(mask, width=None):
    """Indices of the marked positions of each row, packed together.

    Args:
      mask: [B, T] float, 1 or 0.
      width: S, at most T; the largest count of a row, at least 1, if None.

    Returns:
      (index [B, S] int of the marked positions in order, packed mask [B, S]); where the packed mask is 0
      the index is of some other position.
    """
    length = tf.shape(mask)[1]
    count = tf.cast(tf.reduce_sum(mask, 1), tf.int32)  # [B]
    width = tf.maximum(tf.reduce_max(count), 1) if width is None else width
    # Distinct keys, since not every sort keeps the order of equal ones.
    keys = tf.range(length) + length * tf.cast(tf.equal(mask, 0), tf.int32)  # [B, T]
    index = tf.argsort(keys, axis=1)[:, :width]  # [B, S]
    return index, tf.sequence_mask(count, width, tf.float32)


def packed(sequence, mask):
    """A sequence without its zero rows: the marked positions of each row moved together.

    Args:
      sequence: [B, T, D], zero where the mask is.
      mask: [B, T] float, 1 or 0.

    Returns:
      (sequence [B, S, D], mask [B, S]), S the largest count of a row; zero past a row's count.
    """
    index, packed_mask = front(mask)
    return take(sequence, index), packed_mask


def take(values, index):
    """[B, T, Z] at index [B, S] -> [B, S, Z]; its gradient, unlike a batched gather's, is one sum."""
    rows, length = tf.shape(values)[0], tf.shape(values)[1]
    flat = tf.reshape(values, [-1, values.shape.as_list()[-1]])
    return tf.gather(flat, index + length * tf.range(rows)[:, None])


def cut_to_longest(history):
    """A history without the columns in which no row has a record; one column at least."""
    lengths = tf.cast(tf.reduce_sum(history["history_mask"], 1), tf.int32)  # [B]
    longest = tf.maximum(tf.reduce_max(lengths), 1)  # the largest of no rows is far below 0
    return {
        name: value[:, :longest] if name in BY_POSITION else value
        for name, value in history.items()
    }


def _joined(tensors):
    """Concatenates [b, s, ...] tensors that differ in s, zeros at the end of the shorter ones."""
    shape = tensors[0].shape
    widths = {each.shape.as_list()[1] for each in tensors} if shape.ndims > 1 else set()
    if None in widths or len(widths) > 1:
        longest = tf.reduce_max(tf.stack([tf.shape(each)[1] for each in tensors]))
        rest = [[0, 0]] * (shape.ndims - 2)
        tensors = [
            tf.pad(each, [[0, 0], [0, longest - tf.shape(each)[1]], *rest]) for each in tensors
        ]
    return tf.concat(tensors, 0)
