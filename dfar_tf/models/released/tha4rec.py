"""THA4Rec's released form: the released SASRec, its heads mixed on both sides of the tanh."""

from dfar_tf.layers.released.attention import ReleasedTalkingHeadsAttention
from dfar_tf.models.released.sasrec import ReleasedSASRec
from dfar_tf.models.tha4rec import THA4Rec


class ReleasedTHA4Rec(ReleasedSASRec, THA4Rec):
    """The released SASRec with talking heads."""

    def make_attention(self):
        """RELEASED, baselines: heads mixed on both sides of the tanh."""
        return ReleasedTalkingHeadsAttention(self.hp.num_heads, causal=True, name="attention")
