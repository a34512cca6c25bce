"""Talking-heads attention (Eqs. 5-7, Listing 2): MHA whose heads exchange logits and weights.

Letters: B batch, N queries, M keys, H heads (h_k, h_v), H' heads of the softmax (h), K key_dim, V value_dim.
"""

from dfar_tf.layers.attention.multi_head import MultiHeadAttention
from recommenders_utils.backend import tf


class TalkingHeadsAttention(MultiHeadAttention):
    """Multi-head attention with a learned mix of heads on each side of the softmax.

    ::

        A_{h'}     = sum_h  W_THA[h, h']     Q_h K_h^T / sqrt(K)        H -> H' maps    (6)
        A^THA_h    = sum_h' W^S_THA[h', h]   softmax(A_{h'})            H' -> H maps    (7)
        S          = [A^THA_1 V_1, ..., A^THA_H V_H] W_0                                (5)

    Masked keys are taken out between the two mixes, inside the softmax.

    Args:
      num_heads: H.
      key_dim: K.
      num_softmax_heads: H', how many maps pass the softmax; H if None.
      **kwargs: of ``MultiHeadAttention``.

    Raises:
      ValueError: a number of heads that is not positive.
    """

    shortcut = None  # the second mix needs the weights themselves

    def __init__(self, num_heads, key_dim, num_softmax_heads=None, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        if num_softmax_heads is None:
            num_softmax_heads = num_heads
        if int(num_softmax_heads) != num_softmax_heads or num_softmax_heads < 1:
            raise ValueError(
                f"num_softmax_heads must be a positive whole number, got {num_softmax_heads!r}"
            )
        self.num_softmax_heads = num_softmax_heads

    def build(self, input_shape):
        """Adds the two mixes, P_l [H, H'] and P_w [H', H], to the projections."""
        mix = [self.num_heads, self.num_softmax_heads]
        init = self.kernel_initializer
        self.logits_mix = self.add_weight(name="logits_mix", shape=mix, initializer=init)
        self.weights_mix = self.add_weight(name="weights_mix", shape=mix[::-1], initializer=init)
        super().build(input_shape)

    def logits(self, queries, keys, sides):
        """[B, H, N, K] and [B, H, M, K] -> [B, H', N, M]."""
        # Eq. 6: lines 14 and 15.
        return _mix_heads(super().logits(queries, keys, sides), self.logits_mix)

    def attention_weights(self, logits, visible, sides):
        """[B, H', N, M] -> [B, H, N, M]."""
        # Eq. 7: lines 17 and 18.
        return _mix_heads(super().attention_weights(logits, visible, sides), self.weights_mix)

    def combine(self, weights, values):
        """[B, H, N, M] and [B, H, M, V] -> [B, H, N, V]."""
        # Eq. 5: line 20, as in Eq. 2.
        return super().combine(weights, values)

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(num_softmax_heads=self.num_softmax_heads)
        return config


def _mix_heads(maps, mix):
    heads_last = tf.transpose(maps, [0, 2, 3, 1])  # [B, N, M, H]
    return tf.transpose(tf.tensordot(heads_last, mix, 1), [0, 3, 1, 2])  # [B, H', N, M]
