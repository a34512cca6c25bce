"""Factorization-heads attention (Eqs. 8-9, Listing 3): every query head against every key head."""

from dfar_tf.layers.attention.multi_head import MultiHeadAttention
from recommenders_utils.backend import tf


class FactorizationHeadsAttention(MultiHeadAttention):
    """H x H attention maps from H heads of parameters.

    ::

        A_{h1,h2} = softmax_M(Q_{h1} K_{h2}^T / sqrt(K))            h1, h2 in 1..H    (9)
        S         = [A_{1,1} V_1, A_{1,2} V_2, ..., A_{H,H} V_H] W_0                  (8)

    The map (h1, h2) reads value head h2 and W_0 has H * H * V rows, ordered by h1, then h2. (The paper
    writes W_0 as HD x D; with every pair of heads kept, as in Listing 3, it is H * H * V x Y.)
    Equals multi-head attention with H * H heads whose query heads are h1 and key and value heads h2.

    Inside, a map lies at [B, h2, h1 * N, M]: the key head is a batch axis of both products, so that no
    map is ever transposed or tiled.
    """

    @property
    def num_relations(self):
        """The H * H pairs of a query head with a key head."""
        return self.num_heads**2

    def _paired(self, queries):
        length = queries.shape.as_list()[2]
        length = tf.shape(queries)[2] if length is None else length
        return tf.reshape(
            queries, [-1, 1, self.num_heads * length, self.key_dim]
        )  # [B, 1, h1 * N, K]

    def _unpaired(self, attended):
        return self._split_pairs(attended)  # [B, h2, h1 * N, V] -> [B, h1 * h2, N, V]

    def _logits(self, queries, keys, sides):
        return tf.matmul(self._paired(queries), keys, transpose_b=True)  # [B, h2, h1 * N, M]

    def _visible(self, query, key, padding_mask):
        visible = super()._visible(query, key, padding_mask)
        if self.causal:
            visible = tf.tile(visible, [1, 1, self.num_heads, 1])  # [B, 1, h1 * N, M]
        return visible

    def _attend(self, weights, values):
        return self._split_pairs(tf.matmul(weights, values))  # [B, h1 * h2, N, V]

    def _split_pairs(self, tensor):
        """[B, h2, h1 * N, Z] -> [B, h1 * h2, N, Z], pairs ordered by h1."""
        heads, last = self.num_heads, tensor.shape.as_list()[-1]
        last = tf.shape(tensor)[-1] if last is None else last
        static_rows = tensor.shape.as_list()[2]
        length = tf.shape(tensor)[2] // heads if static_rows is None else static_rows // heads
        pairs = tf.reshape(tensor, [-1, heads, heads, length, last])  # [B, h2, h1, N, Z]
        ordered = tf.transpose(pairs, [0, 2, 1, 3, 4])  # [B, h1, h2, N, Z]
        return tf.reshape(ordered, [-1, heads * heads, length, last])

    def _scores(self, weights):
        pairs = self._split_pairs(weights)  # [B, h1 * h2, N, M]
        shape = tf.shape(pairs)
        heads = self.num_heads
        return tf.reshape(pairs, [shape[0], heads, heads, shape[2], shape[3]])  # [B, h1, h2, N, M]
