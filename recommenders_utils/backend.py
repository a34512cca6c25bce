"""The one place where TensorFlow is imported.

TensorFlow 1.15 and 2.15 both ship the 1.x graph API as ``tensorflow.compat.v1``; everything else
in this repository takes ``tf`` from here, so that no other module needs to know which is installed.
"""

import os

# TensorFlow reads this at import: keep its C++ start-up chatter out of a person's terminal.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
tf.logging.set_verbosity(tf.logging.ERROR)

__all__ = ["tf"]
