"""Where to run: CPU, one GPU, several mirrored; chosen by ``info.device`` and said aloud."""

import re

from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


def choose_devices(device, log=print):
    """Resolves ``info.device``.

    Args:
      device: ``auto`` (the first GPU, or the CPU), ``cpu``, ``gpu``, ``gpu:0`` or ``gpu:0,1``.
      log: takes the line that says what was chosen.

    Returns:
      (session config, strategy or None, replicas).

    Raises:
      UserError: a device that is not spelled so, or is not there.
    """
    match = re.match(r"^(auto|cpu|gpu(?::(\d+(?:,\d+)*))?)$", device)
    if not match:
        raise UserError(f"device: {device!r} is none of auto, cpu, gpu, gpu:0, gpu:0,1.")
    found = len(tf.config.experimental.list_physical_devices("GPU")) if device != "cpu" else 0
    wanted = [int(number) for number in match.group(2).split(",")] if match.group(2) else [0]
    if device.startswith("gpu") and max(wanted) >= found:
        raise UserError(
            f"device: {device} asks for GPU {max(wanted)}, TensorFlow {tf.__version__} finds {found}. "
            "Use --device=auto or --device=cpu, or install the GPU's driver and the CUDA packages."
        )
    config = tf.ConfigProto(allow_soft_placement=True)
    if not found:
        config.device_count["GPU"] = 0
        asked = "as asked" if device == "cpu" else "no GPU found"
        log(f"Device: CPU ({asked}), TensorFlow {tf.__version__}.")
        return config, None, 1
    # Newer GPUs would cut the factors of a matrix product to 10 bits: scores would differ from the
    # CPU's in the third digit. TensorFlow 1.15 has no such shortcut.
    if hasattr(tf.config.experimental, "enable_tensor_float_32_execution"):
        tf.config.experimental.enable_tensor_float_32_execution(False)
    config.gpu_options.allow_growth = True
    config.gpu_options.visible_device_list = ",".join(map(str, wanted))
    log(f"Device: GPU {wanted} of {found}, memory as needed, TensorFlow {tf.__version__}.")
    if len(wanted) == 1:
        return config, None, 1
    names = [f"/gpu:{number}" for number in range(len(wanted))]
    return config, tf.distribute.MirroredStrategy(names), len(wanted)


def in_one_thread(config):
    """A session config under which a CPU takes every sum in one order; a GPU's is left as it is.

    With several threads it may depend on their timing which summand comes first, and so does the last
    bit of a sum.
    """
    if config.device_count.get("GPU") == 0:
        config.inter_op_parallelism_threads = config.intra_op_parallelism_threads = 1
    return config
