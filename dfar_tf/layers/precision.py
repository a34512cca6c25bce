"""The public layers compute in float32: other widths are refused by name, not by an error from inside."""

import numpy as np

from recommenders_utils.backend import tf

WIDE = "float32"


class Float32Layer(tf.keras.layers.Layer):
    """Base of the public layers.

    Args:
      **kwargs: passed to ``tf.keras.layers.Layer``.

    Raises:
      TypeError: another ``dtype`` or Keras policy than float32; calling it, a tensor of another float type.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # None where the first input is to decide, as under TensorFlow 1.
        for wanted in (self.dtype, getattr(self, "_compute_dtype", None)):
            if wanted not in (None, WIDE):
                raise TypeError(
                    f"{type(self).__name__} {self.name!r}: dtype {wanted}, but it computes in {WIDE} alone. "
                    "Leave dtype out, and Keras' floatx and policy at float32; for half precision on a GPU "
                    "there is mixed_precision in a run."
                )

    def __call__(self, *args, **kwargs):
        """``call`` after a look at the inputs; numpy's float64 becomes float32, as Keras does with data."""
        args = [self._checked(value) for value in args]
        kwargs = {name: self._checked(value, name) for name, value in kwargs.items()}
        return super().__call__(*args, **kwargs)

    def _checked(self, value, name="its input"):
        if isinstance(value, np.ndarray):
            return value.astype(np.float32) if value.dtype == np.float64 else value
        dtype = getattr(value, "dtype", None)
        if isinstance(dtype, tf.DType) and dtype.is_floating and dtype.base_dtype != tf.float32:
            raise TypeError(
                f"{type(self).__name__} {self.name!r}: {name} is {dtype.name}, but it computes in {WIDE} "
                "alone. Cast it: tf.cast(value, tf.float32)."
            )
        return value
