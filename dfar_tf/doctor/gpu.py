"""Which GPUs, CUDA and cuDNN the doctor finds."""

import ctypes
import glob
import os
import subprocess
import sys
import typing

from dfar_tf.doctor.report import GOOD, PROBLEM, Finding
from dfar_tf.paths import IN_CHECKOUT

# What TensorFlow opens when it runs, by version; 1.15 does not report what it was built for.
BUILT_FOR = {"1.15": ("10.0", "7"), "2.15": ("12.2", "8")}
LIBRARIES = {
    "1.15": "libcudart.so.10.0 libcublas.so.10.0 libcudnn.so.7 libcusparse.so.10.0",
    "2.15": "libcudart.so.12 libcublas.so.12 libcudnn.so.8 libcusparse.so.12",
}
DRIVER = "libcuda.so.1"


class Gpus(typing.NamedTuple):
    """GPUs that the driver names.

    Attributes:
      names: of them, empty without a driver.
      capability: highest compute capability, 0.0 where the driver does not say.
      findings: list of Findings.
    """

    names: list
    capability: float
    findings: list

    def advice(self, version):
        """What to do where a TensorFlow of ``version`` does not use them."""
        if version.startswith("1.") and self.capability >= 8:
            how = ": DFAR_TF=2.15 bash run.sh ..." if IN_CHECKOUT else ", on Python 3.9 to 3.11"
            return (
                "TensorFlow 1.15 was built for compute capabilities up to 7.5, this is "
                f"{self.capability:g}; use TensorFlow 2.15{how}"
            )
        if not IN_CHECKOUT:
            toolkit = (
                "CUDA 10.0 and cuDNN 7"
                if version.startswith("1.")
                else "its CUDA packages (pip install 'tensorflow[and-cuda]>=2.15,<2.16')"
            )
            return f"install {toolkit}, and unset CUDA_VISIBLE_DEVICES if it hides the GPU"
        if version.startswith("1."):
            return "install CUDA 10.0 and cuDNN 7 (run.sh does so with conda), or use DFAR_TF=2.15"
        return (
            "pip install -r requirements/tf2.15-cuda.txt into the environment (run.sh does so if "
            "nvidia-smi works)"
            ", and unset CUDA_VISIBLE_DEVICES if it hides the GPU"
        )


def find_gpus(program="nvidia-smi"):
    """Asks the driver for its GPUs.

    Args:
      program: NVIDIA's tool.

    Returns:
      Gpus.
    """
    fields = "name,memory.total,driver_version,compute_cap"
    rows = _ask(program, fields)
    if rows is None:
        rows = _ask(program, fields.rsplit(",", 1)[0])  # older drivers know no compute_cap
    if not rows:
        text = (
            "none found by the NVIDIA driver" if rows == [] else f"none ({program} finds nothing)"
        )
        return Gpus([], 0.0, [Finding("GPUs", text, GOOD)])
    found, capabilities = [], [0.0]
    for number, row in enumerate(rows):
        capability = row[3] if len(row) > 3 else "unknown"
        text = f"{row[0]}, {row[1]}, driver {row[2]}, compute capability {capability}"
        found.append(Finding(f"GPU {number}", text, GOOD))
        if capability.replace(".", "", 1).isdigit():
            capabilities.append(float(capability))
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        found.append(Finding("CUDA_VISIBLE_DEVICES", f"programs see only {hidden!r}", GOOD))
    return Gpus([row[0] for row in rows], max(capabilities), found)


def _ask(program, fields):
    """Rows of fields; None if the program is not there or fails."""
    try:
        done = subprocess.run(
            [program, f"--query-gpu={fields}", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    return [[field.strip() for field in line.split(",")] for line in lines if line.strip()]


def find_cuda(tf, wanted):
    """CUDA and cuDNN: what TensorFlow was built for, which libraries are there, what it sees.

    Args:
      tf: the module, or None.
      wanted: whether there is a GPU, so that what is missing is a problem.

    Returns:
      List of Findings.
    """
    if tf is None:
        return [Finding("CUDA", "not checked: TensorFlow cannot be imported", GOOD)]
    series = "1.15" if tf.__version__.startswith("1.") else "2.15"
    built = tf.test.is_built_with_cuda()
    info = dict(tf.sysconfig.get_build_info()) if hasattr(tf.sysconfig, "get_build_info") else {}
    cuda, cudnn = BUILT_FOR[series]
    text = f"CUDA {info.get('cuda_version', cuda)}, cuDNN {info.get('cudnn_version', cudnn)}"
    if not built:
        text = f"no CUDA (this TensorFlow's GPU builds are for {text})"
    found = [Finding("TensorFlow built for", text, GOOD)]
    missing = []
    for name in [DRIVER, *LIBRARIES[series].split()]:
        place = find_library(name)
        if place is None:
            missing.append(name)
        else:
            found.append(Finding(name, place, GOOD))
    if missing:
        suggestion = ""
        if wanted and built:
            suggestion = "install CUDA and cuDNN of those versions" + (
                ": pip install -r requirements/tf2.15-cuda.txt" if series == "2.15" else " (conda)"
            )
        state = PROBLEM if suggestion else GOOD
        needless = "" if wanted else "; not needed without a GPU"
        found.append(
            Finding("libraries not found", ", ".join(missing) + needless, state, suggestion)
        )
    devices = [device.name for device in tf.config.experimental.list_physical_devices()]
    short = [name.replace("/physical_device:", "") for name in devices]
    found.append(Finding("TensorFlow's devices", ", ".join(short), GOOD))
    return found


def find_library(name):
    """Where a shared library is found as TensorFlow would: by the loader, or in pip's packages.

    Returns:
      Text, or None.
    """
    try:
        ctypes.CDLL(name)
        return "found by the system's loader"
    except OSError:
        pass
    for folder in sys.path:
        for path in glob.glob(os.path.join(glob.escape(folder), "nvidia", "*", "lib", name)):
            package = os.path.basename(os.path.dirname(os.path.dirname(path)))
            return f"found in the package nvidia/{package}"
    return None
