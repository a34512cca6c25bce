"""A model by name and a store in; checkpoints, epochs' figures and predictions out, by ``tf.estimator``."""
