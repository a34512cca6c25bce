"""DFAR (WWW 2023) for TensorFlow: Keras layers, models, losses, the Estimator and its commands."""

__version__ = "0.1.0"
