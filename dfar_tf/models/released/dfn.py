"""DFN's released form: tanh for the softmax; no external attention, FM or wide part.

The block is that of the release's DFAR graph. Letters: B batch, T history, C candidates, D width.
"""

from dfar_tf.layers.released.attention import ReleasedMultiHeadAttention
from dfar_tf.layers.released.blocks import ReleasedBlock
from dfar_tf.models.dfn import DFN
from recommenders_utils.backend import tf


class ReleasedDFN(DFN):
    """The tower of the candidate and of what the two feedbacks' blocks sum up to."""

    any_length = False  # the released blocks are built for one length

    def make_block(self, name):
        """RELEASED, encoder: its block, around tanh in place of the softmax."""
        attention = ReleasedMultiHeadAttention(self.hp.num_heads, causal=False, name="attention")
        return ReleasedBlock(attention, name=name)

    def make_external(self):
        """RELEASED, baselines: no external attention."""

    def make_wide(self):
        """RELEASED, baselines: no wide part."""

    def encode(self, history, training):
        """As the published form's, without its share of wide."""
        return self.embedded(history)[0]

    def score(self, state, candidates, training):
        """RELEASED, baselines: the deep part alone."""
        fields = self.internal_fields(candidates, state, training)
        return {"logits": self.tower(tf.concat(fields, -1), training=training)}

    def transformed(self, block, inputs, mask, training):
        """[B, T, D] and its mask through a block: [B, T, D]."""
        return block(inputs, mask)["output"]
