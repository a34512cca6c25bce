"""DIEN: interest extraction and evolution (Zhou et al., AAAI 2019).

Letters: B batch, T history, C candidates, D width.

NOTE Deviations from the paper: the history is one field of items; the tower of this harness scores in place
of the paper's MLP; the auxiliary loss is the paper's inner product (the authors' code has a network), the
mean over all pairs of a batch where Eq. 7 sums over a history's, so that long histories weigh no more, and
where the next record is one the user disliked, that record is its negative and there is no positive. Both
recurrences apply the reset gate before the product, as the authors' code does; Eq. 5 writes it after. That
code scales the gate that keeps the old state, so that an item without attention still replaces it; Eq. 16,
and we, scale the gate that lets the new one in.
"""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.attention.softmax import masked_softmax
from dfar_tf.layers.baselines.augru import AttentionalUpdateGRU
from dfar_tf.layers.baselines.recurrent import make_gru
from dfar_tf.losses import weighted_mean
from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf


class DIEN(BaselineModel):
    """A GRU under an auxiliary loss, then for each candidate an AUGRU over its states.

    ::

        h_t = GRU(e_1 .. e_t)
        L_aux = mean over t of  - y_{t+1} log s(h_t . e_{t+1}) - log(1 - s(h_t . n_{t+1}))   (7)
        a_t = softmax_t(h_t W v)                                                             (14)
        f   = AUGRU(h, a)                                                                    (16, 17)
        logit = tower(f || v)

    s is the logistic function; n_{t+1} is the record at t + 1 if the user disliked it, else a random other
    item. A history of one record has no auxiliary loss.
    """

    title = "DIEN"
    paper = "Zhou et al., AAAI 2019"
    feedback = "skips are the auxiliary loss's negatives; feedback_input shows it"
    published_output = "an MLP with Dice"
    scorers = ("tower",)

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        width = hparams.hidden_size
        self.extractor = make_gru(width, "extractor")
        self.evolution = AttentionalUpdateGRU(width, name="evolution")
        self.attention = self.add_weight(
            name="attention_kernel", shape=[width, width], initializer="glorot_uniform"
        )

    def encode(self, history, training):
        """The GRU's states [B, T, D], their mask, and in training the auxiliary loss of each row [B]."""
        history = self.seen(history)
        embedded = self.embed_history(history)  # [B, T, D]
        states = self.extractor(embedded)
        state = {"states": states, "mask": history["history_mask"]}
        if training:
            state["auxiliary"], state["pairs"] = self._auxiliary(states, history)
        return state

    def score(self, state, candidates, training):
        """Attention, evolution and tower of each candidate."""
        target = self.embed_items(candidates)  # [B, C, D]
        interest = self._interest(state, target)
        joined = tf.concat([interest, target], -1)
        outputs = {"logits": self.tower(joined, training=training)}
        for name in ("auxiliary", "pairs"):  # of the history: one number for all candidates
            if name in state:
                outputs[name] = state[name][:, None] + tf.zeros_like(outputs["logits"])
        return outputs

    def score_products(self, state, products):
        """The candidate's share of the tower's first layer is given."""
        if "tower" not in products:
            return super().score_products(state, products)
        rows = [tf.shape(state["mask"])[0], tf.shape(products["candidates"])[0]]
        target = self.embed_items(tf.broadcast_to(products["candidates"], rows))  # [B, C, D]
        return self.tower.call_products(products["tower"], own=self._interest(state, target))

    def _interest(self, state, target):
        keys = tf.tensordot(state["states"], self.attention, 1)  # [B, T, D]
        logits = tf.matmul(target, keys, transpose_b=True)  # [B, C, T]
        attention = masked_softmax(logits, state["mask"][:, None, :])
        return self.evolution(state["states"], attention)  # [B, C, D]

    def losses(self, outputs, labels, weights):
        """Eq. 7's auxiliary loss, the mean over positions that have a next one."""
        if "auxiliary" not in outputs:
            return {}
        mean = weighted_mean(outputs["auxiliary"], outputs["pairs"] * weights)
        return {"auxiliary": (self.hp.aux_weight, mean)}

    def _auxiliary(self, states, history):
        """Mean loss over the positions of each row that have a next one [B], and how many [B]."""
        items, mask = history["history_items"][:, 1:], history["history_mask"][:, 1:]
        liked = tf.cast(tf.equal(history["history_labels"][:, 1:], 1), tf.float32)  # [B, T - 1]
        before = states[:, :-1]  # [B, T - 1, D]
        negatives = tf.where(liked > 0, self._random_others(items), items)
        positive = tf.reduce_sum(before * self.embed_items(items), -1)
        negative = tf.reduce_sum(before * self.embed_items(negatives), -1)
        loss = liked * tf.nn.softplus(-positive) + tf.nn.softplus(negative)
        pairs = tf.reduce_sum(mask, 1)  # [B]
        return tf.math.divide_no_nan(tf.reduce_sum(loss * mask, 1), pairs), pairs

    def _random_others(self, items):
        # One draw among the others: those from the item's own id on are moved up by one.
        most = max(self.num_items, 2)
        drawn = draws.uniform(tf.shape(items), 1, most, tf.int32)
        moved = drawn + tf.cast(drawn >= items, tf.int32)
        return tf.minimum(moved, self.num_items)
