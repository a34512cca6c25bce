"""SASRec: causal self-attention over the history (Kang and McAuley, ICDM 2018).

Letters: B batch, T history, C candidates, D width, H heads.

NOTE Deviations from the paper: the tower of this harness scores a candidate in place of the product with
its embedding; an instance trains its last state only, every earlier one being an instance of its own; the
attention has an output projection, and H heads are the harness's. Positions are counted from the newest
record, which in a right-padded history is what the paper's left-padded positions are.
NOTE ``released_form`` is the release's form, as far as it is recorded (RELEASED, its baselines): tanh
for the softmax, so that a hidden position weighs -1, and liked items only; the others are zeroed where they
stand. The block around the attention and the mean over the kept positions are those of its DFAR graph.
"""

from dfar_tf import layers
from dfar_tf.layers.baselines.recurrent import last_real
from dfar_tf.layers.baselines.transformer import TransformerBlock, released_block
from dfar_tf.layers.released.blocks import mean_over_real
from dfar_tf.models.base import BaselineModel, ages, check_heads
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


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
    attention_kind = "multi_head"

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        make = self._released_block if hp.released_form else self._block
        self.blocks = [make(f"block_{i}") for i in range(hp.num_blocks)]
        if not hp.released_form:
            # No shift: the tower begins with a normalisation or a dense layer, which has its own.
            norm = tf.keras.layers.LayerNormalization
            self.norm = norm(epsilon=1e-8, center=False, name="norm")

    @classmethod
    def check(cls, hparams):
        """H must divide D; the released form sees liked items only."""
        check_heads(hparams)
        if hparams.released_form and hparams.feedback_input != "none":
            raise UserError(
                f"feedback_input: {hparams.feedback_input!r}, but released_form sees liked items only, in "
                "its own way. Leave feedback_input at none, or set released_form to false."
            )

    def encode(self, history, training):
        """{"user": [B, D]}: the last real state, or in the released form the mean of the kept ones."""
        seen = self.seen(history)
        mask = seen["history_mask"]
        if self.hp.released_form:
            mask *= tf.cast(tf.equal(seen["history_labels"], 1), tf.float32)
        return {
            "user": self._encode(self.embed_history(seen), seen["history_mask"], mask, training)
        }

    def states(self, embedded, mask, training=False):
        """[B, T, D] item embeddings -> the states of all positions, before the last norm."""
        scaled = embedded * self.hp.hidden_size**0.5
        positions = tf.gather(self.position_embedding, ages(mask, self.hp.max_seq_length))
        states = (scaled + positions) * mask[:, :, None]
        for block in self.blocks:
            states = block(states, mask, training=training)
        return states

    def make_attention(self):
        """The one step in which THA4Rec differs: a causal layer of the attention family."""
        hp = self.hp
        width = hp.hidden_size // hp.num_heads
        return layers.MultiHeadAttention(
            hp.num_heads, width, causal=True, dropout=hp.dropout, name="attention"
        )

    def _block(self, name):
        return TransformerBlock(self.make_attention(), self.hp.dropout, name=name)

    def _released_block(self, name):
        return released_block(self.attention_kind, self.hp.num_heads, causal=True, name=name)

    def _encode(self, embedded, real, kept, training):
        if not self.hp.released_form:
            return last_real(self.norm(self.states(embedded, real, training)), real)
        states = (embedded + self.position_embedding) * kept[:, :, None]
        for block in self.blocks:
            states = block(states, kept)["output"]
        return mean_over_real(states * kept[:, :, None], kept)
