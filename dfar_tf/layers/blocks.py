"""The block around an attention: nothing, a residual, or a Transformer block.

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
