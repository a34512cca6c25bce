"""Target-aware aggregation of one feedback's sequence into an interest (Eqs. 15-17).

Letters: B batch, T history, P real positions of the batch, C candidates, D width.
"""

from dfar_tf.layers.mlp import MLP, flat_dense
from recommenders_utils.backend import tf


class InterestAggregation(tf.keras.layers.Layer):
    """Pools a sequence by element-wise attention of a candidate.

    ::

        A = MLP(q || S)             q = E_v + L_y,  A in R^{T x D}      (15)
        f = sum_t softmax_T(A)_t * S_t                                  (16, 17)

    The softmax runs over the real positions of the mask, for each of the D elements by itself; an
    empty mask gives zeros. Two shortcuts, which do not change the result:

    * the first dense layer is applied to q and to S separately and the results are added: [B, C] +
    [B, T]
      rows of work, not [B, C, T];
    * only the P real positions of the batch are computed, packed one after the other, not B * T.

    Args:
      units: hidden widths of the MLP.
      activation: of its hidden layers.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units=(32,), activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.units = list(units)
        self.activation = activation
        dense = tf.keras.layers.Dense
        self.query_dense = dense(self.units[0], name="dense_query")
        self.key_dense = dense(self.units[0], use_bias=False, name="dense_key")
        self.activate = tf.keras.activations.get(activation)

    def build(self, input_shape):
        """Makes the layers above the first; ``input_shape`` is the queries' [B, C, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        self.rest = MLP([*self.units[1:], width], self.activation, name="mlp")
        super().build(input_shape)

    def call(self, query, sequence, mask):
        """Pools the sequence once for each candidate.

        Args:
          query: [B, C, D] candidates with the feedback they are assumed to get.
          sequence: [B, T, D] encoded history.
          mask: [B, T], non-zero at the real positions of this feedback.

        Returns:
          [B, C, D] float.
        """
        real = tf.where(tf.not_equal(mask, 0))  # [P, 2]
        row = tf.cast(real[:, 0], tf.int32)  # [P]
        keys = tf.gather_nd(sequence, real)  # [P, D]
        # Eq. 15
        hidden = tf.gather(flat_dense(self.query_dense, query), row)  # [P, C, units[0]]
        hidden = self.activate(hidden + self.key_dense(keys)[:, None, :])
        attention = self.rest(hidden)  # [P, C, D]
        # Eqs. 16, 17: the sum over positions first, the softmax's division last.
        rows = tf.shape(query)[0]
        # Shifting by the row's largest score keeps exp in range and does not change the softmax.
        largest = tf.math.unsorted_segment_max(tf.stop_gradient(attention), row, rows)
        weight = tf.exp(attention - tf.gather(largest, row))  # [P, C, D]
        total = tf.math.unsorted_segment_sum(weight, row, rows)  # [B, C, D]
        pooled = tf.math.unsorted_segment_sum(weight * keys[:, None, :], row, rows)
        return tf.math.divide_no_nan(pooled, total)

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(units=self.units, activation=self.activation)
        return config
