"""DFAR: dual-interest factorization-heads attention (WWW 2023), section 3 of the paper.

Letters: B batch, T history, C candidates, D width, H heads; P/N positive and negative feedback.

NOTE What the paper leaves open is a hyper-parameter of ``hparams/model_dfar.yaml``, argued there:
``position_embedding``, ``encoder_block``, ``pooling``, the MLPs' widths and the tower's normalisation.
"""

from dfar_tf import layers
from dfar_tf.layers.packing import front, take
from dfar_tf.losses import cosine_loss, tower_bpr_loss
from dfar_tf.models.base import SequentialModel, ages, check_heads
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


class DFAR(SequentialModel):
    """Feedback-aware encoding, dual-interest disentangling, dual-interest prediction.

    ::

        S   = FFHA(E^f, E^f, E^f),       E^f_j = E[i_j] + L[y_j]              (1, 10-12)
        S^P = FHA(S * y),                S^N = FHA(S * (1 - y))               (13, 14)
        f^P = pool(E_v + L_1, S^P),      f^N = pool(E_v + L_0, S^N)           (15-17)
        logit^P = MLP(s || s^P || f^P || (E_v + L_1)),  logit^N likewise      (19, 20)
        L + lambda_bpr L^BPR + lambda_d L^D                                   (18, 21-23)

    with s, s^P, s^N the sums of S, S^P, S^N over real positions. ``ablation`` takes one part out
    (Table 3): ``fha`` (MHA in its place, hence no label mask), ``mo`` (no label mask), ``idl``
    (lambda_d = 0), ``ibl`` (lambda_bpr = 0).
    """

    title = "DFAR"
    paper = "Lin et al., WWW 2023"
    feedback = "both: heads by feedback, an interest and a tower for each"

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = self.hp
        self.label_embedding = self.embedding("label_embedding", 2)
        if hp.position_embedding:
            self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        sizes = {"num_heads": hp.num_heads, "key_dim": hp.hidden_size // hp.num_heads}
        plain = (
            layers.MultiHeadAttention
            if hp.ablation == "fha"
            else layers.FactorizationHeadsAttention
        )
        self.masked = _masked(hp)
        if self.masked:
            attention = layers.FeedbackAwareFactorizationHeadsAttention(
                mask_mode=hp.mask_mode, dropout=hp.dropout, name="encoder", **sizes
            )
        else:
            attention = plain(dropout=hp.dropout, name="encoder", **sizes)
        self.encoder = layers.AttentionBlock(attention, hp.encoder_block, name="encoder_block")
        self.decouplers, self.aggregations, self.towers = {}, {}, {}
        for side in ("negative", "positive"):
            block = plain(dropout=hp.dropout, name="decoupler_" + side, **sizes)
            self.decouplers[side] = layers.AttentionBlock(
                block, hp.encoder_block, name="decoupler_block_" + side
            )
            self.aggregations[side] = layers.InterestAggregation(
                hp.aggregation_layers, hp.activation, name="aggregation_" + side
            )
            self.towers[side] = layers.NormalizedTower(
                hp.tower_layers, hp.tower_norm, hp.activation, hp.dropout, name="tower_" + side
            )

    @classmethod
    def check(cls, hparams):
        """H must divide D, and be even where the label mask gives each feedback half of the heads."""
        check_heads(hparams)
        if _masked(hparams) and hparams.num_heads % 2:
            raise UserError(
                f"num_heads: {hparams.num_heads} is odd; the label mask needs half of the heads for each "
                "feedback. Give an even number, or --ablation=mo for no label mask."
            )

    def encode(self, history, training):
        """Eqs. 1 and 12-14: each side's sequence [B, S, D], its sum [B, D] and mask [B, S]."""
        mask, labels, inputs, extra = self._inputs(history)
        encoded = self.encoder(inputs, mask, training, **extra)  # [B, T, D]
        state = {"sum": self._pool(encoded, mask)}
        for side, of_side in (("negative", 1.0 - labels), ("positive", labels)):
            # Records of the other side are neither queries nor keys: what is left of them is padding.
            index, side_mask = front(mask * of_side)  # [B, S], S records of this side at most
            packed = take(encoded, index) * side_mask[:, :, None]  # [B, S, D]
            own = self.decouplers[side](packed, side_mask, training)
            state[side] = own  # [B, S, D]
            state[side + "_mask"] = side_mask
            state[side + "_sum"] = self._pool(own, side_mask)  # [B, D]
        return state

    def head_attention(self, history):
        """The encoder's attention weights (Eq. 11): [B, H, H, T, T], query head and item first.

        Args:
          history: as of ``encode``.
        """
        mask, _, inputs, extra = self._inputs(history)
        return self.encoder.attention_scores(inputs, mask, **extra)

    def score(self, state, candidates, training):
        """Eqs. 15-17, 19, 20: one logit a tower; the positive tower's is the prediction."""
        target = self.embed_items(candidates)  # [B, C, D]
        outputs = {}
        for side, label in (("negative", 0), ("positive", 1)):
            query = target + self.label_embedding[label]  # [B, C, D]
            interest = self.aggregations[side](query, state[side], state[side + "_mask"])
            shared = tf.concat([state["sum"], state[side + "_sum"]], -1)  # [B, 2 D]
            own = tf.concat([interest, query], -1)  # [B, C, 2 D]
            outputs[side + "_logits"] = self.towers[side](shared, own, training)  # [B, C]
            outputs[side + "_interest"] = interest
        outputs["logits"] = outputs["positive_logits"]
        return outputs

    def losses(self, outputs, labels, weights):
        """Eqs. 21 and 18 with their weights of Eq. 23."""
        hp = self.hp
        bpr = tower_bpr_loss(
            outputs["positive_logits"], outputs["negative_logits"], labels, weights
        )
        cosine = cosine_loss(outputs["positive_interest"], outputs["negative_interest"], weights)
        return {
            "bpr": (0.0 if hp.ablation == "ibl" else hp.lambda_bpr, bpr),
            "disentangle": (0.0 if hp.ablation == "idl" else hp.lambda_d, cosine),
        }

    def _inputs(self, history):
        """Mask and labels [B, T], E^f [B, T, D] and what the encoder's attention takes beside it."""
        mask = history["history_mask"]  # [B, T]
        labels = tf.cast(history["history_labels"], tf.float32)  # [B, T]
        inputs = self.embed_items(history["history_items"])
        inputs += tf.gather(self.label_embedding, history["history_labels"])
        if self.hp.position_embedding:
            # Counted from the newest item, so that "just before the target" is one and the same row.
            inputs += tf.gather(self.position_embedding, ages(mask, self.hp.max_seq_length))
        inputs *= mask[:, :, None]  # [B, T, D]
        return mask, labels, inputs, {"labels": labels} if self.masked else {}

    def _pool(self, sequence, mask):
        total = tf.reduce_sum(sequence * mask[:, :, None], 1)  # [B, D]
        if self.hp.pooling == "sum":
            return total
        return tf.math.divide_no_nan(total, tf.reduce_sum(mask, 1, keepdims=True))


def _masked(hparams):
    return hparams.ablation not in ("fha", "mo")
