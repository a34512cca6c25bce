"""eSASRec: SASRec's training with LiGR's blocks and a sampled softmax (Tikhonovich et al., RecSys 2025).

Letters: B batch, T history, D width.

NOTE The paper (arXiv 2508.06450) takes the block from LiGR (Borisyuk et al., arXiv 2502.03417); where the two
leave it open, RecTools' public implementation decides: gates from the state before its norm, no norm behind
the last block, no biases in the SwiGLU. Deviations: the attention has no biases; without ``objective:
retrieval`` the tower of this harness scores, and negatives and loss are the harness's.
"""

from dfar_tf.layers.blocks import GatedBlock
from dfar_tf.models.sasrec import SASRec
from recommenders_utils.backend import tf


class ESASRec(SASRec):
    """Gated blocks whose norms stand before each part, as ``GatedBlock`` says.

    ::

        x_0 = E + P,   x_b = gated block(x_{b-1}),   logit = x_n . E_v
        loss = -log(exp(s+) / (exp(s+) + sum_k exp(s_k)))            over K uniform negatives
    """

    title = "eSASRec"
    paper = "Tikhonovich et al., RecSys 2025"
    feedback = "unseen; feedback_input shows it"
    published_output = "a product with the item"
    compared = False
    scaled = False

    def make_block(self, name):
        """One of ``num_blocks`` blocks."""
        hp = self.hp
        return GatedBlock(self.make_attention(), hp.inner_multiplier, hp.dropout, name=name)

    def make_norm(self):
        """None: the last block's sum is the state."""
        return tf.identity
