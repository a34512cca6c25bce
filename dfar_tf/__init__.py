"""DFAR (WWW 2023) for TensorFlow: Keras layers, models, losses, the Estimator and its commands."""

from dfar_tf.version import __version__ as __version__


def load(run_dir, **options):
    """Opens a finished run to score and to recommend; see ``dfar_tf.serving.api.load``."""
    from dfar_tf.serving import api  # TensorFlow takes seconds to import

    return api.load(run_dir, **options)
