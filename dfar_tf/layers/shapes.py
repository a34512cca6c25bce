"""Sizes of tensors."""

from recommenders_utils.backend import tf


def size_of(tensor, axis):
    """The size of one axis: an int where it is known as the graph is made, else a scalar tensor."""
    static = tensor.shape.as_list()[axis]
    return tf.shape(tensor)[axis] if static is None else static
