"""Recurrence over right-padded histories: a GRU that is the same under both TensorFlows, and its end.

Letters: B batch, T history, D width.
"""

from recommenders_utils.backend import tf


class _NamedGRUCell(tf.keras.layers.GRUCell):
    """A GRU cell whose variables are ``<name>/kernel``, ... under either TensorFlow."""

    def build(self, input_shape):
        # The two TensorFlows put different scopes around a cell's variables; one that ends in "/"
        # is used as it is.
        with tf.name_scope(self.name + "/"):
            super().build(input_shape)


def make_gru(units, name):
    """A Keras GRU that returns every state, [B, T, X] -> [B, T, units].

    Its defaults differ between TensorFlow 1.15 and 2.15, so the arithmetic is fixed here:
    logistic gates, and the reset gate applied before the recurrent product (Cho et al., EMNLP 2014).
    States past a history's end are of no use: padding is on the right, so the real ones never see it.
    """
    cell = _NamedGRUCell(
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        reset_after=False,
        implementation=2,
        name=name,
    )
    return tf.keras.layers.RNN(cell, return_sequences=True, name=name)


def last_real(states, mask):
    """The state at each row's last real position; zeros where there is none.

    Args:
      states: [B, T, D].
      mask: [B, T], 1 at real positions, which come first.

    Returns:
      [B, D].
    """
    length = tf.cast(tf.reduce_sum(mask, 1), tf.int32)  # [B]
    last = tf.one_hot(length - 1, tf.shape(mask)[1])  # [B, T], all 0 for length 0
    return tf.reduce_sum(states * last[:, :, None], 1)  # [B, D]
