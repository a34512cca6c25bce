"""Dice, DIN's activation (Zhou et al., KDD 2018, Eq. 5)."""

from recommenders_utils.backend import tf


class Dice(tf.keras.layers.Layer):
    """A PReLU whose kink adapts to the data.

    ::

        f(s) = p(s) s + (1 - p(s)) alpha s,     p(s) = 1 / (1 + exp(-(s - mean) / sqrt(var + eps)))

    Mean and variance are the batch's in training, moving averages in inference; alpha is learned, from 0.

    Args:
      epsilon: the paper's 1e-8.
      momentum: of the moving averages.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, epsilon=1e-8, momentum=0.99, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.momentum = momentum
        self.norm = tf.keras.layers.BatchNormalization(
            center=False, scale=False, epsilon=epsilon, momentum=momentum, name="norm"
        )

    def build(self, input_shape):
        """Makes alpha; ``input_shape`` is [..., X]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        self.alpha = self.add_weight(name="alpha", shape=[width], initializer="zeros")
        super().build(input_shape)

    def call(self, inputs, training=False):
        """[N, X] -> [N, X]; each row counts once in the statistics."""
        chance = tf.sigmoid(self.norm(inputs, training=training))
        return inputs * (chance + (1.0 - chance) * self.alpha)

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(epsilon=self.epsilon, momentum=self.momentum)
        return config
