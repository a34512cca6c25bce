"""A tower on candidates that all rows share: what depends on a candidate alone is computed once.

Letters: N rows, C candidates of a row, K shared candidates, X, Y, Z widths.
"""

from dfar_tf.layers.mlp import flat_dense, matrix_product
from recommenders_utils.backend import tf


def tower_of_shared(tower, instance, own, shared, training):
    """Logits of a row's own candidates, then of the shared ones.

    Args:
      tower: a ``NormalizedTower``. Without normalisation the first layer on the shared candidates' own
        features is computed once; with it, statistics need all pairs, which are then formed.
      instance: [N, X].
      own: ([N, C, Y], [N, C, Z]): features of each pair, and of the candidate alone.
      shared: ([N, K, Y], [K, Z]).
      training: as of the tower.

    Returns:
      [N, C + K].
    """
    pairs, alone = shared
    if tower.normalization != "none":
        wide = tf.zeros_like(pairs[:, :, :1]) + alone[None]  # [N, K, Z]
        first = tf.concat([own[0], pairs], 1), tf.concat([own[1], wide], 1)
        return tower(instance, tf.concat(first, -1), training)
    logits = tower(instance, tf.concat(own, -1), training)  # [N, C]; makes the weights
    kernel, width = tower.candidate_dense.kernel, own[0].shape.as_list()[-1]
    hidden = matrix_product(pairs, kernel[:width])  # [N, K, units[0]]
    hidden += (tf.matmul(alone, kernel[width:]) + tower.candidate_dense.bias)[None]
    hidden = tower.activated(hidden + tower.instance_dense(instance)[:, None, :], training)
    for layer in tower.hidden:
        hidden = tower.activated(flat_dense(layer, hidden), training)
    return tf.concat([logits, tf.squeeze(flat_dense(tower.logit, hidden), -1)], 1)
