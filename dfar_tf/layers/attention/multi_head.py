"""Multi-head attention (Eqs. 2-4, Listing 1): the base of the family.

Dimension letters here and in the layers built on this one; in brackets what the listings write:
  B batch (left out), N queries (n), M keys (m), X width of the queries' input (d_X), Y output (d_Y),
  H heads (h), K key_dim (d_k), V value_dim (d_v).

``call`` is the listing. A relative overrides the step in which it differs: ``logits``,
``attention_weights`` (Keras has ``weights`` for the variables) or ``combine``.
"""

import numpy as np

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.attention import fast
from dfar_tf.layers.attention.softmax import masked_softmax
from dfar_tf.layers.precision import Float32Layer
from dfar_tf.layers.shapes import size_of
from recommenders_utils.backend import tf


class MultiHeadAttention(Float32Layer):
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
      fast_attention: whether to take the shortcuts of ``fast.py`` if the weights are not requested,
        dropped or causal; if not, every call goes through the listing's steps. Equal but for rounding.
      **kwargs: passed to ``tf.keras.layers.Layer``.

    Raises:
      ValueError: a size that is not positive, or a dropout outside [0, 1).
    """

    shortcut = fast.heads  # what stands for the steps between heads and output; None: nothing does
    head_axes = 1  # of the maps: [B, H, N, M]

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
        fast_attention=True,
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
        self.fast_attention = fast_attention

    def call(
        self,
        query,
        value=None,
        key=None,
        padding_mask=None,
        training=False,
        return_attention_scores=False,
        sides=None,
    ):
        """Attends from each query to the keys.

        Args:
          query: [B, N, X] float.
          value: [B, M, X] float; the queries (self-attention) if None.
          key: [B, M, X] float; ``value`` if None.
          padding_mask: [B, M], non-zero where a key is real; all are if None.
          training: whether dropout is on.
          return_attention_scores: whether to return the weights too.
          sides: what a derived layer knows of queries and keys in addition to their inputs.

        Returns:
          [B, N, Y] float, or that and the weights, [B, H, N, M] (factorization heads: [B, H, H, N, M]).
        """
        value = query if value is None else value
        key = value if key is None else key
        # Eq. 4: lines 8-10.
        queries = self._heads(query, self.query_kernel, self.query_bias)  # [B, H, N, K]
        keys = self._heads(key, self.key_kernel, self.key_bias)  # [B, H, M, K]
        values = self._heads(value, self.value_kernel, self.value_bias)  # [B, H, M, V]
        dropout = self.dropout if training else 0.0
        if self._takes_shortcut(return_attention_scores, dropout):
            return self.shortcut(queries, keys, values, padding_mask, sides)
        # Eq. 3: lines 12 and 14.
        logits = self.logits(queries, keys, sides) * self.key_dim**-0.5  # [B, H, N, M]
        visible = self._visible(query, key, padding_mask)
        weights = self.attention_weights(logits, visible, sides)  # [B, H, N, M]
        # Eq. 2: lines 16 and 17.
        attended = self.combine(draws.dropout(weights, dropout), values)  # [B, H, N, V]
        output = self.project(attended)  # [B, N, Y]
        return (output, weights) if return_attention_scores else output

    # The steps that a relative overrides.

    def logits(self, queries, keys, sides):
        """[B, H, N, K] and [B, H, M, K] -> [B, H, N, M], unscaled; ``sides`` as of ``call``."""
        return tf.matmul(queries, keys, transpose_b=True)

    def attention_weights(self, logits, visible, sides):
        """Logits and which keys a query may see, as ``_visible`` returns it -> weights [B, H, N, M]."""
        return masked_softmax(logits, visible)

    def combine(self, weights, values):
        """[B, H, N, M] and [B, H, M, V] -> [B, relations, N, V], here [B, H, N, V]."""
        return tf.matmul(weights, values)

    @property
    def num_relations(self):
        """How many maps there are, whose attended values the output projection reads."""
        return self.num_heads

    # The projections.

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
        rows, length = tf.shape(inputs)[0], size_of(inputs, 1)
        flat = tf.matmul(tf.reshape(inputs, [-1, width]), tf.reshape(kernel, [width, heads * size]))
        if bias is not None:
            flat += tf.reshape(bias, [heads * size])
        split = tf.reshape(flat, [rows, length, heads, size])  # [B, M, H, K]
        return tf.transpose(split, [0, 2, 1, 3])  # [B, H, M, K]

    def project(self, attended):
        """What each map attended to, [B, relations, N, V] -> [B, N, Y]."""
        joined = tf.transpose(attended, [0, 2, 1, 3])  # [B, N, relations, V]
        rows, length = tf.shape(joined)[0], size_of(joined, 1)
        joined = tf.reshape(joined, [rows, length, self.num_relations * self.value_dim])
        return self.biased(tf.tensordot(joined, self.flat_output_kernel(), 1))

    def flat_output_kernel(self):
        """W_0: [relations * V, Y]."""
        return tf.reshape(self.output_kernel, [self.num_relations * self.value_dim, -1])

    def biased(self, output):
        """Adds the output projection's bias, if there is one."""
        return output if self.output_bias is None else output + self.output_bias

    # Which keys are seen, and whether the weights are needed.

    def _visible(self, query, key, padding_mask):
        """[B, 1, N or 1, M] float (1 for each axis of heads), 1 where a query may see a key; None: all."""
        visible, of_heads = None, (None,) * self.head_axes
        if padding_mask is not None:
            real = tf.cast(tf.cast(padding_mask, tf.bool), tf.float32)
            visible = real[(slice(None), *of_heads, None, slice(None))]
        if self.causal:
            ones = tf.ones([size_of(query, 1), size_of(key, 1)])
            lower = tf.linalg.band_part(ones, -1, 0)[(None, *of_heads, slice(None), slice(None))]
            visible = lower if visible is None else visible * lower
        return visible

    def _takes_shortcut(self, return_attention_scores, dropout):
        whole = return_attention_scores or dropout or self.causal
        return self.fast_attention and self.shortcut is not None and not whole

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
            fast_attention=self.fast_attention,
        )
        return config
