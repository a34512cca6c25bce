"""A causal encoder of some of a history's records, as if the others were not there.

Letters: B batch, T history, D width.
"""

from dfar_tf.layers import random_draws as draws
from dfar_tf.layers.packing import front, take
from recommenders_utils.backend import tf


class SideEncoder(tf.keras.layers.Layer):
    """Blocks of causal attention over marked records; between two of them their state stays.

    Args:
      blocks: layers (states [B, T, D], mask [B, T]) -> states.
      dropout: rate of the inputs, in training.
      **kwargs: passed to ``tf.keras.layers.Layer``.
    """

    def __init__(self, blocks, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.blocks, self.dropout = blocks, dropout

    def call(self, inputs, positions, mask, training=False):
        """Encodes the marked records.

        Args:
          inputs: [B, T, D] embeddings of all records.
          positions: [P, D] table, P >= T; row 0 is the oldest marked record's.
          mask: [B, T], 1 at records that are read.
          training: Python bool.

        Returns:
          ([B, T, D], [B, T, 1]): in each column the state of the newest marked record up to there, and 1
          if there is one; without one the state says nothing.
        """
        count = tf.cast(tf.cumsum(mask, 1), tf.int32)  # [B, T]
        place = tf.maximum(count - 1, 0)
        states = inputs + tf.gather(positions, place)
        states = draws.dropout(states, self.dropout, training) * mask[:, :, None]
        for block in self.blocks:
            states = block(states, mask, training=training)
        newest = tf.gather(front(mask, tf.shape(mask)[1])[0], place, batch_dims=1)  # [B, T]
        return take(states, newest), tf.cast(count > 0, tf.float32)[:, :, None]
