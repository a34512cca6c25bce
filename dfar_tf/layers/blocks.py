"""The block around an attention: nothing, a residual, or one of three Transformer blocks.

Letters: B batch, T positions, D width.
"""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.precision import Float32Layer
from recommenders_utils.backend import tf

BLOCKS = ("plain", "residual", "transformer")


class AttentionBlock(Float32Layer):
    """DFAR's: an attention in one of three settings, padding zeroed at the end.

    ::

        plain        attend(x)                          as Eqs. 12 and 14 are written
        residual     x + attend(x)
        transformer  z = x + attend(LN(x), x, x);  LN(z + W_2 relu(W_1 LN(z)))    as the release's block

    Args:
      attention: a layer of the attention family whose output is as wide as its input.
      kind: one of ``BLOCKS``.
      **kwargs: passed to ``tf.keras.layers.Layer``.

    Raises:
      ValueError: an unknown ``kind``.
    """

    def __init__(self, attention, kind="plain", **kwargs):
        super().__init__(**kwargs)
        if kind not in BLOCKS:
            raise ValueError(f"kind must be one of {BLOCKS}, got {kind!r}")
        self.attention = attention
        self.kind = kind
        if kind == "transformer":
            norm = tf.keras.layers.LayerNormalization
            self.norm_in, self.norm_mid, self.norm_out = (
                norm(epsilon=1e-8, name="norm_" + place) for place in ("in", "mid", "out")
            )

    def build(self, input_shape):
        """Makes the feed-forward layers; ``input_shape`` is [B, T, D]."""
        if self.kind == "transformer":
            width = tf.TensorShape(input_shape).as_list()[-1]
            self.inner = tf.keras.layers.Dense(width, activation="relu", name="dense_inner")
            self.outer = tf.keras.layers.Dense(width, name="dense_outer")
        super().build(input_shape)

    def call(self, inputs, mask, training=False, **extra):
        """[B, T, D] and its padding mask [B, T] -> [B, T, D]; ``extra`` goes to the attention."""
        attended = self._attend(inputs, mask, training=training, **extra)
        if self.kind == "transformer":
            middle = inputs + attended
            outputs = self.norm_out(middle + self.outer(self.inner(self.norm_mid(middle))))
        else:
            outputs = attended + inputs if self.kind == "residual" else attended
        return outputs * mask[:, :, None]

    def attention_scores(self, inputs, mask, **extra):
        """The attention's weights for the same arguments, in inference: [B, ..., T, T]."""
        return self._attend(inputs, mask, return_attention_scores=True, **extra)[1]

    def _attend(self, inputs, mask, **arguments):
        if self.kind == "transformer":
            arguments["value"] = inputs
            inputs = self.norm_in(inputs)
        return self.attention(inputs, padding_mask=mask, **arguments)


