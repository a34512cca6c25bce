"""SASRec: causal self-attention over the history (Kang and McAuley, ICDM 2018).

Letters: B batch, T history, C candidates, D width, H heads.

NOTE Deviations from the paper: by default the tower of this harness scores a candidate in place of the
product with its embedding (``scorer: dot``), and an instance trains its last state only, every earlier one
being an instance of its own (``positions: all`` trains them in one pass); the attention has an output
projection, and H heads are the harness's. Positions are counted from the newest record, which in a
right-padded history is what the paper's left-padded positions are.
"""

from dfar_tf import layers
from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.blocks import TransformerBlock
from dfar_tf.layers.histories import ages
from dfar_tf.models.base import check_heads
from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf


class SASRec(BaselineModel):
    """Blocks of causal attention; the last real state and the candidate meet in the tower.

    ::

        x_0 = E * sqrt(D) + P
        x_b = block(x_{b-1}),   z = x + attend(LN(x)),  out = z + FFN(LN(z))     (paper, 3.2, 3.3)
        logit = tower(LN(x_n) || E_v),   x_n the last real position's

    attend is multi-head attention (2-4 of DFAR's paper) in which a position sees itself and earlier ones.
    """

    title = "SASRec"
    paper = "Kang and McAuley, ICDM 2018"
    feedback = "unseen; feedback_input shows it; released: liked items only"
    published_output = "a product with the item"
    trained_positions = ("last", "all")
    scaled = True  # whether embeddings are multiplied by sqrt(D), as SASRec's authors do

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        self.blocks = [self.make_block(f"block_{i}") for i in range(hp.num_blocks)]
        self.norm = self.make_norm()

    @classmethod
    def check(cls, hparams):
        """H must divide D."""
        check_heads(hparams)

    def make_block(self, name):
        """One of ``num_blocks`` blocks."""
        return TransformerBlock(self.make_attention(), self.hp.dropout, name=name)

    def make_norm(self):
        """What the states pass behind the last block."""
        # No shift: the tower begins with a normalisation or a dense layer, which has its own.
        norm = tf.keras.layers.LayerNormalization
        return norm(epsilon=1e-8, center=False, name="norm")

    def make_attention(self):
        """The one step in which THA4Rec differs: a causal layer of the attention family."""
        return self.attention_layer(layers.MultiHeadAttention, "attention", causal=True)

    def position_states(self, history, training):
        """[B, T, D]: the states of all positions."""
        embedded, mask = self.embed_history(history), history["history_mask"]
        return self.norm(self.states(embedded, mask, training))

    def states(self, embedded, mask, training=False):
        """[B, T, D] item embeddings -> the states of all positions, before the last norm."""
        if self.scaled:
            embedded *= self.hp.hidden_size**0.5
        positions = tf.gather(self.position_embedding, ages(mask, self.hp.max_seq_length))
        states = draws.dropout(embedded + positions, self.hp.dropout, training) * mask[:, :, None]
        for block in self.blocks:
            states = block(states, mask, training=training)
        return states
