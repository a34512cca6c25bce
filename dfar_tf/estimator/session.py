"""How TensorFlow runs a graph: threads and compilation."""

import os

from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


def configure(config, hparams):
    """Sets a session's threads and compiler as the hyper-parameters say.

    By default a CPU runs two operations at a time, since a model's two sides are two branches, each with all
    cores to it: more at a time would only take the cores from one another.

    Args:
      config: ``tf.ConfigProto``, of which a copy is changed, or None for one of TensorFlow's defaults.
      hparams: ``intra_op_threads``, ``inter_op_threads`` and ``xla``.

    Returns:
      ``tf.ConfigProto``.
    """
    changed = tf.ConfigProto()
    changed.CopyFrom(config or tf.ConfigProto())
    # What the configuration has already, for a deterministic run, goes before a choice.
    intra = hparams.intra_op_threads or changed.intra_op_parallelism_threads
    inter = hparams.inter_op_threads or changed.inter_op_parallelism_threads
    if on_cpu(changed):
        intra, inter = intra or cores(), inter or min(2, cores())
    changed.intra_op_parallelism_threads = intra
    changed.inter_op_parallelism_threads = inter
    if hparams.xla:
        options = changed.graph_options.optimizer_options
        options.global_jit_level = tf.OptimizerOptions.ON_2
    return changed


def on_cpu(config):
    """Whether a session of this configuration has no GPU."""
    return "GPU" in config.device_count and config.device_count["GPU"] == 0


def cores():
    """CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_precision(config, hparams):
    """Raises UserError if mixed precision is asked for where there is no GPU to gain by it."""
    if hparams.mixed_precision and on_cpu(config):
        raise UserError(
            "mixed_precision: true needs a GPU, and this run is on the CPU, where half precision is slower. "
            "Use --device=gpu, or --mixed_precision=false."
        )
