"""THA4Rec: SASRec with talking-heads attention (Lin et al., WWW 2023, section 3.1 and Listing 2).

NOTE The paper names it as a baseline and gives the attention (Eqs. 5-7); all else is SASRec's, its NOTEs
included.
"""

from dfar_tf import layers
from dfar_tf.models.sasrec import SASRec


class THA4Rec(SASRec):
    """SASRec whose heads exchange logits before, and weights after, the softmax.

    ::

        A_{h'} = sum_h W[h, h'] Q_h K_h^T / sqrt(d),   A^THA_h = sum_h' W^S[h', h] softmax(A_{h'})
    """

    title = "THA4Rec"
    paper = "Lin et al., WWW 2023"

    def make_attention(self):
        """Talking heads in place of multi-head attention."""
        return self.attention_layer(layers.TalkingHeadsAttention, "attention", causal=True)
