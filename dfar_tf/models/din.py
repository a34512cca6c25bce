"""DIN: a candidate's own attention over the history (Zhou et al., KDD 2018).

Letters: B batch, T history, C candidates, D width.

NOTE Deviations from the paper: the history is one field of items; the tower of this harness, between
normalisations, scores in place of the paper's MLP; the mini-batch aware regulariser is ``embed_l2``.
The paper has no softmax over the weights, the authors' code has: ``att_softmax``, off as in the paper.
"""

from dfar_tf.layers.baselines.activation_unit import LocalActivationUnit
from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf


class DIN(BaselineModel):
    """Local activation and sum pooling, once a candidate.

    ::

        a_t = MLP([e_t, v, e_t - v, e_t * v]),  Dice between its layers      (paper, Eqs. 3, 5)
        f   = sum_t a_t e_t
        logit = tower(f || v)
    """

    title = "DIN"
    paper = "Zhou et al., KDD 2018"
    feedback = "unseen; feedback_input shows it"
    published_output = "an MLP with Dice"
    scorers = ("tower",)

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.attention = LocalActivationUnit(
            hp.attention_layers, hp.att_activation, hp.att_softmax, name="attention"
        )

    def encode(self, history, training):
        """The embedded history [B, T, D] and its mask: all else is of the candidate."""
        history = self.seen(history)
        return {"history": self.embed_history(history), "mask": history["history_mask"]}

    def score(self, state, candidates, training):
        """Attention and tower of each candidate."""
        target = self.embed_items(candidates)  # [B, C, D]
        interest = self.attention(target, state["history"], state["mask"], training=training)
        return {"logits": self.tower(tf.concat([interest, target], -1), training=training)}

    def score_products(self, state, products):
        """The candidate's share of the tower's first layer is given."""
        if "tower" not in products:
            return super().score_products(state, products)
        rows = [tf.shape(state["mask"])[0], tf.shape(products["candidates"])[0]]
        target = self.embed_items(tf.broadcast_to(products["candidates"], rows))  # [B, C, D]
        interest = self.attention(target, state["history"], state["mask"])
        return self.tower.call_products(products["tower"], own=interest)
