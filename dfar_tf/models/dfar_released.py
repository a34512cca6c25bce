"""DFAR as the released code computes it, up to rounding; ``dfar`` is the paper's.

Each difference between the two is in one named place: the attention's in
``layers/released/attention.py``, the other layers' in ``layers/released/blocks.py``, the losses' in
``layers/released/losses.py``, and different combinations are in methods below that say RELEASED.

Letters: B batch, T history, C candidates, D width, H heads.
"""

from dfar_tf.layers.released.attention import ReleasedFactorizationHeadsAttention
from dfar_tf.layers.released.blocks import (
    ReleasedBlock,
    ReleasedMLP,
    ReleasedTargetAttention,
    mean_over_real,
)
from dfar_tf.layers.released.losses import attraction, released_log_loss
from dfar_tf.losses import tower_bpr_loss, weighted_mean
from dfar_tf.models.base import SequentialModel, distinct
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

SIDES = (("negative", 0), ("positive", 1))


class DFARReleased(SequentialModel):
    """The released graph.

    ::

        E    = (item + position + label) * mask
        f+-  = target attention of (E_v + L_1), (E_v + L_0) on E
        S    = block(E), its attention with the label mask after the softmax
        S+-  = block(S * y), block(S * (1 - y))
        logit+- = MLP(E_v || mean S || mean S+- || f+-);   the prediction is sigmoid(logit+)
        loss = log loss + attraction(mean S+, mean S-) + attraction(f+, f-) + lambda_bpr BPR + L2

    Only target attention and towers depend on the candidate and only they have batch norm: the rest is
    computed once a history. Their rows are the B * C candidates of B histories, which are the released
    rows. A padding candidate would be a row of the statistics too, but training batches have none.
    """

    title = "DFAR (released)"
    paper = "the code released with WWW 2023's DFAR"
    feedback = "both: heads by feedback, an interest and a tower for each"
    pairs = 4096  # each of them has a row of every record
    compared = False
    any_length = False  # the released blocks are built for one length

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = self.hp
        self.label_embedding = self.embedding("label_embedding", self.levels)
        self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        block = lambda name: ReleasedBlock(  # noqa: E731
            ReleasedFactorizationHeadsAttention(hp.num_heads, name="attention"), name=name
        )
        self.encoder = block("encoder")
        self.decouplers, self.attentions, self.towers = {}, {}, {}
        for side, _ in SIDES:
            self.decouplers[side] = block("decoupler_" + side)
            self.attentions[side] = ReleasedTargetAttention(
                hp.attention_layers, name="target_attention_" + side
            )
            self.towers[side] = ReleasedMLP(hp.tower_layers, name="tower_" + side)

    @classmethod
    def check(cls, hparams):
        """H must divide D and be even: the label mask gives each feedback half of the heads."""
        if hparams.hidden_size % hparams.num_heads or hparams.num_heads % 2:
            raise UserError(
                f"num_heads: {hparams.num_heads} must be even and divide hidden_size "
                f"{hparams.hidden_size}. Change one of the two."
            )

    def embed_history(self, history):
        """RELEASED, E: item + position + label, times mask; position 0 is the oldest kept. [B, T, D]."""
        inputs = self.embed_items(history["history_items"]) + self.position_embedding
        inputs += self.embed_labels(history)
        return inputs * history["history_mask"][:, :, None]

    def trace(self, history):
        """Every step of ``encode``: what it returns, and dicts of steps of its three blocks.

        Args:
          history: as of ``encode``.

        Returns:
          dict with ``embedded`` [B, T, D], ``mask`` [B, T], ``mean``, ``positive_mean``,
          ``negative_mean`` [B, D], and ``encoder``, ``positive``, ``negative`` (see ``ReleasedBlock``).
        """
        mask, labels = history["history_mask"], history["history_labels"]
        steps = {"embedded": self.embed_history(history), "mask": mask}
        steps["encoder"] = self.encoder(steps["embedded"], mask, labels)
        encoded = steps["encoder"]["output"]
        steps["mean"] = mean_over_real(encoded, mask)
        for side, label in SIDES:
            side_mask = self.side_mask(labels, label)
            steps[side] = self.decouplers[side](encoded * side_mask[:, :, None], side_mask)
            steps[side + "_mean"] = mean_over_real(steps[side]["output"], mask)
        return steps

    @staticmethod
    def side_mask(labels, label):
        """RELEASED, pooling: y for S+, 1 - y for S-; padding has label 0 and stays in S-. [B, T]."""
        return tf.cast(tf.equal(labels, label), tf.float32)

    def encode(self, history, training):
        """Embeddings [B, T, D] for the target attention, and the three means [B, D]."""
        del training  # no batch norm and no dropout on this side
        steps = self.trace(history)
        names = ("embedded", "mask", "mean", "positive_mean", "negative_mean")
        return {name: steps[name] for name in names}

    def head_attention(self, history):
        """The encoder's attention weights after the label mask: [B, H, H, T, T]."""
        return self.trace(history)["encoder"]["weights"]

    def score(self, state, candidates, training):
        """Both towers; the positive one's logit is the prediction."""
        target = self.embed_items(candidates)  # [B, C, D]
        outputs = {}
        for side, label in SIDES:
            query = target + self.side_embedding(label)
            attended = self.attentions[side](
                query, state["embedded"], state["mask"], training=training
            )
            outputs[side + "_interest"] = attended["interest"]  # [B, C, D]
            outputs[side + "_attention"] = attended["logits"]  # [B, C, T]
            outputs[side + "_logits"] = self.tower(side, target, state, attended, training)
        outputs["logits"] = outputs["positive_logits"]
        # Of the history alone, but a released row is a candidate: one number each.
        short = attraction(state["positive_mean"], state["negative_mean"])  # [B]
        outputs["short_attraction"] = short[:, None] + tf.zeros_like(outputs["logits"])
        outputs["long_attraction"] = attraction(
            outputs["positive_interest"], outputs["negative_interest"]
        )
        return outputs

    def tower(self, side, target, state, attended, training):
        """RELEASED, towers: [target without label, mean S, mean S+-, f+-] to 100-64-1. [B, C]."""
        shared = [state[name][:, None] for name in ("mean", side + "_mean")]  # [B, 1, D]
        own = [target, attended["interest"]]  # [B, C, D]
        return self.towers[side](shared + own, [[2], [3], [1], [4]], training=training)

    def main_loss(self, outputs, labels, weights):
        """RELEASED, loss: the log loss has its epsilon; ``softmax`` and ``bpr`` are the common ones."""
        if self.hp.loss == "log_loss":
            return released_log_loss(outputs["logits"], labels, weights)
        return super().main_loss(outputs, labels, weights)

    def losses(self, outputs, labels, weights):
        """BPR between the towers, its weight 0 as released, and the two attractions."""
        hp = self.hp
        bpr = tower_bpr_loss(
            outputs["positive_logits"], outputs["negative_logits"], labels, weights
        )
        return {
            "bpr": (hp.lambda_bpr, bpr),
            "short_attraction": (
                hp.attraction_short,
                weighted_mean(outputs["short_attraction"], weights),
            ),
            "long_attraction": (
                hp.attraction_long,
                weighted_mean(outputs["long_attraction"], weights),
            ),
        }

    def regularized_rows(self, features):
        """RELEASED, loss: embed_l2 on the batch's item rows, padding's too, and its label rows."""
        rows = super().regularized_rows(features)
        labels = distinct(features["history_labels"])
        return [*rows, tf.gather(self.label_embedding, labels)]
