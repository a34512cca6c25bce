"""The softmax of attention: over the keys that a query may see."""

from recommenders_utils.backend import tf

MASKED = -1e9  # added to a masked logit; finite, so that a row with every key masked stays finite


def masked_softmax(logits, visible):
    """Softmax over the last axis; where ``visible`` is 0 the weight is 0, in an all-masked row too.

    Args:
      logits: [..., M].
      visible: as ``logits`` or broadcast to it, 1 or 0; all are visible if None.

    Returns:
      Weights, as ``logits``.
    """
    if visible is None:
        return tf.nn.softmax(logits)
    return tf.nn.softmax(logits + (1.0 - visible) * MASKED) * visible
