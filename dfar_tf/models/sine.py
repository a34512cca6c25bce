"""SINE: sub-interests from passive-negative feedback (RecSys 2023).

Not the 2021 Sparse-Interest network of the same name. Letters: B batch, T history, C candidates, D width,
K sub-interests.

NOTE Deviations from the paper: an instance trains its last position only, since in this harness every
next record is an instance of its own: ``pos`` is the target, ``neg`` the harness's negatives, ``fb`` the
record right before the target if the user skipped it. ``l2 * norm(E)`` is the harness's ``embed_l2``, and
Adam has TensorFlow's betas. Positions are counted from the newest positive, which in a right-padded
history is what the paper's left-padded positions are. In w . [z_k ; v] + b the terms of v and b are the
same for all k and leave the softmax as it is: w has only the D numbers of z_k.

The intent filter is the published one, off by default: on keys whose intent, argmax_k (<e, u_k> - <fb, u_k>),
is the query's, which is that of the next liked item; for the newest query, of the target. Published dropout
is also after the attention and in the blocks' networks: ``block_dropout``, off by default.
"""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.baselines.recurrent import last_real
from dfar_tf.layers.baselines.sub_interests import (
    IntentFilteredAttention,
    distance_correlation,
    intents,
    sub_interest_states,
)
from dfar_tf.layers.histories import ages, compact
from dfar_tf.losses import weighted_mean
from dfar_tf.models.base import SequentialModel, check_heads
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

LIKED = ("history_items", "skipped", "history_mask")


