"""Pooling a sequence into one vector by attention.

Letters: B batch, T history, D width.
"""

from dfar_tf.layers.attention.softmax import masked_softmax
from recommenders_utils.backend import tf


class AttentionPooling(tf.keras.layers.Layer):
    """Additive attention with a learned query (FeedRec, WWW 2022, section 3.3).

    ::

        a_t = softmax_t(q . tanh(W h_t + b)),     r = sum_t a_t h_t

    over real positions; zeros where there is none.

    Args:
      units: width of the hidden layer.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = tf.keras.layers.Dense(units, activation="tanh", name="dense")
        # A bias would be the same for all positions, which the softmax does not see.
        self.query = tf.keras.layers.Dense(1, use_bias=False, name="query")

    def call(self, sequence, mask):
        """[B, T, D] and its mask [B, T] -> [B, D]."""
        logits = tf.squeeze(self.query(self.dense(sequence)), -1)  # [B, T]
        return weighted_sum(sequence, masked_softmax(logits, mask))

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(units=self.units)
        return config


class DistilledPooling(tf.keras.layers.Layer):
    """Attention of one vector over a sequence: strong feedback selects from weak feedback.

    ::

        a_t = softmax_t(r W h_t / sqrt(D)),     w = sum_t a_t h_t

    Args:
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def build(self, input_shape):
        """Makes W; ``input_shape`` is the vectors' [B, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=[width, width], initializer="glorot_uniform"
        )
        super().build(input_shape)

    def call(self, vector, sequence, mask):
        """[B, D], [B, T, D] and its mask [B, T] -> [B, D]; zeros where the mask is."""
        query = tf.matmul(vector, self.kernel)[:, None, :]  # [B, 1, D]
        logits = tf.reduce_sum(query * sequence, -1) * vector.shape.as_list()[-1] ** -0.5  # [B, T]
        return weighted_sum(sequence, masked_softmax(logits, mask))


def weighted_sum(sequence, weights):
    """[B, T, D] and [B, T] -> [B, D]."""
    return tf.reduce_sum(sequence * weights[:, :, None], 1)
