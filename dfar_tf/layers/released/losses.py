"""The released code's losses that differ from ``dfar_tf/losses.py``.

RELEASED: "Loss". Letters: B batch, C candidates, D width.
"""

from dfar_tf.losses import weighted_mean
from recommenders_utils.backend import tf

LOG_EPSILON = 1e-7


def released_log_loss(logits, labels, weights):
    """RELEASED, loss: log loss of the rounded probability, with 1e-7 inside the logarithms.

    ::

        -y log(p + 1e-7) - (1 - y) log(1 - p + 1e-7),   p = sigmoid(logit)

    At most 16.1 a row, with no gradient left there. All [B, C]; returns the mean over real candidates.
    """
    score = tf.sigmoid(logits)
    positive = labels * tf.math.log(score + LOG_EPSILON)
    negative = (1.0 - labels) * tf.math.log(1.0 - score + LOG_EPSILON)
    return weighted_mean(-positive - negative, weights)


def attraction(first, second):
    """RELEASED, loss: minus the mean over D of the product of two l2-normalised vectors.

    That is minus their cosine over D: it attracts positive and negative interest, where the paper's
    Eq. 18 drives them apart. [..., D] twice -> [...].
    """
    first, second = (tf.nn.l2_normalize(each, -1) for each in (first, second))
    return -tf.reduce_mean(first * second, -1)
