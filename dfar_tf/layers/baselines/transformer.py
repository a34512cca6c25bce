"""Transformer blocks of the baselines, around any attention of the family.

Letters: B batch, T positions, D width.
"""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.released.attention import (
    ReleasedMultiHeadAttention,
    ReleasedTalkingHeadsAttention,
)
from dfar_tf.layers.released.blocks import ReleasedBlock
from recommenders_utils.backend import tf


class TransformerBlock(tf.keras.layers.Layer):
    """Attention and a position-wise network, each behind a layer norm and beside a residual.

    ::

        z   = x + attend(LN(x))
        out = z + W_2 relu(W_1 LN(z) + b_1) + b_2            (Kang and McAuley, ICDM 2018, Eqs. 3-5)

    Padding is zeroed at the end and never attended to.

    Args:
      attention: a layer of the attention family as wide as its input.
      dropout: rate after both parts, in training.
      **kwargs: of ``tf.keras.layers.Layer``.
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


RELEASED_ATTENTIONS = {
    "multi_head": ReleasedMultiHeadAttention,
    "talking_heads": ReleasedTalkingHeadsAttention,
}


def released_block(kind, num_heads, causal, name):
    """RELEASED, its baselines: the released block around an attention with tanh for the softmax.

    Args:
      kind: ``multi_head`` or ``talking_heads``.
      num_heads: H.
      causal: whether later columns are hidden.
      name: of the layer.

    Returns:
      Layer: [B, T, D], mask [B, T] -> dict with ``output`` [B, T, D] (see ``ReleasedBlock``).
    """
    attention = RELEASED_ATTENTIONS[kind](num_heads, causal=causal, name="attention")
    return ReleasedBlock(attention, name=name)
