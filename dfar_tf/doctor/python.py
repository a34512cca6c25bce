"""Which Python, environment, packages and TensorFlow the doctor finds."""

import importlib
import os
import platform
import subprocess
import sys

from dfar_tf.doctor.report import BROKEN, GOOD, PROBLEM, Finding
from dfar_tf.paths import IN_CHECKOUT, shown, typed

PACKAGES = ("numpy", "pandas", "scipy", "sklearn", "matplotlib", "yaml", "absl", "tqdm")
if IN_CHECKOUT:
    AGAIN = (
        f"remove its folder below .envs and run `{typed('doctor')}` again, which creates it again"
    )
    ANOTHER = "; or give another Python with DFAR_PYTHON=/path/to/python"
    OTHER_TENSORFLOW = "DFAR_TF=2.15 makes an environment for it"
else:
    AGAIN = "make a new virtual environment and install dfar-tf into it with pip"
    ANOTHER = ""
    OTHER_TENSORFLOW = "pip install 'tensorflow>=2.15,<2.16'"


def find_python(root):
    """Python and the environment chosen.

    Args:
      root: the checkout.

    Returns:
      List of Findings.
    """
    version = "{}.{}.{}".format(*sys.version_info[:3])
    supported = sys.version_info[:2] == (3, 7) or (3, 9) <= sys.version_info[:2] <= (3, 11)
    where = f"{version}, {platform.system()} {platform.machine()}"
    if supported:
        found = [Finding("Python", where, GOOD)]
    else:
        need = "use 3.7 (TensorFlow 1.15.0) or 3.9 to 3.11 (TensorFlow 2.15)"
        found = [Finding("Python", where, PROBLEM, need)]
    return [*found, _environment(root)]


def _environment(root):
    prefix, envs = os.path.realpath(sys.prefix), os.path.realpath(os.path.join(root, ".envs"))
    if os.path.dirname(prefix) == envs:
        text = f".envs/{os.path.basename(prefix)}, made by run.sh"
    elif os.path.realpath(os.environ.get("CONDA_PREFIX") or os.devnull) == prefix:
        text = f"the active conda environment {os.path.basename(prefix)}"
    else:
        text = shown(sys.prefix) + (", not one of run.sh's" if IN_CHECKOUT else "")
    if not IN_CHECKOUT:
        return Finding("environment", text, GOOD)
    asked = [f"{key}={os.environ[key]}" for key in ("DFAR_TF", "DFAR_PYTHON") if os.getenv(key)]
    why = "requested by " + " and ".join(asked) if asked else "DFAR_TF and DFAR_PYTHON are not set"
    return Finding("environment", f"{text}; {why}", GOOD)


def find_packages(root, packages=PACKAGES):
    """Versions of the packages that the code imports, and whether the environment is complete.

    Args:
      root: the checkout.
      packages: names of modules.

    Returns:
      List of Findings.
    """
    versions, broken = [], []
    for name in packages:
        try:
            module = importlib.import_module(name)
        except Exception as error:  # whatever a damaged package raises
            reason = str(error).strip().split("\n")[0]
            broken.append(Finding(name, f"cannot be imported: {reason}", BROKEN, AGAIN))
        else:
            versions.append(f"{name} {getattr(module, '__version__', '(version unknown)')}")
    found = [Finding("packages", ", ".join(versions), GOOD), *broken]
    script = os.path.join(root, "requirements", "satisfied.py")
    if not broken and os.path.isfile(script):
        done = subprocess.run(
            [sys.executable, script, "", "run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            text = done.stdout.decode(errors="replace").strip()
            suggestion = AGAIN + ANOTHER
            # Imports decide; the user's own builds may lack metadata.
            found.append(Finding("requirements", text, PROBLEM, suggestion))
    return found


def load_tensorflow(cpuinfo="/proc/cpuinfo"):
    """Imports TensorFlow, unless this processor would end the whole process.

    Args:
      cpuinfo: file with the processor's flags, if there is one.

    Returns:
      (the module ``tf`` or None, Finding).
    """
    if platform.machine().lower() in ("x86_64", "amd64") and not _has_avx(cpuinfo):
        text = "not tried: this processor has no AVX instructions, which TensorFlow's builds need"
        return None, Finding("TensorFlow", text, BROKEN, "use another machine, or your own build")
    try:
        from recommenders_utils.backend import tf
    except Exception as error:  # ImportError, but also what protobuf and numpy raise
        reason = (str(error).strip() or type(error).__name__).split("\n")[0]
        return None, Finding("TensorFlow", f"cannot be imported: {reason}", BROKEN, AGAIN)
    if not tf.__version__.startswith(("1.15", "2.15")):
        text = f"{tf.__version__}; the code is tested with 1.15.0 and 2.15.1"
        return tf, Finding("TensorFlow", text, PROBLEM, OTHER_TENSORFLOW)
    built = "with" if tf.test.is_built_with_cuda() else "without"
    return tf, Finding("TensorFlow", f"{tf.__version__}, built {built} CUDA", GOOD)


def _has_avx(cpuinfo):
    try:
        with open(cpuinfo, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if line.startswith("flags"):
                    return "avx" in line.split()
    except OSError:
        pass
    return True  # if the system does not say, AVX is assumed
