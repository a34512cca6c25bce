"""The attention family as the released code computes it, for ``dfar_released`` and the baselines.

One function or class for each deviation from the paper (RELEASED: "DFAR graph", FFHA/FHA, and
"Its baselines"); the paper's own layers are in ``multi_head.py`` and its neighbours.

Letters: B batch, T history, D width, H heads, d = D / H.
"""

import numpy as np

from recommenders_utils.backend import tf

HIDDEN = -(2.0**32) + 1.0  # RELEASED: what a masked logit becomes


# The rules, one a function. ----------------------------------------------------------------------


def real_rows(sequence):
    """RELEASED, FFHA/FHA: a position counts unless its numbers are all zero; no mask is passed.

    [B, T, D] -> [B, T] bool. So padding is recognised by its zeroed embedding, a position of the
    other feedback by its zeroed state, and after a layer norm with a bias every query counts.
    """
    return tf.reduce_any(tf.not_equal(sequence, 0.0), -1)


def causal_columns(rows, columns):
    """RELEASED, FFHA/FHA: column c is visible to row r iff c <= r, whatever they stand for.

    With rows h_q * T + t_q and columns t_k * H + h_k this is not causal in time: the later a query
    head, the more of the future it sees. [rows, columns] bool.
    """
    return np.tril(np.ones([rows, columns], bool))


def hide(logits, real_keys, causal):
    """Puts ``HIDDEN`` in the columns of keys that do not count and, if causal, above the diagonal.

    A row with nothing visible keeps equal logits: its softmax is uniform, its tanh -1 everywhere.

    Args:
      logits: [..., R, K].
      real_keys: bool, [..., K].
      causal: whether to apply ``causal_columns``.
    """
    visible = real_keys[..., None, :]
    if causal:
        visible = tf.logical_and(visible, causal_columns(*logits.shape.as_list()[-2:]))
    return tf.where_v2(visible, logits, HIDDEN)


def tanh_weights(logits):
    """RELEASED, baselines: tanh where the papers have a softmax: a hidden key weighs -1, not 0."""
    return tf.tanh(logits)


def side_mask(labels, num_heads):
    """RELEASED, FFHA: the label mask that multiplies the weights after the softmax.

    1 where query head h_q is in the half of heads of y_q and key head h_k in the half of y_k (first
    half negative, second positive). The weights are not renormalised, and padding has label 0.

    Args:
      labels: [B, T], 1 or 0.
      num_heads: H, even.

    Returns:
      [B, h_q, h_k, T_q, T_k] float.
    """
    half = np.arange(num_heads) >= num_heads // 2  # [H]
    own = tf.equal(tf.greater(labels, 0)[:, None, :], half[:, None])  # [B, H, T]
    own = tf.cast(own, tf.float32)
    return own[:, :, None, :, None] * own[:, None, :, None, :]


def mix_time_and_width(attended):
    """RELEASED, "The reordering after attention": an output row mixes time and width.

    [B, h_q, h_k, T, d] is transposed to [B, h_k, h_q, d, T] and reshaped in memory order to [B, T,
    H * D].
    """
    heads, _, length, width = attended.shape.as_list()[1:]
    lying = tf.transpose(attended, [0, 2, 1, 4, 3])  # [B, h_k, h_q, d, T]
    return tf.reshape(lying, [-1, length, heads * heads * width])


# The layers. -------------------------------------------------------------------------------------


