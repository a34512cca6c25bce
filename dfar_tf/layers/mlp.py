"""Multi-layer perceptrons over the last axis, and the prediction tower between two normalisations."""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.precision import Float32Layer
from recommenders_utils.backend import tf

NORMALIZATIONS = ("batch", "layer", "none")


def flat_dense(layer, inputs):
    """A Dense layer on [..., X] as one matrix product; Keras needs some twenty operations for it."""
    static = inputs.shape.as_list()
    if len(static) == 2:
        return layer(inputs)
    outputs = layer(tf.reshape(inputs, [-1, static[-1]]))
    shape = [tf.shape(inputs)[k] if size is None else size for k, size in enumerate(static[:-1])]
    return tf.reshape(outputs, [*shape, layer.units])


def matrix_product(inputs, kernel):
    """[..., X] times [X, Y] as one matrix product: [..., Y]."""
    width, units = kernel.shape.as_list()
    outputs = tf.matmul(tf.reshape(inputs, [-1, width]), kernel)
    return tf.reshape(outputs, tf.concat([tf.shape(inputs)[:-1], [units]], 0))


class MLP(Float32Layer):
    """Dense layers one after the other: ``x -> act(x W_1 + b_1) -> ... -> x W_n + b_n``.

    Args:
      units: widths of the layers, the last one linear.
      activation: between them.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, units, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.units = list(units)
        self.activation = activation
        last = len(self.units) - 1
        self.dense = [
            tf.keras.layers.Dense(
                width, activation=None if i == last else activation, name=f"dense_{i}"
            )
            for i, width in enumerate(self.units)
        ]

    def call(self, inputs):
        """[..., X] -> [..., units[-1]]."""
        for layer in self.dense:
            inputs = flat_dense(layer, inputs)
        return inputs

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(units=self.units, activation=self.activation)
        return config


class NormalizedTower(Float32Layer):
    """The prediction tower of appendix A.3: an MLP between two normalisation layers, then one logit.

    ::

        logit = norm_out(MLP(norm_in([x_instance || x_candidate]))) w + b

    Features of the instance are given once, not once per candidate: the first dense layer is applied
    to the two parts and the results are added, which equals the layer on their concatenation. With
    ``batch`` the statistics are over the B * C candidate rows; those of an instance's features over
    its B rows are the same numbers. ``layer`` needs both parts of a row, so there they are joined.
    A model without features of the instance calls it with the candidates' alone.

    Args:
      units: hidden widths.
      normalization: ``batch``, ``layer`` or ``none``.
      activation: of the hidden layers.
      dropout: rate after each hidden layer, in training.
      **kwargs: passed to ``tf.keras.layers.Layer``.

    Raises:
      ValueError: an unknown ``normalization``.
    """

    def __init__(
        self, units=(100, 64), normalization="batch", activation="relu", dropout=0.0, **kwargs
    ):
        super().__init__(**kwargs)
        if normalization not in NORMALIZATIONS:
            message = "normalization must be one of {}, got {!r}"
            raise ValueError(message.format(NORMALIZATIONS, normalization))
        self.units = list(units)
        self.normalization = normalization
        self.activation = activation
        self.dropout = dropout
        dense = tf.keras.layers.Dense
        if normalization == "layer":
            self.joint_norm = _normalization(normalization, "norm_in")
        else:
            self.instance_norm = _normalization(normalization, "norm_instance")
            self.candidate_norm = _normalization(normalization, "norm_candidate")
        # One bias is enough for the sum of the two parts.
        self.instance_dense = dense(self.units[0], use_bias=False, name="dense_instance")
        self.candidate_dense = dense(self.units[0], name="dense_candidate")
        self.hidden = [
            dense(width, name=f"dense_{i + 1}") for i, width in enumerate(self.units[1:])
        ]
        self.output_norm = _normalization(normalization, "norm_out")
        self.logit = dense(1, name="logit")
        self.activate = tf.keras.activations.get(activation)

    def call(self, instance, candidate=None, training=False):
        """Scores each candidate.

        Args:
          instance: [B, X] features shared by an instance's candidates; left out if there are none.
          candidate: [B, C, Z] features of each candidate.
          training: whether batch statistics and dropout are on.

        Returns:
          [B, C] logits.
        """
        if candidate is None:
            candidate = instance
            norm = self.joint_norm if self.normalization == "layer" else self.candidate_norm
            candidate, shared = _normalize(norm, candidate, training), 0.0
        elif self.normalization == "layer":
            instance, candidate = self._joint(instance, candidate)  # [B, C, X], [B, C, Z]
            shared = flat_dense(self.instance_dense, instance)  # [B, C, units[0]]
        else:
            instance = _normalize(self.instance_norm, instance, training)
            candidate = _normalize(self.candidate_norm, candidate, training)
            shared = self.instance_dense(instance)[:, None, :]  # [B, 1, units[0]]
        hidden = self.activated(flat_dense(self.candidate_dense, candidate) + shared, training)
        for layer in self.hidden:
            hidden = self.activated(flat_dense(layer, hidden), training)
        hidden = _normalize(self.output_norm, hidden, training)
        return tf.squeeze(flat_dense(self.logit, hidden), -1)  # [B, C]

    @property
    def separable(self):
        """Whether a candidate's features add up in the first layer, so that parts can be kept apart."""
        return self.normalization != "layer"

    def candidate_products(self, features):
        """What some of the candidate's features add to the first layer, outside training.

        Args:
          features: [C, Y], the last Y of the Z features; the others, if any, are ``own`` in
            ``call_products``.

        Returns:
          [C, units[0]], the layer's bias and the normalisation's shift included.
        """
        kernel, bias = self._first_layer()
        return tf.matmul(features, kernel[-features.shape.as_list()[-1] :]) + bias

    def call_products(self, products, instance=None, own=None):
        """``call`` outside training, with part of the first layer computed before.

        Args:
          products: [C, units[0]] of ``candidate_products``.
          instance: [B, X] as of ``call``, or None.
          own: [B, C, Y] the first features of each pair, or None.

        Returns:
          [B, C] logits, equal to ``call``'s up to rounding.
        """
        hidden = products[None]  # [1, C, units[0]]
        if own is not None:
            width = own.shape.as_list()[-1]
            hidden += matrix_product(own, self._first_layer()[0][:width])
        if instance is not None:
            shared = self.instance_dense(_normalize(self.instance_norm, instance, False))
            hidden += shared[:, None, :]
        hidden = self.activate(hidden)
        for layer in self.hidden:
            hidden = self.activate(flat_dense(layer, hidden))
        # The last normalisation and the logit's weights are one product.
        scale, shift = _affine(self.output_norm, self.units[-1])
        bias = self.logit.bias + tf.matmul(shift[None], self.logit.kernel)[0]
        return tf.squeeze(matrix_product(hidden, scale[:, None] * self.logit.kernel), -1) + bias

    def _first_layer(self):
        """Kernel [Z, units[0]] and bias of the candidate's first layer, its normalisation folded in."""
        kernel = self.candidate_dense.kernel
        scale, shift = _affine(self.candidate_norm, kernel.shape.as_list()[0])
        bias = self.candidate_dense.bias + tf.matmul(shift[None], kernel)[0]
        return scale[:, None] * kernel, bias

    def _joint(self, instance, candidate):
        width = instance.shape.as_list()[-1]
        repeated = tf.repeat(instance[:, None, :], tf.shape(candidate)[1], axis=1)
        joined = tf.concat([repeated, candidate], -1)
        joined.set_shape([None, None, width + candidate.shape.as_list()[-1]])
        normed = self.joint_norm(joined)  # [B, C, X + Z]
        return normed[..., :width], normed[..., width:]

    def activated(self, hidden, training):
        """The activation and, in training, the dropout of a hidden layer."""
        hidden = self.activate(hidden)
        return draws.dropout(hidden, self.dropout, training)

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(
            units=self.units,
            normalization=self.normalization,
            activation=self.activation,
            dropout=self.dropout,
        )
        return config


def _normalization(kind, name):
    if kind == "batch":
        # Epsilon and momentum as in the released towers; 2-D and 3-D inputs normalise the last axis.
        return tf.keras.layers.BatchNormalization(momentum=0.95, epsilon=1e-4, name=name)
    if kind == "layer":
        return tf.keras.layers.LayerNormalization(epsilon=1e-6, name=name)
    return None


def _affine(layer, width):
    """Scale and shift [width] that a batch normalisation is outside training; 1 and 0 for None."""
    if layer is None:
        return tf.ones([width]), tf.zeros([width])
    scale = layer.gamma * tf.math.rsqrt(layer.moving_variance + layer.epsilon)
    return scale, layer.beta - layer.moving_mean * scale


def _normalize(layer, inputs, training):
    if layer is None:
        return inputs
    if isinstance(layer, tf.keras.layers.BatchNormalization):
        return layer(inputs, training=training)
    return layer(inputs)
