"""DFN: implicit and explicit, positive and negative feedback (Xie et al., IJCAI 2020).

Letters: B batch, T history, S most records of one feedback, C candidates, D width; c click (liked),
u unclick (skipped).

NOTE Deviations from the paper: of its three feedbacks (click, unclick, dislike) the harness's log has two:
liked is click, the strong positive one, disliked is unclick, the weak one; the third, its internal and its
external attention are left out. Its log loss with one weight per feedback is replaced by the
harness's main loss, whose targets have one kind. Only the behaviours, the item and their places are
fields: there are no profiles. FM's interactions go into the tower as a vector, behind its normalisation:
sums over a history grow with it; the authors' code adds up FM, wide part and an MLP of 32 and 16 units.

The external attention is the authors' (``external_attention: mlp``); ``product`` is a scaled product in its
place. Their Transformers differ from ours: 4 heads, each scaled by 1/sqrt(D) and not by its own width,
without an output projection; no residual and no layer norm; a feed-forward layer of 4 D units (ours: D);
positions joined to the items and projected, not added; padded places summed with the others, which here
are left out. Their wide part has no weights for the history's items.
"""

from dfar_tf import layers
from dfar_tf.layers.attention.softmax import masked_softmax
from dfar_tf.layers.baselines.activation_unit import LocalActivationUnit
from dfar_tf.layers.blocks import TransformerBlock
from dfar_tf.layers.histories import ages
from dfar_tf.layers.packing import packed
from dfar_tf.layers.shapes import size_of
from dfar_tf.models.base import check_heads
from dfar_tf.models.baseline import BaselineModel
from recommenders_utils.backend import tf

SIDES = (("unclick", 0), ("click", 1))
EXTERNAL_UNITS = 32


class DFN(BaselineModel):
    """A Transformer of candidate and sequence for each feedback, attention between them, wide and deep.

    ::

        f_y   = sum over positions of Transformer_y([v; e_1 .. e_n of feedback y])      y = c, u  internal
        f_uc  = sum_j softmax_j(MLP[f_c, e_j, f_c - e_j, f_c * e_j] / sqrt(D)) e_j,
                e_j the unclicked, 32 hidden units, ReLU                                  external
        FM    = sum over pairs of x * x',    x in {v, f_c, f_u, f_uc}                    [D]
        wide  = w_v + sum of w over clicked items + sum of w over unclicked items
        logit = tower(v || f_c || f_u || f_uc || FM) + wide
    """

    title = "DFN"
    paper = "Xie et al., IJCAI 2020"
    feedback = "both: a sequence for each, the liked one attends to the disliked one"
    pairs = 4096  # each of them has a sequence
    published_output = "FM, deep and wide parts added up"
    scorers = ("tower",)

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        self.position_embedding = self.embedding("position_embedding", hparams.max_seq_length)
        self.internal = {side: self.make_block("internal_" + side) for side, _ in SIDES}
        self.make_external()
        self.make_wide()

    @classmethod
    def check(cls, hparams):
        """H must divide D."""
        check_heads(hparams)

    def make_block(self, name):
        """The Transformer of one feedback: [B, T, D], mask [B, T] -> [B, T, D]."""
        attention = self.attention_layer(layers.MultiHeadAttention, "attention")
        return TransformerBlock(attention, self.hp.dropout, name=name)

    def make_external(self):
        """The external attention's MLP, or nothing for the scaled product, as in runs older than the key."""
        hp = self.hp
        self.external = None
        if hp.values().get("external_attention") == "mlp":
            self.external = LocalActivationUnit(
                [EXTERNAL_UNITS], "relu", True, hp.hidden_size**-0.5, name="external"
            )

    def make_wide(self):
        """The weights of the wide part: a column each for the candidate, unclicked and clicked items."""
        shape = [self.num_items + 1, 3]
        self.wide = self.add_weight(name="wide", shape=shape, initializer="zeros")

    def encode(self, history, training):
        """The embedded history [B, T, D], the masks of its feedbacks [B, T], its share of wide [B]."""
        state, items = self.embedded(history)
        for column, (side, _) in enumerate(SIDES):
            weights = tf.gather(self.wide[:, 1 + column], items)  # [B, T]
            state["wide"] += tf.reduce_sum(weights * state[side], 1)
        return state

    def embedded(self, history):
        """``encode``'s dict, its share of wide still 0, and the item ids that were seen [B, T]."""
        seen = self.seen(history)
        mask, labels = seen["history_mask"], seen["history_labels"]
        embedded = self.embed_history(seen) + tf.gather(
            self.position_embedding, ages(mask, self.hp.max_seq_length)
        )
        state = {"history": embedded * mask[:, :, None], "wide": tf.zeros_like(mask[:, 0])}
        for side, label in SIDES:
            state[side] = mask * tf.cast(tf.equal(labels, label), tf.float32)
        return state, seen["history_items"]

    def score(self, state, candidates, training):
        """Everything but the embeddings sees the candidate."""
        fields = self.internal_fields(candidates, state, training)
        fields.append(self._external(fields[-1], state))
        fields.append(factorization_machine(fields))
        logits = self.tower(tf.concat(fields, -1), training=training)
        logits += tf.gather(self.wide[:, 0], candidates) + state["wide"][:, None]
        return {"logits": logits}

    def internal_fields(self, candidates, state, training):
        """v, f_u and f_c: three of [B, C, D]."""
        target = self.embed_items(candidates)  # [B, C, D]
        return [target, *(self._internal(side, target, state, training) for side, _ in SIDES)]

    def transformed(self, block, inputs, mask, training):
        """[B, T, D] and its mask through a block of ``make_block``: [B, T, D]."""
        return block(inputs, mask, training=training)

    def _internal(self, side, target, state, training):
        """[B, C, D]: the sum over [v; sequence] after the Transformer, padding left out."""
        count, width = tf.shape(target)[1], self.hp.hidden_size
        kept = state["history"] * state[side][:, :, None]  # [B, T, D]
        own = state[side]
        if self.any_length:
            kept, own = packed(kept, own)  # [B, S, D], [B, S]
        sequence = tf.repeat(kept, count, axis=0)  # [B * C, S, D]
        first = tf.reshape(target, [-1, 1, width])
        joined = tf.reshape(tf.concat([first, sequence], 1), [-1, 1 + size_of(own, 1), width])
        mask = tf.repeat(own, count, axis=0)  # [B * C, S]
        mask = tf.concat([tf.ones_like(mask[:, :1]), mask], 1)  # [B * C, 1 + S]
        outputs = self.transformed(self.internal[side], joined, mask, training)
        return tf.reshape(tf.reduce_sum(outputs * mask[:, :, None], 1), tf.shape(target))

    def _external(self, strong, state):
        """[B, C, D]: what the click interest finds among the unclicked; zeros if there is none."""
        if self.external is not None:
            return self.external(strong, state["history"], state["unclick"])
        keys = state["history"] * state["unclick"][:, :, None]  # [B, T, D]
        logits = tf.matmul(strong, keys, transpose_b=True) * self.hp.hidden_size**-0.5  # [B, C, T]
        weights = masked_softmax(logits, state["unclick"][:, None, :])
        return tf.matmul(weights, keys)


def factorization_machine(fields):
    """Second-order interactions (Rendle, ICDM 2010): list of [..., D] -> [..., D], summed over pairs."""
    stacked = tf.stack(fields)
    return 0.5 * (tf.square(tf.reduce_sum(stacked, 0)) - tf.reduce_sum(tf.square(stacked), 0))