class ReleasedMultiHeadAttention(tf.keras.layers.Layer):
    """RELEASED, baselines: SASRec's attention, tanh in place of the softmax; the base of the others.

    ::

        A_h = tanh(hide(Q_h K_h^T / sqrt(d))),  rows of all-zero queries zeroed
        out = queries + [A_1 V_1, ..., A_H V_H]                             no output projection

    Queries, keys and values are dense layers with bias; values are made of the keys' input.

    Args:
      num_heads: H, divides D.
      causal: whether ``causal_columns`` applies.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    output_projection = False

    def __init__(self, num_heads, causal=True, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.causal = causal

    def build(self, input_shape):
        """Makes the dense layers; ``input_shape`` is the queries' [B, T, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        names = ["query", "key", "value"] + ["output"] * self.output_projection
        self.dense = {name: tf.keras.layers.Dense(width, name=name) for name in names}
        super().build(input_shape)

    def call(self, queries, keys, labels=None, return_attention_scores=False):
        """Attends and adds the queries.

        Args:
          queries: [B, T, D].
          keys: [B, T, D], the values' input too.
          labels: [B, T] feedback, for the label mask of factorization heads; none if None.
          return_attention_scores: whether to return the weights too.

        Returns:
          [B, T, D], or that and the weights: [B, H, T, T], of factorization heads [B, h_q, h_k, T, T].
        """
        real = real_rows(queries), real_rows(keys)
        query, key, value = (
            self.dense[name](inputs)
            for name, inputs in (("query", queries), ("key", keys), ("value", keys))
        )
        weights, attended = self._attend(query, key, value, real, labels)
        if self.output_projection:
            attended = self.dense["output"](attended)
        outputs = attended + queries
        return (outputs, weights) if return_attention_scores else outputs

    def _attend(self, queries, keys, values, real, labels):
        queries, keys, values = (self._heads(x) for x in (queries, keys, values))  # [B, H, T, d]
        logits = tf.matmul(queries, keys, transpose_b=True) * queries.shape.as_list()[-1] ** -0.5
        weights = self._weights(logits, real[1][:, None, :])
        weights *= tf.cast(real[0], tf.float32)[:, None, :, None]
        return weights, self._join(tf.matmul(weights, values))

    def _weights(self, logits, real_keys):
        return tanh_weights(hide(logits, real_keys, self.causal))

    def _heads(self, tensor):
        length, width = tensor.shape.as_list()[1:]
        split = tf.reshape(tensor, [-1, length, self.num_heads, width // self.num_heads])
        return tf.transpose(split, [0, 2, 1, 3])  # [B, H, T, d]

    def _join(self, attended):
        length, width = attended.shape.as_list()[2:]
        return tf.reshape(
            tf.transpose(attended, [0, 2, 1, 3]), [-1, length, self.num_heads * width]
        )

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(num_heads=self.num_heads, causal=self.causal)
        return config


class ReleasedTalkingHeadsAttention(ReleasedMultiHeadAttention):
    """RELEASED, baselines: THA4Rec's attention: heads mixed on both sides of the tanh.

    ::

        L_g = sum_h P[g, h] Q_h K_h^T / sqrt(d),   A_g = sum_h W[g, h] tanh(hide(L_h))
        out = queries + [A_1 V_1, ..., A_H V_H] W_0 + b_0
    """

    output_projection = True

    def build(self, input_shape):
        """Adds the two mixes P and W, [H, H], to the dense layers."""
        shape = [self.num_heads, self.num_heads]
        self.logits_mix = self.add_weight(name="logits_mix", shape=shape)
        self.weights_mix = self.add_weight(name="weights_mix", shape=shape)
        super().build(input_shape)

    def _weights(self, logits, real_keys):
        mixed = tf.einsum("gh,bhqk->bgqk", self.logits_mix, logits)
        return tf.einsum("gh,bhqk->bgqk", self.weights_mix, super()._weights(mixed, real_keys))


class ReleasedFactorizationHeadsAttention(ReleasedMultiHeadAttention):
    """RELEASED, FFHA/FHA: one softmax over all keys of all heads, scaled by the number of keys.

    ::

        L[h_q * T + t_q, t_k * H + h_k] = Q_{h_q, t_q} . K_{h_k, t_k} / sqrt(T * H)     not sqrt(d)
        A   = softmax over all T * H columns of hide(L), rows of all-zero queries zeroed
        A  *= side_mask(labels), after the softmax, if labels are given
        out = queries + mix_time_and_width(A_{h_q, h_k} V_{h_k}) W_0 + b_0

    The paper's Eq. 9 has a softmax for each pair of heads, over T keys.
    """

    output_projection = True

    def _attend(self, queries, keys, values, real, labels):
        heads = self.num_heads
        length, width = queries.shape.as_list()[1:]
        rows = tf.reshape(self._heads(queries), [-1, heads * length, width // heads])  # r
        columns = tf.reshape(keys, [-1, length * heads, width // heads])  # c
        logits = tf.matmul(rows, columns, transpose_b=True) * (length * heads) ** -0.5  # [B, r, c]
        real_columns = tf.reshape(tf.tile(real[1][:, :, None], [1, 1, heads]), [-1, length * heads])
        weights = tf.nn.softmax(hide(logits, real_columns, self.causal))
        weights = tf.reshape(weights, [-1, heads, length, length, heads])  # [B, h_q, T_q, T_k, h_k]
        weights = tf.transpose(weights, [0, 1, 4, 2, 3])  # [B, h_q, h_k, T_q, T_k]
        weights *= tf.cast(real[0], tf.float32)[:, None, None, :, None]
        if labels is not None:
            weights *= side_mask(labels, heads)
        attended = tf.matmul(weights, self._heads(values)[:, None])  # [B, h_q, h_k, T_q, d]
        return weights, mix_time_and_width(attended)