class SINE(SequentialModel):
    """A causal encoder of the positives, K gated copies of its last state, and their fusion.

    ::

        s = (E[x] sqrt(D) + P) m
        Q = LN(s);  s = LN(Q + attend(Q, s, s));  s = (s + FFN(s)) m         twice; h = LN(s)
        z_k = h + sigmoid(h * u_k) * h,      s_k = <z_k, v>
        score = sum_k softmax_k(w . z_k) s_k;   not adaptive: sum_k s_k
        L = mean softplus(-(score(pos) - score(neg))) + mean over fb softplus(-(score(pos) - score(fb)))
            + w_dcor sum_{i<j} dCor(u_i, u_j)

    Not adaptive, the passive logit is max_k (s_k(pos) - s_k(fb)). A history without a positive has h = 0.
    """

    title = "SINE"
    paper = "RecSys 2023 (passive-negative sub-interests)"
    feedback = "liked items are the history; the skip before a target is its negative"

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = hparams
        self.position_embedding = self.embedding("position_embedding", hp.max_seq_length)
        make = lambda name, shape: self.add_weight(  # noqa: E731
            name=name, shape=shape, initializer="glorot_uniform"
        )
        self.vectors = make("sub_interests", [hp.num_sub_interests, hp.hidden_size])
        self.fusion = make("fusion_kernel", [hp.hidden_size, 1]) if hp.adaptive else None
        dense, norm = tf.keras.layers.Dense, tf.keras.layers.LayerNormalization
        self.blocks = []
        for i in range(hp.num_blocks):
            parts = {
                "attention": self.attention_layer(
                    IntentFilteredAttention, f"attention_{i}", causal=True
                ),
                "norm_query": norm(epsilon=1e-8, name=f"norm_query_{i}"),
                "norm_middle": norm(epsilon=1e-8, name=f"norm_middle_{i}"),
                "inner": dense(hp.hidden_size, activation="relu", name=f"dense_inner_{i}"),
                "outer": dense(hp.hidden_size, name=f"dense_outer_{i}"),
            }
            for name, part in parts.items():
                setattr(self, f"{name}_{i}", part)  # for Keras to find its variables
            self.blocks.append(parts)
        self.norm = norm(epsilon=1e-8, name="norm")

    @classmethod
    def check(cls, hparams):
        """H must divide D, K be 2 or more, and the loss its own."""
        check_heads(hparams)
        if hparams.num_sub_interests < 2:
            raise UserError(f"num_sub_interests: {hparams.num_sub_interests}, expected 2 or more.")
        if hparams.loss != "bpr":
            raise UserError(
                f"loss: {hparams.loss!r}, but SINE trains with its own loss, of pairs. Leave out --loss, or "
                "give --loss=bpr."
            )
        if hparams.intent_filter != 1.0 and not hparams.share_history:
            raise UserError(
                "share_history: false repeats a history for each candidate, but intent_filter reads the "
                "target of each history. Leave share_history out, or give --intent_filter=1."
            )

    def encode(self, history, training):
        """The sub-interests' states [B, K, D], and the skip before the target: its id, whether it is.

        With the intent filter, which needs the target too, the liked records [B, T] in their place.
        """
        items, labels, mask = (
            history[name] for name in ("history_items", "history_labels", "history_mask")
        )
        skips = items * tf.cast(mask, tf.int32) * (1 - labels)  # [B, T], 0 where there is none
        before = tf.concat([tf.zeros_like(skips[:, :1]), skips[:, :-1]], 1)
        liked = compact(
            {**history, "skipped": before}, tf.equal(labels, 1), ("history_items", "skipped")
        )
        newest = mask * tf.cast(tf.equal(ages(mask, self.hp.max_seq_length), 0), tf.float32)
        skipped = tf.reduce_sum(skips * tf.cast(newest, tf.int32), 1)  # [B]
        there = tf.reduce_sum(newest * (1.0 - tf.cast(labels, tf.float32)), 1)
        state = {"skipped": skipped, "there": there}
        if training and self.hp.intent_filter != 1.0:
            return {**state, **{f"liked_{name}": value for name, value in liked.items()}}
        return {**state, "interests": self._interests(liked, None, training)}

    def score(self, state, candidates, training):
        """The inference formula, and of each candidate the loss against the skip before the target."""
        interests = state.get("interests")  # [B, K, D]
        if interests is None:
            liked = {name: state["liked_" + name] for name in LIKED}
            factor = self._intent_factor(liked, candidates[:, 0], state)
            interests = self._interests(liked, factor, training)
        target = self.embed_items(candidates)  # [B, C, D]
        skipped = self.embed_items(state["skipped"])[:, None]  # [B, 1, D]
        if self.hp.adaptive:
            share = tf.nn.softmax(tf.tensordot(interests, self.fusion, 1), 1)  # [B, K, 1]
            fused = tf.reduce_sum(share * interests, 1)[:, :, None]  # [B, D, 1]
            logits = tf.matmul(target, fused)[:, :, 0]
            margin = logits - tf.matmul(skipped, fused)[:, :, 0]  # [B, C]
        else:
            scores = tf.matmul(target, interests, transpose_b=True)  # [B, C, K]
            logits = tf.reduce_sum(scores, -1)
            of_skipped = tf.matmul(skipped, interests, transpose_b=True)  # [B, 1, K]
            margin = tf.reduce_max(scores - of_skipped, -1)
        passive = tf.nn.softplus(-margin)
        there = state["there"][:, None] + tf.zeros_like(logits)
        return {"logits": logits, "passive": passive, "passive_there": there}

    def products(self, candidates):
        """Their embeddings."""
        return {"target": self.embed_items(candidates)}

    def score_products(self, state, products):
        """A product of the fused interest, or of the sum of the interests, and each candidate."""
        interests = state["interests"]  # [B, K, D]
        if self.hp.adaptive:
            interests *= tf.nn.softmax(tf.tensordot(interests, self.fusion, 1), 1)
        return tf.matmul(tf.reduce_sum(interests, 1), products["target"], transpose_b=True)

    def losses(self, outputs, labels, weights):
        """The passive-negative loss over targets with a skip before them, and the independence."""
        real = labels * weights * outputs["passive_there"]
        terms = {"passive": (self.hp.passive_weight, weighted_mean(outputs["passive"], real))}
        count = self.hp.num_sub_interests
        pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
        total = sum(distance_correlation(self.vectors[i], self.vectors[j]) for i, j in pairs)
        return {**terms, "distance_correlation": (self.hp.dcor_weight, total)}

    def _interests(self, liked, factor, training):
        """[B, K, D]: the sub-interests' gated copies of the encoder's last state."""
        mask, dropout = liked["history_mask"], self.hp.values().get("block_dropout", 0.0)
        embedded = self.embed_items(liked["history_items"])  # [B, T, D]
        positions = tf.gather(self.position_embedding, ages(mask, self.hp.max_seq_length))
        states = embedded * self.hp.hidden_size**0.5 + positions
        states = draws.dropout(states, self.hp.dropout, training) * mask[:, :, None]
        for parts in self.blocks:
            query = parts["norm_query"](states)
            attended = parts["attention"](query, states, mask, factor, training=training)
            states = parts["norm_middle"](query + draws.dropout(attended, dropout, training))
            inner = draws.dropout(parts["inner"](states), dropout, training)
            states += draws.dropout(parts["outer"](inner), dropout, training)
            states *= mask[:, :, None]
        return sub_interest_states(last_real(self.norm(states), mask), self.vectors)

    def _intent_factor(self, liked, target, state):
        """[B, T, T]: ``intent_filter`` where a key's intent is that of the query's next liked item."""
        mask = liked["history_mask"]
        newest = tf.cast(tf.equal(ages(mask, self.hp.max_seq_length), 0), tf.int32)  # [B, T]

        def following(values, last):
            """Each record's next value, ``last`` [B] behind the newest."""
            moved = tf.concat([values[:, 1:], tf.zeros_like(values[:, :1])], 1)
            return moved * (1 - newest) + last[:, None] * newest

        def intent(items, skips):
            there = tf.cast(skips > 0, tf.float32)
            return intents(self.embed_items(items), self.embed_items(skips), there, self.vectors)

        items, skips = liked["history_items"], liked["skipped"]
        of_key = intent(items, skips)  # [B, T]
        of_query = intent(following(items, target), following(skips, state["skipped"]))
        same = tf.cast(tf.equal(of_query[:, :, None], of_key[:, None, :]), tf.float32)
        return 1.0 + (self.hp.intent_filter - 1.0) * same
