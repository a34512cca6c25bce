"""Feedback-aware factorization-heads attention (Eqs. 10-11): FHA under a label mask."""

from dfar_tf.layers.attention.factorization_heads import FactorizationHeadsAttention
from dfar_tf.layers.attention.feedback_blocks import attend_in_blocks
from recommenders_utils.backend import tf

MASK_MODES = ("logits", "neg_inf", "weights")


class FeedbackAwareFactorizationHeadsAttention(FactorizationHeadsAttention):
    """Factorization-heads attention whose head pairs stand for transitions between feedbacks.

    ::

        M[h1, h2, i, j] = 1 if side(h1) = y_i and side(h2) = y_j else 0
        A_{h1,h2}       = softmax(M_{h1,h2} * Q_{h1} K_{h2}^T / sqrt(K))                  (11)

    where the first half of the heads has side 0 (negative feedback), the second half side 1. So a
    transition from a liked item i to a disliked item j moves only the maps of (second, first) half.

    ``mask_mode`` says where M acts:

    * ``logits`` (Eq. 11 as written): a masked logit becomes 0; its key keeps the weight exp(0).
    * ``neg_inf``: a masked key has no weight; a query whose side is not y_i, or that has no key of
      that side, gets zeros from the pair.
    * ``weights``: M multiplies the weights after the softmax, not renormalised (the released code).

    M is a product of a query part and a key part, so it is applied to the [B, H, T, K] heads (or to
    the values and the result) and never as a T x T map. With ``logits`` it leaves each pair of items one
    block of (H / 2) x (H / 2) logits, and only these are computed: see `feedback_blocks.py`.

    Args:
      num_heads: H, even.
      key_dim: K.
      mask_mode: see above.
      **kwargs: of ``MultiHeadAttention``.

    Raises:
      ValueError: an odd ``num_heads``, or an unknown ``mask_mode``.
    """

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
        """Attends as the base does, under the mask of the labels.

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
        return self._run(query, value, key, padding_mask, training, scores, sides)

    def _side_mask(self, labels):
        """[B, H, N, 1] float: 1 where the head's side is the item's feedback."""
        half = self.num_heads // 2
        positive = tf.cast(labels, tf.float32)[:, None, :, None]  # [B, 1, N, 1]
        return tf.concat([1.0 - positive] * half + [positive] * half, axis=1)

    def _whole_maps(self, sides):
        return self.mask_mode == "logits"

    def _without_weights(self, queries, keys, values, padding_mask, sides):
        kernel = tf.reshape(self.output_kernel, [self.num_relations * self.value_dim, -1])
        output = attend_in_blocks(queries, keys, values, kernel, padding_mask, sides)
        return output if self.output_bias is None else output + self.output_bias  # [B, N, Y]

    def _logits(self, queries, keys, sides):
        if self.mask_mode == "logits":
            queries, keys = queries * sides[0], keys * sides[1]
        return super()._logits(queries, keys, sides)  # [B, h2, h1 * N, M]

    def _weights(self, logits, visible, sides):
        query_side, key_side = sides
        rows = tf.shape(query_side)[0]
        query_side = tf.reshape(query_side, [rows, 1, -1, 1])  # [B, 1, h1 * N, 1]
        key_side = tf.transpose(key_side, [0, 1, 3, 2])  # [B, h2, 1, M]
        if self.mask_mode == "neg_inf":
            visible = key_side if visible is None else visible * key_side
            return super()._weights(logits, visible, sides) * query_side
        weights = super()._weights(logits, visible, sides)
        return weights * key_side * query_side if self.mask_mode == "weights" else weights

    def get_config(self):
        """See ``tf.keras.layers.Layer``."""
        config = super().get_config()
        config.update(mask_mode=self.mask_mode)
        return config
