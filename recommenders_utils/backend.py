"""The one place where TensorFlow is imported.

TensorFlow 1.15 and 2.15 both ship the 1.x graph API as ``tensorflow.compat.v1``; all other modules
take ``tf`` from here, so that none needs to know which is installed.
"""

import os
import warnings

# TensorFlow reads this at import: keep its C++ start-up messages off the user's terminal.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Allows XLA on the CPU for sessions that request it; others are not affected.
os.environ.setdefault("TF_XLA_FLAGS", "--tf_xla_cpu_global_jit")

import tensorflow.compat.v1 as tf

tf.logging.set_verbosity(tf.logging.ERROR)
tf.disable_v2_behavior()
# The gradient of a gather from an activation is dense here on purpose.
warnings.filterwarnings("ignore", message="Converting sparse IndexedSlices")

__all__ = ["tf"]
