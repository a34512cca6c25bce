"""The ``tf.estimator`` side: one ``model_fn`` for all models, devices, the training loop."""