class TransformerBlock(tf.keras.layers.Layer):
    """The baselines': attention and a position-wise network, each behind a layer norm and beside a residual.

    ::

        z   = x + attend(LN(x))
        out = z + W_2 relu(W_1 LN(z) + b_1) + b_2            (Kang and McAuley, ICDM 2018, Eqs. 3-5)

    Padding is zeroed at the end and never attended to.

    Args:
      attention: a layer of the attention family as wide as its input.
      dropout: rate after both parts, in training.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, attention, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.attention = attention
        self.dropout = dropout
        norm = tf.keras.layers.LayerNormalization
        self.norm_attention = norm(epsilon=1e-8, name="norm_attention")
        self.norm_feed_forward = norm(epsilon=1e-8, name="norm_feed_forward")

    def build(self, input_shape):
        """Makes the position-wise network; ``input_shape`` is [B, T, D]."""
        width = tf.TensorShape(input_shape).as_list()[-1]
        self.inner = tf.keras.layers.Dense(width, activation="relu", name="dense_inner")
        self.outer = tf.keras.layers.Dense(width, name="dense_outer")
        super().build(input_shape)

    def call(self, inputs, mask, training=False):
        """[B, T, D] and the padding mask [B, T] -> [B, T, D]."""
        attended = self.attention(self.norm_attention(inputs), padding_mask=mask, training=training)
        middle = inputs + self._dropped(attended, training)
        fed = self.outer(self.inner(self.norm_feed_forward(middle)))
        return (middle + self._dropped(fed, training)) * mask[:, :, None]

    def _dropped(self, values, training):
        return draws.dropout(values, self.dropout, training)


class QueryNormBlock(TransformerBlock):
    """SASRec's block as its authors' code has it, and not its paper: only queries are normalised.

    ::

        q   = LN(x),   z = LN(q + attend(q, x, x))
        out = z + W_2 drop(relu(W_1 z + b_1)) + b_2

    The residuals go around the normalised inputs, and dropout is of the attention's weights (that layer's
    own), of the inner units and of the network's output. gSASRec and PNFRec are built of it.
    """

    def call(self, inputs, mask, training=False):
        """[B, T, D] and the padding mask [B, T] -> [B, T, D]."""
        query = self.norm_attention(inputs)
        attended = self.attention(query, inputs, padding_mask=mask, training=training)
        middle = self.norm_feed_forward(query + attended)
        inner = self._dropped(self.inner(middle), training)
        return (middle + self._dropped(self.outer(inner), training)) * mask[:, :, None]


class GatedBlock(tf.keras.layers.Layer):
    """LiGR's block: what each part adds is gated by the state that it adds to.

    ::

        z    = x + sigmoid(x W_a + b_a) * attend(LN(x))
        out  = z + sigmoid(z W_f + b_f) * SwiGLU(LN(z))            (arXiv 2502.03417, arXiv 2508.06450)
        SwiGLU(y) = (silu(y W_1) * y W_3) W_2,   silu(u) = u sigmoid(u)

    Padding is zeroed at the end and never attended to.

    Args:
      attention: a layer of the attention family as wide as its input.
      multiplier: width of the SwiGLU's inner units, in D.
      dropout: rate of the inner units and after both parts, in training.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, attention, multiplier=4, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.attention = attention
        self.multiplier = multiplier
        self.dropout = dropout
        norm = tf.keras.layers.LayerNormalization
        self.norm_attention = norm(epsilon=1e-5, name="norm_attention")
        self.norm_feed_forward = norm(epsilon=1e-5, name="norm_feed_forward")

    def build(self, input_shape):
        """Makes the gates and the SwiGLU; ``input_shape`` is [B, T, D]."""
        width, dense = tf.TensorShape(input_shape).as_list()[-1], tf.keras.layers.Dense
        inner = self.multiplier * width
        self.gate_attention = dense(width, activation="sigmoid", name="gate_attention")
        self.gate_feed_forward = dense(width, activation="sigmoid", name="gate_feed_forward")
        self.switch = dense(inner, use_bias=False, name="dense_switch")
        self.inner = dense(inner, use_bias=False, name="dense_inner")
        self.outer = dense(width, use_bias=False, name="dense_outer")
        super().build(input_shape)

    def call(self, inputs, mask, training=False):
        """[B, T, D] and the padding mask [B, T] -> [B, T, D]."""
        attended = self.attention(self.norm_attention(inputs), padding_mask=mask, training=training)
        middle = inputs + self.gate_attention(inputs) * self._dropped(attended, training)
        fed = self._swiglu(self.norm_feed_forward(middle), training)
        outputs = middle + self.gate_feed_forward(middle) * self._dropped(fed, training)
        return outputs * mask[:, :, None]

    def _swiglu(self, inputs, training):
        switch = self.switch(inputs)
        inner = switch * tf.sigmoid(switch) * self.inner(inputs)
        return self.outer(self._dropped(inner, training))

    def _dropped(self, values, training):
        return draws.dropout(values, self.dropout, training)
