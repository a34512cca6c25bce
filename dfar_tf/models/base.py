"""What a model is: ``encode`` a history once, ``score`` any number of candidates against it.

Dimension letters: B batch, T history, C candidates, D width, H heads.
"""

from dfar_tf.losses import main_loss
from recommenders_utils.backend import tf


class SequentialModel(tf.keras.layers.Layer):
    """Base of the models; a new one overrides ``encode`` and ``score``, and ``losses`` if it has any.

    Args:
      hparams: the merged hyper-parameters (``recommenders_utils.hparams.HParams``).
      num_items: items in the vocabulary; ids are 1..num_items and 0 is padding.

    Attributes:
      item_embedding: [num_items + 1, D] variable.
    """

    def __init__(self, hparams, num_items):
        super().__init__(name=hparams.model_type)
        self.hp = hparams
        self.num_items = num_items
        self.item_embedding = self.embedding("item_embedding", num_items + 1)

    @classmethod
    def check(cls, hparams):
        """Raises UserError if the model cannot be made with these hyper-parameters.

        Called before anything is written or built; a model overrides it to refuse what it cannot do.
        """

    def encode(self, history, training):
        """Reads a batch of histories.

        Args:
          history: dict of ``history_items`` and ``history_labels``, [B, T] int, and
            ``history_mask``, [B, T] float, 1 at real positions.
          training: Python bool.

        Returns:
          dict of tensors, each with B rows: all that ``score`` needs of the history.
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

    def main_loss(self, outputs, labels, weights):
        """The next-item loss of ``train.loss``, a scalar; arguments as of ``losses``."""
        return main_loss(self.hp.loss, outputs["logits"], labels, weights)

    def losses(self, outputs, labels, weights):
        """The model's own losses beside the main one.

        Args:
          outputs: what ``score`` returned.
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
        return [self.embed_items(distinct(features["history_items"], features["candidates"]))]

    def embedding(self, name, rows):
        """A [rows, D] table, truncated normal with ``init_stddev``."""
        return self.add_weight(
            name=name,
            shape=[rows, self.hp.hidden_size],
            initializer=tf.keras.initializers.TruncatedNormal(stddev=self.hp.init_stddev),
        )

    def embed_items(self, items):
        """[...] int ids -> [..., D]."""
        return tf.gather(self.item_embedding, items)


def distinct(*ids):
    """The different ids of some int tensors, 1-D."""
    return tf.unique(tf.concat([tf.reshape(each, [-1]) for each in ids], 0))[0]
