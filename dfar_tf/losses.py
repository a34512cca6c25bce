"""Losses over an instance's candidates.

Letters: B batch, C candidates. ``weights`` [B, C] is 0 at padding candidates; a mean over nothing is 0.
"""

from recommenders_utils.backend import tf

MAIN_LOSSES = ("log_loss", "softmax", "bpr")


def main_loss(kind, logits, labels, weights):
    """The next-item loss, ``train.loss`` in the hyper-parameters.

    * ``log_loss``, the paper's: mean over candidates of -y log p - (1 - y) log(1 - p), p = sigmoid(logit).
    * ``softmax``: mean over instances with a positive of -log softmax over the candidates at the
      positive (several positives share it equally). The release trains GRU4Rec and SASRec with it.
    * ``bpr``: mean over (positive, negative) pairs of an instance of -log sigmoid(logit+ - logit-).

    Args:
      kind: one of ``MAIN_LOSSES``.
      logits: [B, C].
      labels: [B, C], 1 or 0.
      weights: [B, C], 0 at padding candidates.

    Returns:
      Scalar.

    Raises:
      ValueError: an unknown kind.
    """
    if kind == "log_loss":
        # Eq. 22
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return weighted_mean(losses, weights)
    if kind == "softmax":
        log_share = tf.nn.log_softmax(logits + (1.0 - weights) * -1e9)  # [B, C]
        positives = tf.reduce_sum(labels * weights, 1)  # [B]
        losses = -tf.reduce_sum(labels * weights * log_share, 1)
        losses = tf.math.divide_no_nan(losses, positives)
        return weighted_mean(losses, tf.cast(positives > 0, tf.float32))
    if kind == "bpr":
        margins = logits[:, :, None] - logits[:, None, :]  # [B, C, C]
        pairs = (labels * weights)[:, :, None] * ((1.0 - labels) * weights)[:, None, :]
        return weighted_mean(tf.nn.softplus(-margins), pairs)
    raise ValueError(f"train.loss must be one of {MAIN_LOSSES}, got {kind!r}")


def tower_bpr_loss(positive_logits, negative_logits, labels, weights):
    """L^BPR: the tower of the candidate's own feedback should score it higher than the other.

    ::

        -log sigmoid(logit^P - logit^N)  if y = 1,   -log sigmoid(logit^N - logit^P)  if y = 0

    All arguments [B, C]; returns the mean over real candidates.
    """
    # Eq. 21
    sign = 2.0 * labels - 1.0
    return weighted_mean(tf.nn.softplus(-sign * (positive_logits - negative_logits)), weights)


def cosine_loss(first, second, weights, epsilon=1e-12):
    """L^D: mean cosine of two [B, C, D] vectors over real candidates.

    A zero vector (a history without that feedback) has cosine 0 and gradient 0, never NaN.
    """
    # Eq. 18
    return weighted_mean(cosine(first, second, epsilon), weights)


def cosine(first, second, epsilon=1e-12):
    """[..., D] twice -> [...]; 0, with gradient 0, where either vector is zero."""
    return tf.reduce_sum(_unit(first, epsilon) * _unit(second, epsilon), -1)


def _unit(vectors, epsilon):
    squares = tf.reduce_sum(tf.square(vectors), -1, keepdims=True)
    there = tf.cast(squares > epsilon, tf.float32)
    return vectors * there * tf.math.rsqrt(tf.maximum(squares, epsilon))


def weighted_mean(values, weights):
    """sum(values * weights) / sum(weights), 0 if there is no weight."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))
