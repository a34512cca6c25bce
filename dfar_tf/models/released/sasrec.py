"""SASRec's released form: tanh for the softmax, liked items only, mean pooling.

Tanh weighs a hidden position -1. The block around the attention and the mean over the kept positions are
those of the release's DFAR graph. Letters: B batch, T history, D width.
"""

from typing import ClassVar

from dfar_tf.layers.released.attention import ReleasedMultiHeadAttention
from dfar_tf.layers.released.blocks import ReleasedBlock, mean_over_real
from dfar_tf.models.sasrec import SASRec
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


class ReleasedSASRec(SASRec):
    """Liked items in their places, the others zeroed; the mean of the last block's states is the user."""

    any_length = False  # the released blocks are built for one length
    trained_positions = ("last",)
    why_not: ClassVar = {"positions": "its released form pools the states of all positions"}

    @classmethod
    def check(cls, hparams):
        """Beside the published form's: it sees liked items only, in its own way."""
        super().check(hparams)
        if hparams.feedback_input != "none":
            raise UserError(
                f"feedback_input: {hparams.feedback_input!r}, but released_form sees liked items only, in "
                "its own way. Leave feedback_input at none, or set released_form to false."
            )

    def make_block(self, name):
        """RELEASED, encoder: its block."""
        return ReleasedBlock(self.make_attention(), name=name)

    def make_attention(self):
        """RELEASED, baselines: tanh in place of the softmax."""
        return ReleasedMultiHeadAttention(self.hp.num_heads, causal=True, name="attention")

    def encode(self, history, training):
        """{"user": [B, D]}: the mean of the kept states."""
        seen = self.seen(history)
        kept = seen["history_mask"] * tf.cast(tf.equal(seen["history_labels"], 1), tf.float32)
        states = (self.embed_history(seen) + self.position_embedding) * kept[:, :, None]
        for block in self.blocks:
            states = block(states, kept)["output"]
        return {"user": mean_over_real(states * kept[:, :, None], kept)}
