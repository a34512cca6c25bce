"""gSASRec: SASRec trained with gBCE and many negatives (Petrov and Macdonald, RecSys 2023).

Letters: B batch, T history, D width.

NOTE Deviations from the paper and its authors' code: without ``objective: retrieval`` the tower of this
harness scores and negatives are the batch's; the attention has an output projection and no biases; positions
are counted from the newest record, as in SASRec here. The paper has no figure for an Amazon log: epochs,
width and dropout are the objective's, not its own (MovieLens-1M: D 256, three blocks, T 200).
"""

from dfar_tf.layers.blocks import QueryNormBlock
from dfar_tf.models.sasrec import SASRec
from recommenders_utils.backend import tf


class GSASRec(SASRec):
    """The blocks of SASRec's authors, and a loss that undoes the overconfidence of negative sampling.

    ::

        x_0 = E + P,   x_b = block(x_{b-1}),   logit = LN(x_n) . E_v
        loss = -(1 / (K + 1)) (beta log sigmoid(s+) + sum_k log(1 - sigmoid(s_k)))
        beta = alpha (t (1 - 1 / alpha) + 1 / alpha),   alpha = K / (I - 1)

    K negatives a target of I items; ``train.loss: gbce`` and ``train.gbce_t`` are the loss.
    """

    title = "gSASRec"
    paper = "Petrov and Macdonald, RecSys 2023"
    feedback = "unseen; feedback_input shows it"
    published_output = "a product with the item"
    compared = False
    scaled = False

    def make_block(self, name):
        """One of ``num_blocks`` blocks."""
        return QueryNormBlock(self.make_attention(), self.hp.dropout, name=name)

    def make_norm(self):
        """With its shift where no tower follows: in a product it is a bias of each item."""
        norm = tf.keras.layers.LayerNormalization
        return norm(epsilon=1e-8, center=self.dot, name="norm")
