"""Random draws inside a training step that depend on the seed and the step alone.

A stateful generator starts over in a resumed run. These draws are instead keyed by the graph's
seed, the draw's number in the graph and the global step, all of which a resumed run has.
"""

from recommenders_utils.backend import tf

DRAWS = "keyed_draws"  # graph collection: one entry a draw, so that each has a number of its own
APART = 1000003  # a prime between seeds, so that draws of different seeds never coincide


def uniform(shape, low=0.0, high=1.0, dtype=tf.float32):
    """Uniform numbers in [low, high), different at every step and call.

    In a graph without a seed or without a global step they come from TensorFlow's own generator.

    Args:
      shape: 1-D int tensor or list.
      low: the smallest number.
      high: above the largest.
      dtype: float32 or an int type.
    """
    key = _key()
    if key is None:
        return tf.random.uniform(shape, low, high, dtype=dtype)
    return tf.random.stateless_uniform(shape, key, low, high, dtype=dtype)


def dropout(values, rate, training=True):
    """Zeroes each value with probability ``rate`` and scales the others by 1 / (1 - rate).

    Args:
      values: float tensor.
      rate: in [0, 1).
      training: Python bool; if not, ``values`` are returned as they are.
    """
    if not (training and rate):
        return values
    kept = tf.cast(uniform(tf.shape(values)) >= rate, values.dtype)
    return values * (kept / (1.0 - rate))


def _key():
    graph, step = tf.get_default_graph(), tf.train.get_global_step()
    if step is None or graph.seed is None:
        return None
    number = len(graph.get_collection_ref(DRAWS))
    graph.add_to_collection(DRAWS, number)
    first = tf.constant((graph.seed * APART + number) % 2**63, tf.int64)
    return tf.stack([first, tf.cast(step, tf.int64)])
