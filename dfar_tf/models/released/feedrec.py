"""FeedRec's released form: tanh for the softmax in its Transformers, mean pooling of the strong feedbacks.

The block is that of the release's DFAR graph. Letters: B batch, T history, D width.
"""

from dfar_tf.layers.released.attention import ReleasedMultiHeadAttention
from dfar_tf.layers.released.blocks import ReleasedBlock, mean_over_real
from dfar_tf.models.feedrec import FeedRec


class ReleasedFeedRec(FeedRec):
    """FeedRec with the released blocks, and means where the paper pools by attention."""

    any_length = False  # the released blocks are built for one length

    def make_block(self, name):
        """RELEASED, encoder: its block, around tanh in place of the softmax."""
        attention = ReleasedMultiHeadAttention(self.hp.num_heads, causal=False, name="attention")
        return ReleasedBlock(attention, name=name)

    def make_strong(self, name):
        """RELEASED, pooling: the mean over the feedback's positions."""
        return mean_over_real

    def transformed(self, block, inputs, mask, training):
        """[B, T, D] and its mask through a block: [B, T, D], 0 at padding."""
        return block(inputs, mask)["output"] * mask[:, :, None]
