"""Feedback-aware factorization-heads attention (Eqs. 10-11): FHA under a label mask.

Letters: B batch, N queries, M keys, X input, Y output, H heads (h1 a query's, h2 a key's), K key_dim.
"""

from dfar_tf.layers.attention import fast
from dfar_tf.layers.attention.factorization_heads import FactorizationHeadsAttention
from recommenders_utils.backend import tf

MASK_MODES = ("logits", "neg_inf", "weights")


class FeedbackAwareFactorizationHeadsAttention(FactorizationHeadsAttention):
    """Factorization-heads attention whose head pairs stand for transitions between feedbacks.

    ::

        M[h1, h2, i, j] = 1 if side(h1) = y_i and side(h2) = y_j else 0
        A_{h1,h2}       = softmax(M_{h1,h2} * Q_{h1} K_{h2}^T / sqrt(K))                  (11)
        S               = [A_{1,1} V_1, ..., A_{H,H} V_H] W_0                             (10)

    where the first half of the heads has side 0 (negative feedback), the second half side 1. So a
    transition from a liked item i to a disliked item j moves only the maps of (second, first) half.

    ``mask_mode`` says where M acts:

    * ``logits`` (Eq. 11 as written): a masked logit becomes 0; its key keeps the weight exp(0).
    * ``neg_inf``: a masked key has no weight; a query whose side is not y_i, or that has no key of
      that side, gets zeros from the pair.
    * ``weights``: M multiplies the weights after the softmax, not renormalised (the released code).

    M[h1, h2, i, j] is 1 at a query's side times 1 at a key's side, so it is applied as these two factors
    and never made as a map.

    Args:
      num_heads: H, even.
      key_dim: K.
      mask_mode: see above.
      **kwargs: of ``MultiHeadAttention``.

    Raises:
      ValueError: an odd ``num_heads``, or an unknown ``mask_mode``.
    """

    shortcut = fast.blocks

    def __init__(self, num_heads, key_dim, mask_mode="logits", **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        if num_heads % 2:
            raise ValueError(f"num_heads must be even, half for each feedback, got {num_heads}")
        if mask_mode not in MASK_MODES:
            raise ValueError(f"mask_mode must be one of {MASK_MODES}, got {mask_mode!r}")
        self.mask_mode = mask_mode

    def call(
        self,
        query,
        labels,
        value_labels=None,
        value=None,
        key=None,
        padding_mask=None,
        training=False,
        return_attention_scores=False,
    ):
        """Attends as the base class does, under the label mask.

        Args:
          query: [B, N, X] float.
          labels: [B, N] feedback of the queries, 0 or 1.
          value_labels: [B, M] feedback of the keys; ``labels`` (self-attention) if None.
          value: [B, M, X] float; the queries if None.
          key: [B, M, X] float; ``value`` if None.
          padding_mask: [B, M], non-zero where a key is real.
          training: whether dropout is on.
          return_attention_scores: whether to return the weights, [B, H, H, N, M], too.

        Returns:
          [B, N, Y] float, or that and the weights.
        """
        query_side = self._side_mask(labels)  # [B, H, N, 1]
        key_side = query_side if value_labels is None else self._side_mask(value_labels)
        sides = (query_side, key_side)
        scores = return_attention_scores
        # Eq. 10: Eq. 8 with the maps below.
        return super().call(query, value, key, padding_mask, training, scores, sides)

    def logits(self, queries, keys, sides):
        """[B, H, N, K] and [B, H, M, K] -> [B, h1, h2, N, M]."""
        # Eq. 11: M * Q K^T is (a query's side * Q) (a key's side * K)^T.
        if self.mask_mode == "logits":
            queries, keys = queries * sides[0], keys * sides[1]
        return super().logits(queries, keys, sides)

    def attention_weights(self, logits, visible, sides):
        """As the base's: [B, h1, h2, N, M]; M acts here where ``mask_mode`` is not ``logits``."""
        if self.mask_mode == "logits":
            return super().attention_weights(logits, visible, sides)
        query_side = sides[0][:, :, None]  # [B, h1, 1, N, 1]
        key_side = tf.transpose(sides[1], [0, 1, 3, 2])[:, None]  # [B, 1, h2, 1, M]
        if self.mask_mode == "weights":
            weights = super().attention_weights(logits, visible, sides)
            return weights * key_side * query_side
        visible = key_side if visible is None else visible * key_side
        return super().attention_weights(logits, visible, sides) * query_side

    def _side_mask(self, labels):
        """[B, H, N, 1] float: 1 where the head's side is the item's feedback."""
        half = self.num_heads // 2
        positive = tf.cast(labels, tf.float32)[:, None, :, None]  # [B, 1, N, 1]
        return tf.concat([1.0 - positive] * half + [positive] * half, axis=1)

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(mask_mode=self.mask_mode)
        return config
