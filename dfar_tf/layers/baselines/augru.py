"""AUGRU: a GRU whose update gate is scaled by attention (Zhou et al., AAAI 2019, Eqs. 16-17).

Letters: B batch, T history, C candidates, X input width, D units.
"""

from recommenders_utils.backend import tf


class AttentionalUpdateGRU(tf.keras.layers.Layer):
    """Runs over a history once for each candidate's attention, and gives the last state.

    ::

        u_t = sigmoid(W_u x_t + U_u h + b_u),   r_t = sigmoid(W_r x_t + U_r h + b_r)
        h'  = tanh(W_h x_t + U_h (r_t * h) + b_h)
        h   = (1 - a_t u_t) * h + a_t u_t * h'

    The reset gate is applied before the product, as in the authors' code and Cho et al. (EMNLP 2014); the
    paper's Eq. 5 writes it after. A position without attention, such as padding, leaves the state as it
    is. What depends on x_t only is computed once a history; the recurrence has B * C rows.

    Args:
      units: D.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        """Makes the kernels, gates in the order u, r, h; ``input_shape`` is [B, T, X]."""
        width, units = tf.TensorShape(input_shape).as_list()[-1], self.units
        make = self.add_weight
        self.kernel = make(name="kernel", shape=[width, 3 * units], initializer="glorot_uniform")
        self.recurrent_kernel = make(
            name="recurrent_kernel", shape=[units, 3 * units], initializer="orthogonal"
        )
        self.bias = make(name="bias", shape=[3 * units], initializer="zeros")
        super().build(input_shape)

    def call(self, sequence, attention):
        """Runs over the sequence.

        Args:
          sequence: [B, T, X].
          attention: [B, C, T] in [0, 1], 0 at padding.

        Returns:
          [B, C, D]: the state after the last position.
        """
        rows, candidates = tf.shape(attention)[0], tf.shape(attention)[1]
        inputs = tf.tensordot(sequence, self.kernel, 1) + self.bias  # [B, T, 3 D]
        inputs = tf.transpose(inputs, [1, 0, 2])[:, :, None, :]  # [T, B, 1, 3 D]
        weights = tf.transpose(attention, [2, 0, 1])[:, :, :, None]  # [T, B, C, 1]

        to_gates, to_state = tf.split(self.recurrent_kernel, [2 * self.units, self.units], 1)

        def step(state, at):
            given, weight = at
            of_gates, of_state = tf.split(given, [2 * self.units, self.units], -1)
            gates = tf.sigmoid(of_gates + tf.tensordot(state, to_gates, 1))  # [B, C, 2 D]
            update, reset = tf.split(gates, 2, -1)  # [B, C, D]
            proposed = tf.tanh(of_state + tf.tensordot(reset * state, to_state, 1))
            return state + weight * update * (proposed - state)

        start = tf.zeros([rows, candidates, self.units])
        final = tf.foldl(step, (inputs, weights), start)
        final.set_shape([None, None, self.units])
        return final

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(units=self.units)
        return config
