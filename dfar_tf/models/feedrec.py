"""FeedRec: all feedbacks in one model, strong ones distilling weak ones (Wu et al., WWW 2022).

Letters: B batch, T history, C candidates, D width; P/N positive and negative feedback.

NOTE Deviations from the paper: it has more kinds of feedback than two. Here each of the two is the strong
feedback of its sign, and the mixed sequence is the weak one that both distil from; text encoders are item
embeddings; the tower of this harness scores in place of the inner product. The finish and dwell losses are
there if the log has these columns (extras ``finish`` and ``dwell`` of the store): log loss and squared error.
"""

from dfar_tf import layers
from dfar_tf.layers.baselines.attention_pooling import AttentionPooling, DistilledPooling
from dfar_tf.layers.blocks import TransformerBlock
from dfar_tf.layers.histories import ages
from dfar_tf.losses import cosine, weighted_mean
from dfar_tf.models.base import check_heads
from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf

SIDES = (("negative", 0), ("positive", 1))


class FeedRec(BaselineModel):
    """Heterogeneous, then homogeneous Transformers, then pooling in which strong distils weak.

    ::

        X    = Transformer(item + feedback + position)              the mixed sequence
        X^y  = Transformer_y(X over the records of feedback y)      y = P, N
        r^y  = additive attention pooling of X^y                    strong
        w^y  = attention of r^y on X                                weak, distilled
        logit = tower(r^P || r^N || w^P || w^N || E_v)
        L + 0.2 |cos(w^P, w^N)|  (+ finish, dwell)
    """

    title = "FeedRec"
    paper = "Wu et al., WWW 2022"
    feedback = "both: feedback embeddings, a Transformer for each, strong distils weak"
    published_output = "a product with the item"

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        self.mixed = self.make_block("heterogeneous")
        self.own, self.strong, self.weak = {}, {}, {}
        for side, _ in SIDES:
            self.own[side] = self.make_block("homogeneous_" + side)
            self.strong[side] = self.make_strong("strong_" + side)
            self.weak[side] = DistilledPooling(name="weak_" + side)
        self.finish = tf.keras.layers.Dense(1, name="finish")
        self.dwell = tf.keras.layers.Dense(1, name="dwell")

    @classmethod
    def check(cls, hparams):
        """H must divide D."""
        check_heads(hparams)

    def make_block(self, name):
        """A Transformer: [B, T, D], mask [B, T] -> [B, T, D]."""
        attention = self.attention_layer(layers.MultiHeadAttention, "attention")
        return TransformerBlock(attention, self.hp.dropout, name=name)

    def make_strong(self, name):
        """The pooling of a strong feedback: [B, T, D], mask [B, T] -> [B, D]."""
        return AttentionPooling(self.hp.hidden_size, name=name)

    def transformed(self, block, inputs, mask, training):
        """[B, T, D] and its mask through a block of ``make_block``: [B, T, D], 0 at padding."""
        return block(inputs, mask, training=training)

    def encode(self, history, training):
        """{"user": [B, 4 D], "overlap": [B]}, and the target's finish and dwell if they are known."""
        seen = self.seen(history)
        mask, labels = seen["history_mask"], seen["history_labels"]
        inputs = self.embed_history(seen) + tf.gather(
            self.position_embedding, ages(mask, self.hp.max_seq_length)
        )
        mixed = self.transformed(self.mixed, inputs * mask[:, :, None], mask, training)  # [B, T, D]
        strong, weak = [], []
        for side, label in SIDES:
            kept = mask * tf.cast(tf.equal(labels, label), tf.float32)  # [B, T]
            own = self.transformed(self.own[side], mixed * kept[:, :, None], kept, training)
            strong.append(self.strong[side](own, kept))  # [B, D]
            # Without that feedback there is nothing strong to distil by.
            there = tf.reduce_max(kept, 1, keepdims=True)  # [B, 1]
            weak.append(self.weak[side](strong[-1], mixed, mask) * there)
        state = {"user": tf.concat(strong + weak, 1), "overlap": tf.abs(cosine(*weak))}
        known = [name for name in ("target_finish", "target_dwell") if name in history]
        return {**state, **{name: history[name] for name in known}}

    def score(self, state, candidates, training):
        """The tower, and in training what the losses read."""
        outputs = super().score(state, candidates, training)
        # Of the history: the same number for all candidates.
        outputs["overlap"] = state["overlap"][:, None] + tf.zeros_like(outputs["logits"])
        if training:
            outputs.update(self._of_target(state, candidates))
        return outputs

    def losses(self, outputs, labels, weights):
        """Disentangling, and finish and dwell where the log has them: of the target, column 0."""
        hp = self.hp
        terms = {"disentangle": (hp.disentangle_weight, weighted_mean(outputs["overlap"], weights))}
        for name, weight in (("finish", hp.finish_weight), ("dwell", hp.dwell_weight)):
            if name in outputs:
                terms[name] = (weight, weighted_mean(outputs[name][:, :1], weights[:, :1]))
        return terms

    def _of_target(self, state, candidates):
        """Losses [B, C] of each candidate as if it were the target."""
        target = self.embed_items(candidates)  # [B, C, D]
        users = state["user"][:, None] + tf.zeros_like(target[:, :, :1])  # [B, C, 4 D]
        joined = tf.concat([users, target], -1)
        losses = {}
        if "target_finish" in state:
            logits = tf.squeeze(self.finish(joined), -1)
            finished = state["target_finish"][:, None] + tf.zeros_like(logits)
            losses["finish"] = tf.nn.sigmoid_cross_entropy_with_logits(
                labels=finished, logits=logits
            )
        if "target_dwell" in state:
            gap = tf.squeeze(self.dwell(joined), -1) - state["target_dwell"][:, None]
            losses["dwell"] = tf.square(gap)
        return losses
