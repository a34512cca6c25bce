"""Multi-head attention (Eqs. 2-4, Listing 1): the base of the family.

Dimension letters, here and in the layers built on this one:
  B batch, N queries, M keys, X query width, Y output width, H heads, K key_dim, V value_dim.

Each relative overrides one step of ``call``: talking-heads attention the weights, factorization-heads
attention the pairing of heads, feedback-aware factorization-heads attention the logits' mask.

Where nobody asks for the weights, and no dropout or causal mask has to touch them one by one, they are
never made: `exponentials.py` says what is done instead.
"""

import numpy as np

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.attention.exponentials import MASKED, attend, divided, weighed
from recommenders_utils.backend import tf


class MultiHeadAttention(tf.keras.layers.Layer):
    """Scaled dot-product attention with H independent heads.

    ::

        A_h = softmax_M(Q_h K_h^T / sqrt(K)),  Q_h = Q W_h^Q,  K_h = K W_h^K,  V_h = V W_h^V   (3, 4)
        S   = [A_1 V_1, ..., A_H V_H] W_0                                                       (2)

    A query all of whose keys are masked gets zeros (plus the output bias), never an average of padding.

    Args:
      num_heads: H.
      key_dim: K, width of a query or key head.
      value_dim: V, width of a value head; ``key_dim`` if None.
      output_dim: Y, width of the result; the width of the queries if None.
      memory_dim: width of the keys' and values' inputs; the width of the queries if None.
      use_bias: whether the four projections have biases (the paper's listings have none).
      causal: whether query i sees keys 0..i only (needs N == M).
      dropout: rate at which weights are dropped in training.
      kernel_initializer: of the projections.
      **kwargs: of ``tf.keras.layers.Layer``.

    Raises:
      ValueError: a size that is not positive, or a dropout outside [0, 1).
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        output_dim=None,
        memory_dim=None,
        use_bias=False,
        causal=False,
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        sizes = {"num_heads": num_heads, "key_dim": key_dim, "value_dim": value_dim}
        sizes.update({"output_dim": output_dim, "memory_dim": memory_dim})
        for name, size in sizes.items():
            optional = name not in ("num_heads", "key_dim")
            if not (optional and size is None) and (int(size) != size or size < 1):
                raise ValueError(f"{name} must be a positive whole number, got {size!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout!r}")
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim or key_dim
        self.output_dim = output_dim
        self.memory_dim = memory_dim
        self.use_bias = use_bias
        self.causal = causal
        self.dropout = dropout
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        """Makes the projections; ``input_shape`` is the queries' [B, N, X]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        memory_width, heads = self.memory_dim or width, self.num_heads
        self._projection("query", [width, heads, self.key_dim])
        self._projection("key", [memory_width, heads, self.key_dim])
        self._projection("value", [memory_width, heads, self.value_dim])
        output_shape = [self.num_relations, self.value_dim, self.output_dim or width]
        self._projection("output", output_shape)
        super().build(input_shape)

    def call(
        self,
        query,
        value=None,
        key=None,
        padding_mask=None,
        training=False,
        return_attention_scores=False,
    ):
        """Attends from each query to the keys.

        Args:
          query: [B, N, X] float.
          value: [B, M, X] float; the queries (self-attention) if None.
          key: [B, M, X] float; ``value`` if None.
          padding_mask: [B, M], non-zero where a key is real; all are if None.
          training: whether dropout is on.
          return_attention_scores: whether to return the weights too.

        Returns:
          [B, N, Y] float, or that and the weights, [B, H, N, M] (factorization heads: [B, H, H, N, M]).
        """
        return self._run(query, value, key, padding_mask, training, return_attention_scores)

    def _run(self, query, value, key, padding_mask, training, return_attention_scores, sides=None):
        """``call``; ``sides`` is what the feedback-aware relative knows of queries and keys."""
        value = query if value is None else value
        key = value if key is None else key
        queries = self._heads(query, self.query_kernel, self.query_bias)  # [B, H, N, K]
        keys = self._heads(key, self.key_kernel, self.key_bias)  # [B, H, M, K]
        values = self._heads(value, self.value_kernel, self.value_bias)  # [B, H, M, V]
        dropout = self.dropout if training else 0.0
        if not (return_attention_scores or dropout or self.causal) and self._whole_maps(sides):
            queries *= self.key_dim**-0.5
            return self._without_weights(queries, keys, values, padding_mask, sides)
        logits = self._logits(queries, keys, sides) * self.key_dim**-0.5  # [B, H, N, M]
        weights = self._weights(logits, self._visible(query, key, padding_mask), sides)
        attended = self._join(
            self._attend(draws.dropout(weights, dropout), values)
        )  # [B, N, relations * V]
        output = self._project(attended)
        return (output, self._scores(weights)) if return_attention_scores else output

    # The steps a relative overrides. ------------------------------------------------------------

    @property
    def num_relations(self):
        """How many attended values the output projection reads."""
        return self.num_heads

    def _whole_maps(self, sides):
        """Whether a plain softmax over the real keys is all that happens to the logits."""
        return True

    def _without_weights(self, queries, keys, values, padding_mask, sides):
        """``call`` from the heads on, the queries scaled: [B, N, Y]."""
        summed, _ = attend(self._paired(queries), keys, weighed(values, padding_mask), padding_mask)
        return self._project(self._join(self._unpaired(divided(summed))))  # [B, N, Y]

    def _paired(self, queries):
        return queries  # [B, H, N, K]

    def _unpaired(self, attended):
        return attended  # [B, H, N, V]

    def _logits(self, queries, keys, sides):
        return tf.matmul(queries, keys, transpose_b=True)  # [B, H, N, M]

    def _weights(self, logits, visible, sides):
        return masked_softmax(logits, visible)

    def _attend(self, weights, values):
        return tf.matmul(weights, values)  # [B, H, N, V]

    def _scores(self, weights):
        return weights

    # What they share. ---------------------------------------------------------------------------

    def _projection(self, name, shape):
        # "output" contracts its first two axes, the others their first: the initialiser's fans and
        # the bias follow the flat matrix, not the 3-D kernel.
        first, bias_shape = (2, shape[2:]) if name == "output" else (1, shape[1:])
        flat = [int(np.prod(shape[:first])), int(np.prod(shape[first:]))]

        def initial_value(shape, dtype=None, **_):
            return tf.reshape(self.kernel_initializer(flat, dtype=dtype), shape)

        kernel = self.add_weight(name=name + "_kernel", shape=shape, initializer=initial_value)
        bias = None
        if self.use_bias:
            bias = self.add_weight(name=name + "_bias", shape=bias_shape, initializer="zeros")
        setattr(self, name + "_kernel", kernel)
        setattr(self, name + "_bias", bias)

    def _heads(self, inputs, kernel, bias):
        width, heads, size = kernel.shape.as_list()
        rows, length = tf.shape(inputs)[0], _length(inputs)
        flat = tf.matmul(tf.reshape(inputs, [-1, width]), tf.reshape(kernel, [width, heads * size]))
        if bias is not None:
            flat += tf.reshape(bias, [heads * size])
        split = tf.reshape(flat, [rows, length, heads, size])  # [B, M, H, K]
        return tf.transpose(split, [0, 2, 1, 3])  # [B, H, M, K]

    def _project(self, attended):
        flat = tf.reshape(self.output_kernel, [self.num_relations * self.value_dim, -1])
        output = tf.tensordot(attended, flat, 1)  # [B, N, relations * V] -> [B, N, Y]
        return output if self.output_bias is None else output + self.output_bias

    def _join(self, attended):
        joined = tf.transpose(attended, [0, 2, 1, 3])  # [B, N, relations, V]
        rows, length = tf.shape(joined)[0], _length(joined)
        return tf.reshape(joined, [rows, length, self.num_relations * self.value_dim])

    def _visible(self, query, key, padding_mask):
        """[B, 1, N or 1, M] float, 1 where a query may see a key; None where it sees all."""
        visible = None
        if padding_mask is not None:
            visible = tf.cast(tf.cast(padding_mask, tf.bool), tf.float32)[:, None, None, :]
        if self.causal:
            ones = tf.ones([_length(query), _length(key)])
            lower = tf.linalg.band_part(ones, -1, 0)[None, None, :, :]
            visible = lower if visible is None else visible * lower
        return visible

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(
            num_heads=self.num_heads,
            key_dim=self.key_dim,
            value_dim=self.value_dim,
            output_dim=self.output_dim,
            memory_dim=self.memory_dim,
            use_bias=self.use_bias,
            causal=self.causal,
            dropout=self.dropout,
            kernel_initializer=tf.keras.initializers.serialize(self.kernel_initializer),
        )
        return config


def masked_softmax(logits, visible):
    """Softmax over the last axis; where ``visible`` is 0 the weight is 0, in an all-masked row too."""
    if visible is None:
        return tf.nn.softmax(logits)
    return tf.nn.softmax(logits + (1.0 - visible) * MASKED) * visible


def _length(tensor):
    static = tensor.shape.as_list()[1]
    return tf.shape(tensor)[1] if static is None else static
