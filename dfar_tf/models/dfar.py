"""DFAR: dual-interest factorization-heads attention (WWW 2023), in the order of section 3 of the paper.

Letters: B batch, T history, S records of one feedback at most, C candidates, D width, H heads;
P/N positive and negative feedback.

NOTE What the paper leaves open is a hyper-parameter in ``hparams/model_dfar.yaml``, with the reason
for our choice:
``position_embedding``, ``encoder_block``, ``pooling``, the MLPs' widths and the tower's normalisation.
"""

from dfar_tf import layers
from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.baselines.recurrent import last_real
from dfar_tf.layers.histories import ages
from dfar_tf.layers.packing import packed
from dfar_tf.layers.prefix_sums import running_sum
from dfar_tf.layers.shared_candidates import tower_of_shared
from dfar_tf.losses import cosine_loss, tower_bpr_loss
from dfar_tf.models.base import SequentialModel, check_heads
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

SIDES = (("negative", 0), ("positive", 1))


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

    With ``causal`` a record attends to itself and earlier ones in Eqs. 2-14. All else is written in sums
    and softmaxes over the history, so that its value for a history's first t records is a running sum:
    every position trains in one pass (``positions: all``), as the same model on that prefix.
    With ``scorer: dot`` the towers are products: logit^P = <W [s || s^P] + f^P, E_v + L_1>; with
    ``dot_residual`` s is added, so that a state near the next item's embedding needs no W. With no
    ``aggregation_layers`` besides, f^P and f^N are one for all candidates and so is all that meets them.
    """

    title = "DFAR"
    paper = "Lin et al., WWW 2023"
    feedback = "both: heads by feedback, an interest and a tower for each"
    scorers = ("tower", "dot")
    trained_positions = ("last", "all")

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = self.hp
        self.label_embedding = self.embedding("label_embedding", self.levels)
        if hp.position_embedding:
            self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        self.masked = _masked(hp)
        self.dot = hp.values().get("scorer") == "dot"  # older runs lack the key
        fha, encoder = layers.FactorizationHeadsAttention, {}
        if hp.ablation == "fha":
            fha = layers.MultiHeadAttention
        ffha = fha
        if self.masked:
            ffha = layers.FeedbackAwareFactorizationHeadsAttention
            encoder["mask_mode"] = hp.mask_mode
        self.encoder = self._block(ffha, "encoder", **encoder)
        self.embed_dropout = hp.dropout if _causal(hp) else 0.0
        self.decouplers, self.aggregations, self.towers = {}, {}, {}
        for side, _ in SIDES:
            self.decouplers[side] = self._block(fha, "decoupler", "_" + side)
            self.aggregations[side] = layers.InterestAggregation(
                hp.aggregation_layers, hp.activation, name="aggregation_" + side
            )
            if self.dot:
                name = "dense_user_" + side
                self.towers[side] = tf.keras.layers.Dense(hp.hidden_size, name=name)
            else:
                self.towers[side] = layers.NormalizedTower(
                    hp.tower_layers, hp.tower_norm, hp.activation, hp.dropout, name="tower_" + side
                )

    def _block(self, attention, name, side="", **kwargs):
        if _causal(self.hp):
            kwargs["causal"] = True
        attention = self.attention_layer(attention, name + side, **kwargs)
        return layers.AttentionBlock(attention, self.hp.encoder_block, name=f"{name}_block{side}")

    @classmethod
    def check(cls, hparams):
        """H must divide D, and be even where the label mask gives each feedback half of the heads."""
        check_heads(hparams)
        if _masked(hparams) and hparams.num_heads % 2:
            raise UserError(
                f"num_heads: {hparams.num_heads} is odd; the label mask needs half of the heads for each "
                "feedback. Give an even number, or --ablation=mo for no label mask."
            )
        if _observed_bpr(hparams):
            _check_observed_bpr(hparams.values())
        if hparams.values().get("positions") == "all" and not _causal(hparams):
            raise UserError(
                "positions: all trains every position of a sequence in one pass, for which DFAR's attention "
                "must not see later records. Give --causal=true, or --positions=last."
            )

    # 3.1 Feedback-aware encoding, and of 3.2 what needs no candidate.

    def embed_history(self, history):
        """E^f, and 0 at padding: [B, T, D]."""
        mask = history["history_mask"]  # [B, T]
        inputs = self.embed_items(history["history_items"])
        if self.hp.values().get("scale_embeddings"):  # older runs lack the key
            inputs *= self.hp.hidden_size**0.5
        # Eq. 1
        inputs += self.embed_labels(history)
        if self.hp.position_embedding:
            # Counted from the newest item, so that "just before the target" is always the same row.
            inputs += tf.gather(self.position_embedding, ages(mask, self.hp.max_seq_length))
        return inputs * mask[:, :, None]

    def encode(self, history, training):
        """The sum of S [B, D]; of each feedback the sequence [B, S, D], its mask [B, S], its sum [B, D]."""
        mask = history["history_mask"]
        encoded, labels = self._encoded(history, training)
        state = {"sum": self._pool(encoded, mask)}
        for side, _ in SIDES:
            own, own_mask, _ = self._of_side(encoded, mask, labels, side, training)
            state[side], state[side + "_mask"] = own, own_mask
            state[side + "_sum"] = self._pool(own, own_mask)
        return state

    def encode_positions(self, history, at, training):
        """``encode`` of the prefix that ends at each of ``at``, and the whole for ``score_shared``."""
        mask = history["history_mask"]
        encoded, labels = self._encoded(history, training)
        rows = at[:, 0]
        state = {"sum": self._pool_prefix(encoded, at), "rows": rows}
        for side, _ in SIDES:
            own, own_mask, kept = self._of_side(encoded, mask, labels, side, training)
            counts = tf.cast(tf.gather_nd(tf.cumsum(kept, 1), at), tf.int32)  # [N]
            state[side] = tf.gather(own, rows)  # [N, S, D]
            state[side + "_mask"] = tf.sequence_mask(counts, tf.shape(own)[1], tf.float32)
            last = tf.stack([rows, tf.maximum(counts - 1, 0)], 1)
            some = tf.cast(counts > 0, tf.float32)[:, None]
            state[side + "_sum"] = self._pool_prefix(own, last) * some
            state[side + "_whole"] = own, own_mask, counts
        return state

    def _encoded(self, history, training):
        """S [B, T, D], and the labels as numbers [B, T]."""
        mask = history["history_mask"]  # [B, T]
        labels = tf.cast(history["history_labels"], tf.float32)  # [B, T]
        inputs = draws.dropout(self.embed_history(history), self.embed_dropout, training)
        # Eq. 12
        return self.encoder(inputs, mask, training, **self._feedback(labels)), labels

    def _of_side(self, encoded, mask, labels, side, training):
        """Of one feedback: the sequence [B, S, D], its mask [B, S], which records are of it [B, T]."""
        of_side, kept = self.decouple(encoded, mask, labels, side)
        own, own_mask = packed(of_side, kept)  # [B, S, D], [B, S]
        # Eq. 14
        return self.decouplers[side](own, own_mask, training), own_mask, kept

    @staticmethod
    def decouple(encoded, mask, labels, side):
        """S * y for the positive side, S * (1 - y) for the negative: [B, T, D], and where it is real [B, T].

        Records of the other side are neither queries nor keys any more: what is left of them is padding.
        """
        # Eq. 13
        of_side = labels if side == "positive" else 1.0 - labels
        kept = mask * of_side
        return encoded * kept[:, :, None], kept

    def head_attention(self, history):
        """The encoder's attention weights (Eq. 11): [B, H, H, T, T], query head and item first.

        Args:
          history: as of ``encode``.
        """
        mask, inputs = history["history_mask"], self.embed_history(history)
        labels = tf.cast(history["history_labels"], tf.float32)
        return self.encoder.attention_scores(inputs, mask, **self._feedback(labels))

    # 3.2 Dual-interest aggregation, and 3.3 dual-interest prediction.

    def score(self, state, candidates, training):
        """One logit a tower; the positive tower's is the prediction. Eqs. 15-17 are the aggregation's."""
        target = self.embed_items(candidates)  # [B, C, D]
        outputs = {}
        for side, label in SIDES:
            query = target + self.side_embedding(label)  # [B, C, D]
            interest = self.aggregations[side](query, state[side], state[side + "_mask"])
            if not self.aggregations[side].candidate_aware:
                interest += tf.zeros_like(query)  # [B, C, D]
            # Eqs. 19, 20
            if self.dot:
                user = self._user(side, state)[:, None]  # [B, 1, D]
                outputs[side + "_logits"] = tf.reduce_sum((user + interest) * query, -1)
            else:
                shared = tf.concat([state["sum"], state[side + "_sum"]], -1)  # [B, 2 D]
                own = tf.concat([interest, query], -1)  # [B, C, 2 D]
                outputs[side + "_logits"] = self.towers[side](shared, own, training)  # [B, C]
            outputs[side + "_interest"] = interest
        outputs["logits"] = outputs["positive_logits"]
        return outputs

    def score_shared(self, state, candidates, shared, training):
        """``score``; of the shared candidates, Eq. 15 and the towers read each once and not once a row."""
        targets, others = self.embed_items(candidates), self.embed_items(shared)
        outputs = {}
        for side, label in SIDES:
            own = targets + self.side_embedding(label)  # [N, C, D]
            query = others + self.side_embedding(label)  # [K, D]
            aggregation = self.aggregations[side]
            own_interest = aggregation(own, state[side], state[side + "_mask"])  # makes the weights
            interest = aggregation.of_prefixes(query, *self._whole(state, side))  # [N, K, D]
            if self.dot and not aggregation.candidate_aware:
                user = self._user(side, state) + interest[:, 0]
                outputs[side + "_interest"] = interest  # [N, 1, D]
                of_own = tf.reduce_sum(user[:, None] * own, -1)
                of_others = tf.matmul(user, query, transpose_b=True)
                outputs[side + "_logits"] = tf.concat([of_own, of_others], 1)
                continue
            if not aggregation.candidate_aware:
                own_interest, interest = (
                    own_interest + tf.zeros_like(own),
                    interest + tf.zeros_like(query),
                )
            if self.dot:
                user = self._user(side, state)
                of_own = tf.reduce_sum((user[:, None] + own_interest) * own, -1)
                of_others = tf.matmul(user, query, transpose_b=True)
                of_others += tf.reduce_sum(interest * query, -1)
                logits = tf.concat([of_own, of_others], 1)
            else:
                user = tf.concat([state["sum"], state[side + "_sum"]], -1)  # [N, 2 D]
                parts = (own_interest, own), (interest, query)
                logits = tower_of_shared(self.towers[side], user, *parts, training)
            outputs[side + "_logits"] = logits
            outputs[side + "_interest"] = tf.concat([own_interest, interest], 1)
        outputs["logits"] = outputs["positive_logits"]
        return outputs

    def _user(self, side, state):
        """What the product of a side has beside the interest: [B, D]."""
        user = self.towers[side](tf.concat([state["sum"], state[side + "_sum"]], -1))
        # Older runs lack the key.
        return user + state["sum"] if self.hp.values().get("dot_residual") else user

    @staticmethod
    def _whole(state, side):
        """sequence, mask, rows and counts of ``of_prefixes``: of prefixes, or of whole histories."""
        if "rows" in state:
            sequence, mask, counts = state[side + "_whole"]
            return sequence, mask, state["rows"], counts
        mask = state[side + "_mask"]
        counts = tf.cast(tf.reduce_sum(mask, 1), tf.int32)
        return state[side], mask, tf.range(tf.shape(mask)[0]), counts

    def products(self, candidates):
        """The first layers of the positive side's aggregation and tower on E_v + L_1."""
        aggregation, tower = self.aggregations["positive"], self.towers["positive"]
        query = self.embed_items(candidates) + self.side_embedding(1)  # [C, D]
        if self.dot and not aggregation.candidate_aware:
            return {"query": query}
        if self.dot:
            return {"aggregation": aggregation.candidate_products(query), "query": query}
        if not tower.separable or not aggregation.candidate_aware:
            return super().products(candidates)
        return {
            "aggregation": aggregation.candidate_products(query),
            "tower": tower.candidate_products(query),
        }

    def score_products(self, state, products):
        """The positive tower's logits, the prediction."""
        aggregation, records = (
            self.aggregations["positive"],
            (state["positive"], state["positive_mask"]),
        )
        if self.dot and not aggregation.candidate_aware:
            query = products["query"]  # [C, D]
            user = self._user("positive", state) + aggregation(query[None], *records)[:, 0]
            return tf.matmul(user, query, transpose_b=True)
        if "aggregation" not in products:
            return super().score_products(state, products)
        interest = aggregation.call_products(products["aggregation"], *records)
        if self.dot:
            query = products["query"]  # [C, D]
            logits = tf.matmul(self._user("positive", state), query, transpose_b=True)
            return logits + tf.reduce_sum(interest * query, -1)
        shared = tf.concat([state["sum"], state["positive_sum"]], -1)  # [B, 2 D]
        return self.towers["positive"].call_products(products["tower"], shared, interest)

    # 3.4 Joint optimisation.

    def losses(self, outputs, labels, weights):
        """L^BPR and L^D with their weights; L is ``main_loss``, lambda is ``embed_l2``."""
        hp = self.hp
        interests = outputs["positive_interest"], outputs["negative_interest"]
        # Eq. 23, whose terms the estimator's ``loss_terms`` adds up.
        return {
            "bpr": (
                0.0 if hp.ablation == "ibl" else hp.lambda_bpr,
                self._bpr(outputs, labels, weights),
            ),
            "disentangle": (
                0.0 if hp.ablation == "idl" else hp.lambda_d,
                cosine_loss(*interests, weights),
            ),
        }

    def _bpr(self, outputs, labels, weights):
        """L^BPR over all candidates with their training labels, or over the observed targets alone."""
        towers = outputs["positive_logits"], outputs["negative_logits"]
        if _observed_bpr(self.hp) and "target_labels" in outputs:  # only training batches have them
            towers = [logits[:, :1] for logits in towers]
            labels = outputs["target_labels"][:, None]
            weights = tf.ones_like(labels)
        return tower_bpr_loss(*towers, labels, weights)

    def _feedback(self, labels):
        """What the encoder's attention takes beside its input."""
        return {"labels": labels} if self.masked else {}

    def _pool(self, sequence, mask):
        if self.hp.pooling == "last":
            return last_real(sequence, mask)
        total = tf.reduce_sum(sequence * mask[:, :, None], 1)  # [B, D]
        if self.hp.pooling == "sum":
            return total
        return tf.math.divide_no_nan(total, tf.reduce_sum(mask, 1, keepdims=True))

    def _pool_prefix(self, sequence, at):
        """``_pool`` of the records up to each of ``at`` [N, 2]: [N, D]."""
        if self.hp.pooling == "last":
            return tf.gather_nd(sequence, at)
        total = tf.gather_nd(running_sum(sequence), at)
        if self.hp.pooling == "sum":
            return total
        return total / tf.cast(at[:, 1:] + 1, tf.float32)


def _causal(hparams):
    return hparams.values().get("causal", False)  # older runs lack the key


def _masked(hparams):
    return hparams.ablation not in ("fha", "mo")


def _observed_bpr(hparams):
    return hparams.values().get("bpr_labels") == "feedback"  # older runs lack the key


def _check_observed_bpr(values):
    """Raises UserError where no batch has a disliked target, or none knows its feedback."""
    if values.get("train_targets") == "positive" and values.get("dislike_loss", "none") == "none":
        raise UserError(
            "bpr_labels: feedback sets liked against disliked targets, but train_targets: positive leaves "
            "the disliked ones out. Give --train_targets=all or feedback, or --bpr_labels=train."
        )
    if not values.get("share_history", True):
        raise UserError(
            "share_history: false repeats a history for each candidate, but bpr_labels: feedback reads the "
            "target of each history. Leave share_history out, or give --bpr_labels=train."
        )
