"""How TensorFlow runs a graph: devices, chosen by ``info.device``, threads, compilation."""

import os
import re

from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError, shortened


def choose_devices(device):
    """Resolves ``info.device``.

    Args:
      device: ``auto`` (the first GPU, or the CPU), ``cpu``, ``gpu``, ``gpu:0`` or ``gpu:0,1``.

    Returns:
      (session config, strategy or None, replicas).

    Raises:
      UserError: a malformed or missing device.
    """
    match = re.match(r"^(auto|cpu|gpu(?::(\d+(?:,\d+)*))?)$", device)
    if not match:
        raise UserError(f"device: {shortened(device)!r} is none of auto, cpu, gpu, gpu:0, gpu:0,1.")
    found = len(tf.config.experimental.list_physical_devices("GPU")) if device != "cpu" else 0
    wanted = [int(number) for number in match.group(2).split(",")] if match.group(2) else [0]
    if device.startswith("gpu") and max(wanted) >= found:
        raise UserError(
            f"device: {device} requests GPU {max(wanted)}, but TensorFlow {tf.__version__} finds "
            f"{found}. "
            "Use --device=auto or --device=cpu, or install the GPU's driver and the CUDA packages."
        )
    config = tf.ConfigProto(allow_soft_placement=True)
    if not found:
        config.device_count["GPU"] = 0
        return config, None, 1
    # Newer GPUs would round the factors of a matrix product to 10 bits, and scores would differ
    # from the CPU's in the third digit. TensorFlow 1.15 has no such shortcut.
    if hasattr(tf.config.experimental, "enable_tensor_float_32_execution"):
        tf.config.experimental.enable_tensor_float_32_execution(False)
    config.gpu_options.allow_growth = True
    config.gpu_options.visible_device_list = ",".join(map(str, wanted))
    if len(wanted) == 1:
        return config, None, 1
    names = [f"/gpu:{number}" for number in range(len(wanted))]
    return config, tf.distribute.MirroredStrategy(names), len(wanted)


def device_line(device, config):
    """What ``choose_devices`` made of ``device``, as a line to read."""
    if on_cpu(config):
        why = "as asked" if device == "cpu" else "no GPU found"
        return f"Device: CPU ({why}), TensorFlow {tf.__version__}."
    taken = [int(number) for number in config.gpu_options.visible_device_list.split(",")]
    found = len(tf.config.experimental.list_physical_devices("GPU"))
    return f"Device: GPU {taken} of {found}, memory as needed, TensorFlow {tf.__version__}."


def in_one_thread(config):
    """A session config under which a CPU computes every sum in a fixed order; a GPU's is unchanged.

    With several threads, the order of summands may depend on their timing, and so may the last bit
    of a sum.
    """
    if config.device_count.get("GPU") == 0:
        config.inter_op_parallelism_threads = config.intra_op_parallelism_threads = 1
    return config


def configure(config, hparams):
    """Sets a session's threads and compiler as the hyper-parameters say.

    By default a CPU runs two operations at a time, since a model's two sides are two branches, each
    using all cores: more in parallel would only compete for the cores.

    Args:
      config: ``tf.ConfigProto``, of which a copy is changed, or None for one of TensorFlow's defaults.
      hparams: ``intra_op_threads``, ``inter_op_threads`` and ``xla``.

    Returns:
      ``tf.ConfigProto``.
    """
    changed = tf.ConfigProto()
    changed.CopyFrom(config or tf.ConfigProto())
    # A value already set for a deterministic run takes precedence.
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
    """Raises UserError if mixed precision is requested without a GPU."""
    if hparams.mixed_precision and on_cpu(config):
        raise UserError(
            "mixed_precision: true needs a GPU, and this run is on the CPU, where half precision is slower. "
            "Use --device=gpu, or --mixed_precision=false."
        )
