"""PNFRec: an encoder for liked and one for disliked records (Ivanova et al., RecSys 2025).

Letters: B batch, T history, C candidates of a row, K candidates that all rows share, D width.

NOTE From the paper (arXiv 2508.14786) and its authors' code: shared item and position tables and last norm,
the blocks of SASRec's authors, positions from the oldest record, inference by the positive encoder alone, no
temperature in the contrast. Deviations: a target is predicted from all records before it, where the authors
cut each sequence after splitting it; a target without a record of its own feedback before it counts in the
mean, without a gradient of a product; the attention has no biases; sampled or other losses are the
harness's. Only a batch that knows the targets' feedback (``negatives`` other than ``in_batch``, or another of
the retrieval keys) trains the negative encoder. Its Toys settings are not published.
"""

from dfar_tf import layers
from dfar_tf.layers.baselines.recurrent import last_real
from dfar_tf.layers.baselines.side_encoder import SideEncoder
from dfar_tf.layers.blocks import QueryNormBlock
from dfar_tf.losses import NOWHERE, weighted_mean
from dfar_tf.models.base import check_heads
from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


class PNFRec(BaselineModel):
    """Two causal encoders, each trained on the targets of its own feedback, and a contrast.

    ::

        x^y_n = LN(blocks_y(E sqrt(D) + P)), over the records of feedback y,  y = P, N
        logit = x^P_n . E_v
        L = CE(liked targets, x^P) + alpha CE(disliked targets, x^N) + beta L^c
        L^c = log(exp(x^P_n . E_v) + sum_j exp(x^P_n . E_j)) - x^P_n . E_v,   v liked, j disliked records

    CE is ``train.loss``. With ``scorer: tower`` each encoder has a tower in place of its product.
    """

    title = "PNFRec"
    paper = "Ivanova et al., RecSys 2025"
    feedback = "both: an encoder and a loss for each, and a contrast of the two"
    published_output = "a product with the item"
    compared = False
    trained_positions = ("last", "all")

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        norm = tf.keras.layers.LayerNormalization
        self.norm = norm(epsilon=1e-8, center=self.dot, name="norm")
        self.encoders = [self.make_encoder(side) for side in ("negative", "positive")]
        if not self.dot:
            self.negative_tower = layers.NormalizedTower(
                hp.tower_layers, hp.tower_norm, hp.activation, hp.dropout, name="negative_tower"
            )

    @classmethod
    def check(cls, hparams):
        """H must divide D; a correction of the logits would reach the positive encoder's alone."""
        check_heads(hparams)
        if hparams.values().get("logq_correction"):
            raise UserError(
                "logq_correction: PNFRec has two encoders, and the correction is of one's logits. Leave "
                "it out, or give --negatives=uniform, which needs none."
            )

    def make_encoder(self, side):
        """The encoder of one feedback."""
        hp, blocks = self.hp, []
        for number in range(hp.num_blocks):
            attention = self.attention_layer(layers.MultiHeadAttention, "attention", causal=True)
            blocks.append(QueryNormBlock(attention, hp.dropout, name=f"block_{number}"))
        return SideEncoder(blocks, hp.dropout, name=side)

    def side_states(self, history, side, training):
        """[B, T, D]: after each record, the state of the newest one of feedback ``side``, or 0."""
        of_side = tf.cast(tf.equal(history["history_labels"], side), tf.float32)
        inputs = self.embed_history(history) * self.hp.hidden_size**0.5
        mask = history["history_mask"] * of_side
        states, there = self.encoders[side](
            inputs, self.position_embedding, mask, training=training
        )
        return self.norm(states) * there

    def encode(self, history, training):
        """{"user": [B, D]}, the positive state; in training also "negative" and, 0 or ids, "disliked"."""
        seen = self.seen(history)
        mask = seen["history_mask"]
        state = {"user": last_real(self.side_states(seen, 1, training), mask)}
        if training:
            state["negative"] = last_real(self.side_states(seen, 0, training), mask)
            state["disliked"] = disliked(seen)
        return state

    def encode_positions(self, history, at, training):
        """As of ``encode`` in training, [N, ...]; as its authors do, "disliked" are all of the sequence."""
        states = {"user": self.side_states(history, 1, training)}
        if training:
            states["negative"] = self.side_states(history, 0, training)
        state = {name: tf.gather_nd(value, at) for name, value in states.items()}
        if training:
            state["disliked"] = tf.gather(disliked(history), at[:, 0])
        return state

    def score(self, state, candidates, training):
        """The positive encoder's logits; in training also "negative_logits" and "contrast", [B, C]."""
        outputs = super().score(state, candidates, training)
        if training:
            negative = {"user": state["negative"]}
            if self.dot:
                outputs["negative_logits"] = super().score(negative, candidates, True)["logits"]
            else:
                target = self.embed_items(candidates)
                outputs["negative_logits"] = self.negative_tower(negative["user"], target, True)
            outputs["contrast"] = self.contrast(state, candidates)
        return outputs

    def score_shared(self, state, candidates, shared, training):
        """As of ``score``; with products, "contrast" is 0 at shared candidates, which are no targets."""
        if not self.dot:
            return super().score_shared(state, candidates, shared, training)
        outputs, items = self.score(state, candidates, training), self.embed_items(shared)
        for name, user in (("logits", "user"), ("negative_logits", "negative")):
            if name in outputs:
                others = tf.matmul(state[user], items, transpose_b=True)  # [B, K]
                outputs[name] = tf.concat([outputs[name], others], 1)
        if training:
            outputs["contrast"] = tf.pad(outputs["contrast"], [[0, 0], [0, tf.shape(shared)[0]]])
        return outputs

    def contrast(self, state, candidates):
        """L^c of each candidate as if it were the target: [B, C]."""
        user, items = state["user"], state["disliked"]
        products = tf.reduce_sum(user[:, None] * self.embed_items(items), -1)  # [B, T]
        hidden = tf.cast(tf.equal(items, 0), tf.float32) * NOWHERE
        rivals = tf.reduce_logsumexp(products + hidden, 1, keepdims=True)  # [B, 1]
        own = tf.reduce_sum(user[:, None] * self.embed_items(candidates), -1)
        return tf.nn.softplus(rivals - own)

    def main_loss(self, outputs, labels, weights):
        """``train.loss`` of the liked targets."""
        liked = liked_targets(outputs, labels)
        return super().main_loss(outputs, labels, weights * liked[:, None])

    def losses(self, outputs, labels, weights):
        """The negative encoder's loss of the disliked targets, and the contrast of the liked ones."""
        if "contrast" not in outputs:
            return {}
        hp, liked = self.hp, liked_targets(outputs, labels)
        of_target = tf.concat([tf.ones_like(labels[:, :1]), tf.zeros_like(labels[:, 1:])], 1)
        opposed = {**outputs, "logits": outputs["negative_logits"]}
        kept = outputs.get("masked", weights) * (1.0 - liked)[:, None]
        negative = super().main_loss(opposed, of_target, kept)
        contrast = weighted_mean(outputs["contrast"][:, 0], weights[:, 0] * liked)
        return {
            "negative": (hp.negative_weight, negative),
            "contrast": (hp.contrast_weight, contrast),
        }


def disliked(history):
    """[B, T] ids of the disliked records, 0 elsewhere."""
    real = tf.cast(history["history_mask"], tf.int32)
    return history["history_items"] * real * (1 - history["history_labels"])


def liked_targets(outputs, labels):
    """[B] float, 1 where the target, column 0, was liked; its label where its feedback is unknown."""
    return outputs.get("target_labels", labels[:, 0])
