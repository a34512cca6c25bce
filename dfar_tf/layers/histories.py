"""Right-padded histories: how old their records are, and some of the records as if there were no others.

Letters: B batch, T history.
"""

from dfar_tf.layers.packing import front
from recommenders_utils.backend import tf


def ages(mask, length):
    """[B, T] int position of each record counted from the newest, 0; at most ``length`` - 1.

    In a right-padded history this, and not the column, is a record's distance from the target.
    """
    age = tf.reduce_sum(mask, 1, keepdims=True) - tf.cumsum(mask, 1)  # [B, T]
    return tf.cast(tf.clip_by_value(age, 0.0, length - 1.0), tf.int32)


def compact(history, keep, names=("history_items", "history_labels")):
    """The kept records, packed to the front in order, as if the history had no others.

    Args:
      history: dict of ``history_mask`` and ``names``, [B, T].
      keep: [B, T] bool; padding is never kept.
      names: what to move.

    Returns:
      dict of ``names``, ``history_levels`` if there are any, and the new ``history_mask``, 0 past the
      kept records.
    """
    kept = tf.logical_and(keep, history["history_mask"] > 0)  # [B, T]
    order, mask = front(tf.cast(kept, tf.float32), tf.shape(kept)[1])  # [B, T]
    mask = mask > 0
    moved = {"history_mask": tf.cast(mask, tf.float32)}
    if "history_levels" in history:
        names = (*names, "history_levels")
    for name in names:
        values = tf.gather(history[name], order, batch_dims=1)
        moved[name] = tf.where(mask, values, tf.zeros_like(values))
    for name in moved:
        moved[name].set_shape(history[name].shape)
    return moved
