"""Factorization-heads attention (Eqs. 8-9, Listing 3): every query head against every key head.

Letters: B batch, N queries, M keys, H heads (h1 a query's, h2 a key's), K key_dim, V value_dim, Y output.
"""

from dfar_tf.layers.attention import fast
from dfar_tf.layers.attention.multi_head import MultiHeadAttention
from dfar_tf.layers.shapes import size_of
from recommenders_utils.backend import tf


class FactorizationHeadsAttention(MultiHeadAttention):
    """H x H attention maps from H heads of parameters.

    ::

        A_{h1,h2} = softmax_M(Q_{h1} K_{h2}^T / sqrt(K))            h1, h2 in 1..H    (9)
        S         = [A_{1,1} V_1, A_{1,2} V_2, ..., A_{H,H} V_H] W_0                  (8)

    The map (h1, h2) reads value head h2 and W_0 has H * H * V rows, ordered by h1, then h2. (The paper
    writes W_0 as HD x D; with every pair of heads kept, as in Listing 3, it is H * H * V x Y.)
    Equals multi-head attention with H * H heads whose query heads are h1 and key and value heads h2.

    The listing's reshapes and tile (lines 12-14, 17) bring every h1 and h2 together; here they are two
    axes of one product, and what the tile repeats is broadcast.
    """

    shortcut = fast.pairs
    head_axes = 2  # of the maps: [B, h1, h2, N, M]

    @property
    def num_relations(self):
        """The H * H pairs of a query head with a key head."""
        return self.num_heads**2

    def logits(self, queries, keys, sides):
        """[B, H, N, K] and [B, H, M, K] -> [B, h1, h2, N, M]."""
        # Eq. 9: lines 12, 13, 16 and 17.
        return tf.matmul(queries[:, :, None], keys[:, None], transpose_b=True)

    def combine(self, weights, values):
        """[B, h1, h2, N, M] and [B, H, M, V] -> [B, h1 * h2, N, V]."""
        # Eq. 8: lines 14 and 20.
        attended = tf.matmul(weights, values[:, None])  # [B, h1, h2, N, V]
        length = size_of(attended, 3)
        return tf.reshape(attended, [-1, self.num_relations, length, self.value_dim])
