"""Losses over an instance's candidates.

Letters: B batch, C candidates. ``weights`` [B, C] is 0 at padding candidates; a mean over nothing is 0.
"""

from recommenders_utils.backend import tf

MAIN_LOSSES = ("log_loss", "softmax", "bpr", "full_softmax", "gbce")
NOWHERE = -1e9  # a logit that no softmax sees


def main_loss(kind, logits, labels, weights, beta=1.0):
    """The next-item loss, ``train.loss`` in the hyper-parameters.

    * ``log_loss``, the paper's: mean over candidates of -y log p - (1 - y) log(1 - p), p = sigmoid(logit).
    * ``softmax``: mean over instances with a positive of -log softmax over the candidates at the
      positive (several positives share it equally). The release trains GRU4Rec and SASRec with it.
    * ``full_softmax``: ``softmax`` whose candidates are the whole catalogue.
    * ``bpr``: mean over (positive, negative) pairs of an instance of -log sigmoid(logit+ - logit-).
    * ``gbce`` (Petrov and Macdonald, RecSys 2023): ``log_loss`` with beta log p for -y's log p.

    Args:
      kind: one of ``MAIN_LOSSES``.
      logits: [B, C].
      labels: [B, C], 1 or 0.
      weights: [B, C], 0 at padding candidates.
      beta: the power of gBCE's positives, see ``gbce_beta``.

    Returns:
      Scalar.

    Raises:
      ValueError: an unknown kind.
    """
    if kind == "gbce":
        positive = labels * beta * tf.nn.softplus(-logits)  # -log sigmoid(logit)^beta
        return weighted_mean(positive + (1.0 - labels) * tf.nn.softplus(logits), weights)
    if kind == "log_loss":
        # Eq. 22
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        return weighted_mean(losses, weights)
    if kind in ("softmax", "full_softmax"):
        log_share = tf.nn.log_softmax(logits + (1.0 - weights) * NOWHERE)  # [B, C]
        positives = tf.reduce_sum(labels * weights, 1)  # [B]
        losses = -tf.reduce_sum(labels * weights * log_share, 1)
        losses = tf.math.divide_no_nan(losses, positives)
        return weighted_mean(losses, tf.cast(positives > 0, tf.float32))
    if kind == "bpr":
        margins = logits[:, :, None] - logits[:, None, :]  # [B, C, C]
        pairs = (labels * weights)[:, :, None] * ((1.0 - labels) * weights)[:, None, :]
        return weighted_mean(tf.nn.softplus(-margins), pairs)
    raise ValueError(f"train.loss must be one of {MAIN_LOSSES}, got {kind!r}")


def gbce_beta(negatives, num_items, t):
    """The power beta of gBCE that undoes the overconfidence of negative sampling.

    ::

        alpha = K / (I - 1),    beta = alpha (t (1 - 1 / alpha) + 1 / alpha)

    Args:
      negatives: K, negatives a target.
      num_items: I.
      t: calibration in [0, 1]; 0 is plain binary cross-entropy, 1 is as calibrated as a full softmax.

    Returns:
      Python float.
    """
    alpha = negatives / max(1.0, num_items - 1.0)
    return alpha * (t * (1.0 - 1.0 / alpha) + 1.0 / alpha)


def target_bpr_loss(logits, labels, weights):
    """``bpr`` where only column 0 can be a positive, in [N, C] numbers and not [N, C, C]."""
    margins = logits[:, :1] - logits[:, 1:]  # [N, C - 1]
    pairs = (labels * weights)[:, :1] * weights[:, 1:]
    return weighted_mean(tf.nn.softplus(-margins), pairs)


def not_to_recommend_loss(logits, weights, disliked):
    """-log(1 - p) of disliked next items, p their share in the softmax (Wang et al., arXiv 2308.12256).

    Args:
      logits: [N, C], the target in column 0.
      weights: [N, C], 0 at candidates that do not count.
      disliked: [N], 1 where the target was disliked.

    Returns:
      Scalar, the mean over disliked targets.
    """
    kept = logits + (1.0 - weights) * NOWHERE
    total = tf.reduce_logsumexp(kept, 1)
    others = tf.reduce_logsumexp(kept[:, 1:], 1)
    return weighted_mean(total - others, disliked)


def contrast_loss(logits, skipped_logits, skipped, liked):
    """A liked target against the disliked records of its history (after Seshadri et al., arXiv 2409.07367).

    ::

        -log(exp(s) / (exp(s) + sum over disliked j of exp(s_j)))

    Args:
      logits: [N, C], the target in column 0.
      skipped_logits: [N, S] of the history's records.
      skipped: [N, S], 1 where such a record was disliked and is not the target.
      liked: [N], 1 where the target was liked.

    Returns:
      Scalar, the mean over liked targets with a disliked record.
    """
    own = logits[:, 0]
    joined = tf.concat([own[:, None], skipped_logits + (1.0 - skipped) * NOWHERE], 1)
    some = tf.cast(tf.reduce_sum(skipped, 1) > 0, tf.float32)
    return weighted_mean(tf.reduce_logsumexp(joined, 1) - own, liked * some)


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
