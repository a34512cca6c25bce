"""DFN: implicit and explicit, positive and negative feedback (Xie et al., IJCAI 2020).

Letters: B batch, T history, C candidates, D width; c click (liked), u unclick (skipped).

NOTE Deviations from the paper: of its three feedbacks (click, unclick, dislike) the harness's log has two:
liked is click, the strong positive one, disliked is unclick, the weak one; the third, its internal and its
external attention are left out. Its log loss with a weight a feedback is the harness's main loss, whose
targets have one kind. Only the behaviours, the item and their places are fields: there are no profiles. FM's
interactions go into the tower as a vector, behind its normalisation: sums over a history grow with it.
NOTE ``released_form`` is the release's form as far as it is recorded (RELEASED, its baselines): tanh
for the softmax, no external attention, FM or wide part. The block is that of its DFAR graph.
"""

from dfar_tf import layers
from dfar_tf.layers.attention.softmax import masked_softmax
from dfar_tf.layers.baselines.transformer import TransformerBlock, released_block
from dfar_tf.models.base import BaselineModel, ages, check_heads
from recommenders_utils.backend import tf

SIDES = (("unclick", 0), ("click", 1))


class DFN(BaselineModel):
    """A Transformer of candidate and sequence for each feedback, attention between them, wide and deep.

    ::

        f_y   = sum over positions of Transformer_y([v; e_1 .. e_n of feedback y])      y = c, u  internal
        f_uc  = sum_j softmax_j(f_c . e_j / sqrt(D)) e_j,  e_j the unclicked              external
        FM    = sum over pairs of x * x',    x in {v, f_c, f_u, f_uc}                    [D]
        wide  = w_v + sum of w over clicked items + sum of w over unclicked items
        logit = tower(v || f_c || f_u || f_uc || FM) + wide
    """

    title = "DFN"
    paper = "Xie et al., IJCAI 2020"
    feedback = "both: a sequence for each, the liked one attends to the disliked one"

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        self.position_embedding = self.embedding("position_embedding", hparams.max_seq_length)
        self.internal = {side: self._transformer("internal_" + side) for side, _ in SIDES}
        if not hparams.released_form:
            # One column each for the candidate, the unclicked and the clicked items.
            self.wide = self.add_weight(name="wide", shape=[num_items + 1, 3], initializer="zeros")

    @classmethod
    def check(cls, hparams):
        """H must divide D."""
        check_heads(hparams)

    def encode(self, history, training):
        """The embedded history [B, T, D], the masks of its feedbacks [B, T], its share of wide [B]."""
        seen = self.seen(history)
        mask, labels = seen["history_mask"], seen["history_labels"]
        embedded = self.embed_history(seen) + tf.gather(
            self.position_embedding, ages(mask, self.hp.max_seq_length)
        )
        state = {"history": embedded * mask[:, :, None]}
        wide = tf.zeros_like(mask[:, 0])
        for column, (side, label) in enumerate(SIDES):
            state[side] = mask * tf.cast(tf.equal(labels, label), tf.float32)
            if not self.hp.released_form:
                weights = tf.gather(self.wide[:, 1 + column], seen["history_items"])  # [B, T]
                wide += tf.reduce_sum(weights * state[side], 1)
        return {**state, "wide": wide}

    def score(self, state, candidates, training):
        """Everything but the embeddings sees the candidate."""
        target = self.embed_items(candidates)  # [B, C, D]
        fields = [target]
        for side, _ in SIDES:
            fields.append(self._internal(side, target, state, training))
        if self.hp.released_form:
            return {"logits": self.tower(tf.concat(fields, -1), training=training)}
        fields.append(self._external(fields[-1], state))
        fields.append(factorization_machine(fields))
        logits = self.tower(tf.concat(fields, -1), training=training)
        logits += tf.gather(self.wide[:, 0], candidates) + state["wide"][:, None]
        return {"logits": logits}

    def _internal(self, side, target, state, training):
        """[B, C, D]: the sum over [v; sequence] after the Transformer, padding left out."""
        count, width = tf.shape(target)[1], self.hp.hidden_size
        length = state["history"].shape.as_list()[1]
        length = tf.shape(state["history"])[1] if length is None else length
        kept = state["history"] * state[side][:, :, None]  # [B, T, D]
        sequence = tf.repeat(kept, count, axis=0)  # [B * C, T, D]
        first = tf.reshape(target, [-1, 1, width])
        joined = tf.reshape(tf.concat([first, sequence], 1), [-1, 1 + length, width])
        mask = tf.repeat(state[side], count, axis=0)  # [B * C, T]
        mask = tf.concat([tf.ones_like(mask[:, :1]), mask], 1)  # [B * C, 1 + T]
        block = self.internal[side]
        if self.hp.released_form:
            outputs = block(joined, mask)["output"]
        else:
            outputs = block(joined, mask, training=training)
        return tf.reshape(tf.reduce_sum(outputs * mask[:, :, None], 1), tf.shape(target))

    def _external(self, strong, state):
        """[B, C, D]: what the click interest finds among the unclicked; zeros if there is none."""
        keys = state["history"] * state["unclick"][:, :, None]  # [B, T, D]
        logits = tf.matmul(strong, keys, transpose_b=True) * self.hp.hidden_size**-0.5  # [B, C, T]
        weights = masked_softmax(logits, state["unclick"][:, None, :])
        return tf.matmul(weights, keys)

    def _transformer(self, name):
        hp = self.hp
        if hp.released_form:
            return released_block("multi_head", hp.num_heads, causal=False, name=name)
        width = hp.hidden_size // hp.num_heads
        attention = layers.MultiHeadAttention(
            hp.num_heads, width, dropout=hp.dropout, name="attention"
        )
        return TransformerBlock(attention, hp.dropout, name=name)


def factorization_machine(fields):
    """Second-order interactions (Rendle, ICDM 2010): list of [..., D] -> [..., D], summed over pairs."""
    stacked = tf.stack(fields)
    return 0.5 * (tf.square(tf.reduce_sum(stacked, 0)) - tf.reduce_sum(tf.square(stacked), 0))
