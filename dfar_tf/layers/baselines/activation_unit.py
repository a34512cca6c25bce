"""DIN's local activation unit: how much a history item matters for a candidate (KDD 2018, section 4.3).

Letters: B batch, T history, C candidates, D width, P real positions of the batch.
"""

from dfar_tf.layers.baselines.dice import Dice
from recommenders_utils.backend import tf


class LocalActivationUnit(tf.keras.layers.Layer):
    """Scalar attention of each candidate over the history, and the weighted sum.

    ::

        a_t  = MLP([e_t, v, e_t - v, e_t * v]),      f = sum_t a_t e_t

    over real positions; with ``softmax`` the a_t are normalised over them (then the last layer has no
    bias, which a softmax does not see). Only the P real positions are computed, packed one after the
    other, so that padding is in no sum and in no statistic of Dice. The first dense layer is not applied
    to the concatenation: with W = [W_1; W_2; W_3; W_4] it is e_t (W_1 + W_3) + v (W_2 - W_3) +
    (e_t * v) W_4, of which the first term is computed once a history and the second once a candidate.

    Args:
      units: hidden widths of the MLP.
      activation: ``dice`` or a Keras activation.
      softmax: whether the weights of a history sum to 1.
      scale: what the MLP's output is multiplied by.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units=(80, 40), activation="dice", softmax=False, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.units = list(units)
        self.activation = activation
        self.softmax = softmax
        self.scale = scale
        self.hidden = [
            tf.keras.layers.Dense(width, name=f"dense_{i + 1}")
            for i, width in enumerate(self.units[1:])
        ]
        self.out = tf.keras.layers.Dense(1, use_bias=not softmax, name="dense_out")
        self.activations = [self._make_activation(i) for i in range(len(self.units))]

    def build(self, input_shape):
        """Makes the first layer; ``input_shape`` is the candidates' [B, C, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        self.kernel = self.add_weight(
            name="dense_0_kernel", shape=[4 * width, self.units[0]], initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="dense_0_bias", shape=[self.units[0]], initializer="zeros")
        super().build(input_shape)

    def call(self, query, sequence, mask, training=False):
        """Pools the sequence once for each candidate.

        Args:
          query: [B, C, D] candidates.
          sequence: [B, T, D] history.
          mask: [B, T], non-zero at real positions.
          training: whether Dice uses the batch's statistics.

        Returns:
          [B, C, D]; zeros for a history without a real position.
        """
        real = tf.where(tf.not_equal(mask, 0))  # [P, 2]
        row = tf.cast(real[:, 0], tf.int32)  # [P]
        keys = tf.gather_nd(sequence, real)  # [P, D]
        rows, candidates = tf.shape(query)[0], tf.shape(query)[1]
        weights = self._weights(query, keys, row, training)  # [P, C]
        if self.softmax:
            largest = tf.math.unsorted_segment_max(tf.stop_gradient(weights), row, rows)
            weights = tf.exp(weights - tf.gather(largest, row))
            total = tf.math.unsorted_segment_sum(weights, row, rows)  # [B, C]
            weights /= tf.gather(total, row)
        pooled = tf.math.unsorted_segment_sum(weights[:, :, None] * keys[:, None, :], row, rows)
        return tf.reshape(pooled, [rows, candidates, sequence.shape.as_list()[-1]])

    def _weights(self, query, keys, row, training):
        of_key, of_query, of_difference, of_product = tf.split(self.kernel, 4)
        shared = tf.matmul(keys, of_key + of_difference) + self.bias  # [P, K]
        own = tf.gather(tf.tensordot(query, of_query - of_difference, 1), row)  # [P, C, K]
        products = keys[:, None, :] * tf.gather(query, row)  # [P, C, D]
        hidden = shared[:, None, :] + own + tf.tensordot(products, of_product, 1)
        count = tf.shape(hidden)[1]
        hidden = tf.reshape(hidden, [-1, self.units[0]])  # [P * C, K]
        hidden = self._activate(0, hidden, training)
        for i, layer in enumerate(self.hidden):
            hidden = self._activate(i + 1, layer(hidden), training)
        weights = tf.reshape(self.out(hidden), [-1, count])  # [P, C]
        return weights if self.scale == 1.0 else weights * self.scale

    def _make_activation(self, i):
        if self.activation == "dice":
            return Dice(name=f"dice_{i}")
        return tf.keras.activations.get(self.activation)

    def _activate(self, i, hidden, training):
        if self.activation == "dice":
            return self.activations[i](hidden, training=training)
        return self.activations[i](hidden)

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(
            units=self.units,
            activation=self.activation,
            softmax=self.softmax,
            scale=self.scale,
        )
        return config
