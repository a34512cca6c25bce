"""Base of the baselines: the feedback that they see, and the tower on a user's vector.

Dimension letters: B batch, T history, C candidates, D width, X width of a user's vector, N states,
K shared candidates.
"""

from dfar_tf import layers
from dfar_tf.layers.baselines.recurrent import last_real
from dfar_tf.layers.histories import compact
from dfar_tf.models.base import SequentialModel
from recommenders_utils.backend import tf


class BaselineModel(SequentialModel):
    """Base of the baselines.

    A model has to override ``encode`` only, to return ``{"user": [B, X]}``, if the candidate meets the
    history at the end alone: in the tower or, with ``scorer: dot``, in a product with its embedding. A
    causal model overrides ``position_states`` instead, and can train every position. Its YAML has
    ``feedback_input``, ``tower_layers``, ``tower_norm``, ``activation`` and ``dropout``.
    ``feedback_input`` is

    * ``none``: every item, its feedback unseen;
    * ``positive_only``: the liked items, packed together, as if the log had no others;
    * ``label_embedding``: every item plus an embedding of its feedback, E^f of Eq. 1.
    """

    scorers = ("tower", "dot")

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(hparams, num_items, num_users)
        hp = self.hp
        if hp.feedback_input == "label_embedding":
            self.label_embedding = self.embedding("label_embedding", self.levels)
        self.dot = hp.values().get("scorer") == "dot"  # older runs lack the key
        if self.dot:
            # Used where the user's vector is not as wide as an item's.
            self.user_dense = tf.keras.layers.Dense(hp.hidden_size, name="dense_user")
            return
        self.tower = layers.NormalizedTower(
            hp.tower_layers, hp.tower_norm, hp.activation, hp.dropout, name="tower"
        )

    def seen(self, history):
        """The history as the model sees it, in the same form."""
        if self.hp.feedback_input != "positive_only":
            return history
        return {**history, **compact(history, tf.equal(history["history_labels"], 1))}

    def embed_history(self, history):
        """[B, T, D] embeddings of what ``seen`` gave, 0 at padding."""
        inputs = self.embed_items(history["history_items"])
        if self.hp.feedback_input == "label_embedding":
            inputs += self.embed_labels(history)
        return inputs * history["history_mask"][:, :, None]

    def position_states(self, history, training):
        """[B, T, X]: for a causal model, the state after each record; ``history`` as of ``encode``."""
        raise NotImplementedError

    def encode(self, history, training):
        """{"user": [B, X]}: the state after the last real record."""
        seen = self.seen(history)
        return {"user": last_real(self.position_states(seen, training), seen["history_mask"])}

    def encode_positions(self, history, at, training):
        """{"user": [N, X]}: the states at ``at``."""
        return {"user": tf.gather_nd(self.position_states(history, training), at)}

    def score(self, state, candidates, training):
        """The tower of the user's vector and each candidate's embedding, or their product."""
        target = self.embed_items(candidates)  # [B, C, D]
        if self.dot:
            user = self._as_wide_as_items(state["user"])
            return {"logits": tf.reduce_sum(user[:, None] * target, -1)}
        return {"logits": self.tower(state["user"], target, training)}

    def score_shared(self, state, candidates, shared, training):
        """With ``scorer: dot`` the shared candidates are one matrix product."""
        # A model with outputs of its own makes them for every pair.
        if not self.dot or type(self).score is not BaselineModel.score:
            return super().score_shared(state, candidates, shared, training)
        user = self._as_wide_as_items(state["user"])
        own = tf.reduce_sum(user[:, None] * self.embed_items(candidates), -1)  # [N, C]
        others = tf.matmul(user, self.embed_items(shared), transpose_b=True)  # [N, K]
        return {"logits": tf.concat([own, others], 1)}

    def _as_wide_as_items(self, user):
        same = user.shape.as_list()[-1] == self.hp.hidden_size
        return user if same else self.user_dense(user)

    def products(self, candidates):
        """The tower's first layer on the candidates' embeddings, the last of its features."""
        if self.dot:
            return {"target": self.embed_items(candidates)}
        if not self.tower.separable:
            return super().products(candidates)
        return {
            "candidates": tf.identity(candidates),
            "tower": self.tower.candidate_products(self.embed_items(candidates)),
        }

    def score_products(self, state, products):
        """The tower on a user's vector; models whose history meets the candidate before override it."""
        if self.dot:
            user = self._as_wide_as_items(state["user"])
            return tf.matmul(user, products["target"], transpose_b=True)
        if "tower" not in products or "user" not in state:
            return super().score_products(state, products)
        return self.tower.call_products(products["tower"], state["user"])
