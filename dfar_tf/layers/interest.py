"""Target-aware aggregation of one feedback's sequence into an interest (Eqs. 15-17).

Letters: B batch, T history, P real positions of the batch, C candidates, D width.
"""

from dfar_tf.layers.mlp import MLP, flat_dense
from dfar_tf.layers.precision import Float32Layer
from dfar_tf.layers.prefix_sums import prefix_sums
from recommenders_utils.backend import tf

LOWEST = -80.0  # exp of it is still a float32 whose inverse is one


class InterestAggregation(Float32Layer):
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

    An MLP without a hidden layer is linear, A = q W_q + S W_s + b. The softmax over records drops what all
    records share, q W_q + b: these weights are left out, and the interest is one for all candidates.

    Args:
      units: hidden widths of the MLP; none for a linear one.
      activation: of its hidden layers.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units=(32,), activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.units = list(units)
        self.activation = activation
        self.candidate_aware = bool(self.units)
        if self.candidate_aware:
            dense = tf.keras.layers.Dense
            self.query_dense = dense(self.units[0], name="dense_query")
            self.key_dense = dense(self.units[0], use_bias=False, name="dense_key")
        self.activate = tf.keras.activations.get(activation)

    def build(self, input_shape):
        """Makes the layers as wide as D; ``input_shape`` is the queries' [B, C, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        if self.candidate_aware:
            self.rest = MLP([*self.units[1:], width], self.activation, name="mlp")
        else:
            self.key_dense = tf.keras.layers.Dense(width, use_bias=False, name="dense_key")
        super().build(input_shape)

    def call(self, query, sequence, mask):
        """Pools the sequence once for each candidate.

        Args:
          query: [B, C, D] candidates with the feedback they are assumed to get.
          sequence: [B, T, D] encoded history.
          mask: [B, T], non-zero at the real positions of this feedback.

        Returns:
          [B, C, D] float; [B, 1, D] where the interest is one for all candidates.
        """
        real = tf.where(tf.not_equal(mask, 0))  # [P, 2]
        row = tf.cast(real[:, 0], tf.int32)  # [P]
        keys = tf.gather_nd(sequence, real)  # [P, D]
        # Eq. 15
        attention = self._attention(query, keys, row)  # [P, C, D]
        # Eqs. 16, 17: the sum over positions first, the softmax's division last.
        rows = tf.shape(sequence)[0]
        # Shifting by the row's largest score keeps exp in range and does not change the softmax.
        largest = tf.math.unsorted_segment_max(tf.stop_gradient(attention), row, rows)
        weight = tf.exp(attention - tf.gather(largest, row))  # [P, C, D]
        total = tf.math.unsorted_segment_sum(weight, row, rows)  # [B, C, D]
        pooled = tf.math.unsorted_segment_sum(weight * keys[:, None, :], row, rows)
        return tf.math.divide_no_nan(pooled, total)

    def of_prefixes(self, query, sequence, mask, rows, counts):
        """Pools the first records of a sequence for candidates that all prefixes share.

        The dense layers run once for each record and candidate, whatever the number of prefixes; the sums
        of Eqs. 16 and 17 over a prefix are read from those of all prefixes.

        Args:
          query: [C, D] candidates with the feedback they are assumed to get.
          sequence: [B, S, D], real records first.
          mask: [B, S], 1 at real records.
          rows: [N] int, the row of each prefix.
          counts: [N] int, how many of its records a prefix has.

        Returns:
          [N, C or 1, D], equal to ``call`` on each prefix up to rounding. Scores more than 80 below the
          largest of their row and element count as 80 below it, which ``call`` would see only in a prefix
          that has none above.
        """
        real = tf.where(tf.not_equal(mask, 0))  # [P, 2]
        row = tf.cast(real[:, 0], tf.int32)  # [P]
        keys = tf.gather_nd(sequence, real)  # [P, D]
        attention = self._attention(query, keys)  # [P, C, D]
        batch = tf.shape(sequence)[0]
        largest = tf.math.unsorted_segment_max(tf.stop_gradient(attention), row, batch)
        # The row's largest score may come after a prefix, whose exponentials must not vanish.
        weight = tf.exp(tf.maximum(attention - tf.gather(largest, row), LOWEST))  # [P, C, D]
        total, pooled = (prefix_sums(values, row) for values in (weight, weight * keys[:, None, :]))
        interest = tf.math.divide_no_nan(pooled, total)  # [P + n, C, D]
        lengths = tf.cast(tf.reduce_sum(mask, 1), tf.int32)  # [B]
        first = tf.gather(tf.cumsum(lengths, exclusive=True), rows)  # [N]
        # A prefix without a record is read where no record is.
        return tf.gather(interest, tf.where(counts > 0, first + counts - 1, counts + tf.size(row)))

    def _attention(self, query, keys, row=None):
        """A of Eq. 15 at P records: [P, C, D]; ``query`` is [B, C, D] of each row, or shared [C, D]."""
        keys = self.key_dense(keys)[:, None, :]
        if not self.candidate_aware:
            return keys  # [P, 1, D]
        hidden = flat_dense(self.query_dense, query)
        hidden = hidden[None] if row is None else tf.gather(hidden, row)  # [1 or P, C, units[0]]
        return self.rest(self.activate(hidden + keys))

    def candidate_products(self, query):
        """[C, D] queries -> [C, units[0]]: the first dense layer of Eq. 15 on q."""
        return flat_dense(self.query_dense, query)

    def call_products(self, products, sequence, mask):
        """``call`` for the same C candidates in every row, their first layer computed before.

        A history at a time, elements first and candidates last: every operation then runs over
        consecutive numbers, and the sums over positions are matrix products.

        Args:
          products: [C, units[0]] of ``candidate_products``.
          sequence, mask: as of ``call``.

        Returns:
          [B, C, D], equal to ``call``'s up to rounding.
        """
        width = sequence.shape.as_list()[-1]
        columns = tf.transpose(products)  # [units[0], C]
        kernels = [layer.kernel for layer in self.rest.dense]
        count = tf.shape(products)[0]

        def of_history(given):
            records = tf.boolean_mask(given[0], tf.not_equal(given[1], 0))  # [P, D]
            hidden = tf.transpose(self.key_dense(records))[:, :, None]  # [units[0], P, 1]
            hidden = self.activate(hidden + columns[:, None, :])  # [units[0], P, C]
            hidden = tf.reshape(hidden, [self.units[0], -1])
            for layer in self.rest.dense[:-1]:
                hidden = tf.matmul(layer.kernel, hidden, transpose_a=True) + layer.bias[:, None]
                hidden = self.activate(hidden)
            # Without the last bias, which is the same at all positions: the softmax does not see it.
            attention = tf.matmul(kernels[-1], hidden, transpose_a=True)
            attention = tf.reshape(attention, [width, -1, count])  # [D, P, C]
            weight = tf.exp(attention - tf.reduce_max(attention, 1, keepdims=True))
            keys = tf.transpose(records)  # [D, P]
            sums = tf.matmul(tf.stack([keys, tf.ones_like(keys)], 1), weight)  # [D, 2, C]
            return tf.transpose(tf.math.divide_no_nan(sums[:, 0], sums[:, 1]))  # [C, D]

        found = tf.map_fn(of_history, (sequence, mask), dtype=sequence.dtype, parallel_iterations=2)
        found.set_shape([None, None, width])
        return found

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(units=self.units, activation=self.activation)
        return config
