"""Base of the models: ``encode`` a history once, ``score`` any number of candidates against it.

Dimension letters: B batch, T history, C candidates, D width, H heads, N states, K shared candidates.
"""

import contextlib
from typing import ClassVar

from dfar_tf.layers import random_draws as draws
from dfar_tf.losses import gbce_beta, main_loss, target_bpr_loss
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


class SequentialModel(tf.keras.layers.Layer):
    """Base of the models; a new one overrides ``encode`` and ``score``, and ``losses`` if it has any.

    Args:
      hparams: the merged hyper-parameters (``recommenders_utils.hparams.HParams``).
      num_items: items in the vocabulary; ids are 1..num_items and 0 is padding.
      num_users: users in the store, for a model that embeds them.

    Attributes:
      item_embedding: [num_items + 1, D] variable.
      feature_tables: with ``item_features`` a [values + 1, D] variable for each feature; else empty.
      item_codes: then the items' rows in these, and whether the item itself is known: [num_items + 1, 1 + F].
      title: the model's name as tables print it (class attribute).
      paper: where it was published.
      feedback: in a few words, how it uses positive and negative feedback.
      embeds_users: whether ``encode`` reads ``user``.
      published_output: in a few words, the output of its paper that the common tower replaces, if any.
      compared: whether it is one of the systems of Table 2, not a variant of one.
      pairs: how many pairs of history and candidate ``score_products`` takes at a time: enough to fill
        the processor, few enough for its cache.
      any_length: whether ``encode`` reads rows one by one and takes them shorter than ``max_seq_length``.
      scorers: values of ``scorer`` that the model takes.
      trained_positions: values of ``positions`` that it takes; ``all`` needs ``encode_positions``.
      why_not: the reason for what is missing in the two, in a few words.
    """

    title = paper = feedback = published_output = ""
    compared = True
    any_length = True
    embeds_users = False
    pairs = 16384
    scorers = ("tower",)
    trained_positions = ("last",)
    why_not: ClassVar = {}

    def __init__(self, hparams, num_items, num_users=0):
        super().__init__(name=hparams.model_type)
        self.hp = hparams
        self.num_items = num_items
        self.num_users = num_users
        self.item_embedding = self.embedding("item_embedding", num_items + 1)
        self._items_drawn = None
        self._make_features(hparams.values().get("item_feature_sizes", ()))  # older runs lack it

    @property
    def levels(self):
        """How many strengths of feedback there are: rows of ``label_embedding``."""
        return max(2, len(self.hp.values().get("levels", ())))  # older runs lack it

    @property
    def level_threshold(self):
        """The weakest level that is positive feedback."""
        return self.hp.values().get("level_threshold", 1)  # older runs lack it

    def sides(self, history):
        """A history whose ``history_labels`` are of two sides, its levels beside them if there are more."""
        if self.levels == 2:
            return history
        levels = history["history_labels"]
        liked = tf.cast(levels >= self.level_threshold, levels.dtype)
        return {**history, "history_labels": liked, "history_levels": levels}

    def embed_labels(self, history):
        """L of Eq. 1 for each record: [B, T, D]."""
        levels = history.get("history_levels", history["history_labels"])
        return tf.gather(self.label_embedding, levels)

    def side_embedding(self, label):
        """L_1 or L_0, the feedback that a candidate is assumed to get: the mean of its side's levels, [D]."""
        if self.levels == 2:
            return self.label_embedding[label]
        rows = slice(self.level_threshold, None) if label else slice(0, self.level_threshold)
        return tf.reduce_mean(self.label_embedding[rows], 0)

    @classmethod
    def check(cls, hparams):
        """Raises UserError if the model cannot be made with these hyper-parameters.

        Called before anything is written or built; a model overrides it to refuse settings that it
        does not support.
        """

    def encode(self, history, training):
        """Reads a batch of histories.

        Args:
          history: dict of ``history_items`` and ``history_labels``, [B, T] int, and
            ``history_mask``, [B, T] float, 1 at real positions; ``user``, [B] int rows of the
            store's users, if they are known.
          training: Python bool.

        Returns:
          dict of tensors, each with B rows: all that ``score`` needs of the history.
        """
        raise NotImplementedError

    def encode_positions(self, history, at, training):
        """Reads a batch of sequences whose every position is trained (``positions: all``).

        Args:
          history: as of ``encode``.
          at: [N, 2] int, row and column of the last record that a state may know.
          training: Python bool.

        Returns:
          As of ``encode``, with N rows.
        """
        raise NotImplementedError

    def score(self, state, candidates, training):
        """Scores candidates against encoded histories.

        Args:
          state: what ``encode`` returned, B rows.
          candidates: [B, C] int item ids.
          training: Python bool.

        Returns:
          dict with ``logits``, [B, C], and whatever ``losses`` reads.
        """
        raise NotImplementedError

    def score_shared(self, state, candidates, shared, training):
        """``score`` of each row's own candidates and of those that all rows share.

        Args:
          state: N rows.
          candidates: [N, C] int item ids.
          shared: [K] int item ids.
          training: Python bool.

        Returns:
          As of ``score``, [N, C + K, ...].
        """
        rows, count = tf.shape(candidates)[0], tf.shape(shared)[0]
        joined = tf.concat([candidates, tf.broadcast_to(shared[None], [rows, count])], 1)
        return self.score(state, joined, training)

    def products(self, candidates):
        """What of ``score`` depends on candidates alone, computed once for many histories.

        Args:
          candidates: [C] int item ids.

        Returns:
          dict of tensors with C rows, for ``score_products``; by default the ids themselves.
        """
        return {"candidates": tf.identity(candidates)}

    def score_products(self, state, products):
        """``score``'s logits [B, C], outside training, of the candidates that ``products`` stands for.

        A model that overrides ``products`` overrides this too. ``score`` was called before, so that
        all weights are there.
        """
        rows = tf.shape(next(iter(state.values())))[0]
        candidates = products["candidates"]
        pairs = tf.broadcast_to(candidates, [rows, tf.shape(candidates)[0]])
        return self.score(state, pairs, False)["logits"]

    def main_loss(self, outputs, labels, weights):
        """The next-item loss of ``train.loss``, a scalar; arguments as of ``losses``."""
        hp, beta = self.hp, 1.0
        if hp.loss == "bpr" and "target_labels" in outputs:
            return target_bpr_loss(outputs["logits"], labels, weights)
        if hp.loss == "gbce":
            beta = gbce_beta(hp.train_num_ngs, self.num_items, hp.gbce_t)
        return main_loss(hp.loss, outputs["logits"], labels, weights, beta)

    def losses(self, outputs, labels, weights):
        """The model's own losses beside the main one.

        Args:
          outputs: what ``score`` returned; in training also ``target_labels`` [B], the observed
            feedback of column 0, where the batch knows it.
          labels: [B, C] float, 1 or 0.
          weights: [B, C] float, 0 at padding candidates.

        Returns:
          dict of name -> (weight, scalar tensor); their weighted sum joins the main loss.
        """
        return {}

    def regularized_rows(self, features):
        """The embedding rows under ``embed_l2``: the batch's items, each once.

        Args:
          features: a batch of ``SequentialIterator``.

        Returns:
          List of [rows, D] tensors.
        """
        ids = [
            features[name] for name in ("history_items", "candidates", "shared") if name in features
        ]
        return [self.embed_items(distinct(*ids))]

    def embedding(self, name, rows):
        """A [rows, D] table, truncated normal with ``init_stddev``."""
        return self.add_weight(
            name=name,
            shape=[rows, self.hp.hidden_size],
            initializer=tf.keras.initializers.TruncatedNormal(stddev=self.hp.init_stddev),
        )

    @contextlib.contextmanager
    def items_dropped(self, training):
        """Within it ``embed_items`` reads the item table after ``item_dropout``, the same draw for all.

        Args:
          training: Python bool; if not, nothing is dropped.
        """
        rate = self.hp.values().get("item_dropout", 0.0)  # older runs lack it
        if training and rate:
            table = tf.convert_to_tensor(self.item_embedding)
            self._items_drawn = draws.dropout(table, rate)
        try:
            yield
        finally:
            self._items_drawn = None

    def embed_items(self, items):
        """[...] int ids -> [..., D], with the embeddings of the items' features if they have some."""
        table = self.item_embedding if self._items_drawn is None else self._items_drawn
        embedded = tf.gather(table, items)
        if not self.feature_tables:
            return embedded
        codes = tf.gather(self.item_codes, items)  # [..., 1 + F]
        # An item of no training record has an embedding that nothing has taught.
        parts = [embedded * tf.cast(codes[..., :1], embedded.dtype)]
        parts += [tf.gather(table, codes[..., k]) for k, table in enumerate(self.feature_tables, 1)]
        if self.feature_dense is None:
            return tf.add_n(parts)
        return self.feature_dense(tf.concat(parts, -1))

    def _make_features(self, sizes):
        """A table for each feature, row 0 for an unknown value, and the codes, which training sets."""
        self.feature_tables = [
            self.embedding(f"feature_embedding_{k}", 1 + size) for k, size in enumerate(sizes)
        ]
        if not sizes:
            return
        self.item_codes = self.add_weight(
            name="item_codes",
            shape=[self.num_items + 1, 1 + len(sizes)],
            dtype=tf.int64,
            initializer="zeros",
            trainable=False,
        )
        concat = self.hp.item_feature_mode == "concat"
        width = self.hp.hidden_size
        self.feature_dense = (
            tf.keras.layers.Dense(width, use_bias=False, name="dense_features") if concat else None
        )

    def attention_layer(self, kind, name, **kwargs):
        """An attention layer of class ``kind`` as the hyper-parameters want it: heads, dropout, shortcuts.

        ``kwargs`` are the class's further arguments.
        """
        hp = self.hp
        return kind(
            hp.num_heads,
            hp.hidden_size // hp.num_heads,
            dropout=hp.dropout,
            fast_attention=hp.values().get("fast_attention", True),  # older runs lack the key
            name=name,
            **kwargs,
        )


def check_heads(hparams):
    """Raises UserError unless H divides D."""
    if hparams.hidden_size % hparams.num_heads:
        raise UserError(
            f"num_heads: {hparams.num_heads} does not divide hidden_size {hparams.hidden_size}; "
            "expected a divisor. Change one of the two."
        )


def distinct(*ids):
    """The different ids of some int tensors, 1-D."""
    return tf.unique(tf.concat([tf.reshape(each, [-1]) for each in ids], 0))[0]
