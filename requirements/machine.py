"""What this machine has: its GPU, conda and Pythons. Standard library alone, as all that run.sh starts."""

import collections
import re
import subprocess
import sys

NO_PYTHON = 3  # exit status: this machine cannot hold that TensorFlow


class Failure(Exception):
    """Ends run.sh with a message and a status."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def say(text):
    """Prints on standard error: standard output is the command's."""
    print(text, file=sys.stderr, flush=True)


def answer(command, errors=subprocess.DEVNULL):
    """What a program prints, or None where it cannot be run or fails."""
    try:
        return subprocess.check_output(
            command, stdin=subprocess.DEVNULL, stderr=errors, universal_newlines=True
        )
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return None


def find_gpu():
    """The highest CUDA compute capability, as "8.6"; "unknown" where the driver is too old to tell.

    Empty without an NVIDIA GPU.
    """
    listed = answer(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"])
    if listed is not None:
        capabilities = re.findall(r"\d+\.\d+", listed)
        return max(capabilities, key=float) if capabilities else ""
    return "" if answer(["nvidia-smi", "-L"]) is None else "unknown"


def is_modern(gpu):
    """Whether a GPU is too new for TensorFlow 1.15, built for compute capabilities up to 7.5."""
    return gpu[:1].isdigit() and float(gpu) >= 8


def find_conda(condas):
    """The first conda that runs, or None."""
    return next((conda for conda in condas if answer([conda, "--version"]) is not None), None)


# What a Python must be able to do to count: run at all (a version manager's shim may refuse), be a
# 64-bit CPython (TensorFlow has wheels for no other) and make a virtual environment with pip in it.
PROBE = """
import os, platform, ssl, struct, sys
import ensurepip, venv
assert platform.python_implementation() == "CPython" and struct.calcsize("P") == 8
real = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
print("%d.%d.%d %s" % (sys.version_info[:3] + (real,)))
"""
VERSION = 'import sys; print("%d.%d.%d" % sys.version_info[:3])'


class Python(collections.namedtuple("Python", "version path")):
    """A Python that counts: its version, as 3.11.7, and its real path."""

    @property
    def minor(self):
        """Its version, as 3.11."""
        return minor_of(self.version)


def minor_of(version):
    """3.11 of 3.11.7."""
    return version.rpartition(".")[0]


class Pythons:
    """The Pythons of a machine.

    Args:
        paths: programs that may be one, best first.
    """

    def __init__(self, paths):
        self._paths = paths
        self._known = {}  # path -> Python, or (version or None, why it does not count)

    def find(self, minors):
        """The first Python that counts of the first version (as 3.11) there is, or None."""
        for minor in minors:
            for path in self._paths:
                named = re.search(r"python(3\.\d+)$", path)
                if named and named.group(1) != minor:
                    continue
                found = self.probe(path)
                if found and found.minor == minor:
                    return found
        return None

    def probe(self, path):
        """The Python at a path, or None if it does not count."""
        if path not in self._known:
            self._known[path] = _probe(path)
        found = self._known[path]
        return found if isinstance(found, Python) else None

    def refused(self, minors=None):
        """Lines that say which Pythons are not usable, and why; of some versions, or of all."""
        found = [each for each in self._known.values() if not isinstance(each, Python)]
        return sorted(
            "  " + why
            for version, why in found
            if version is None or minors is None or minor_of(version) in minors
        )


def _probe(path):
    printed = answer([path, "-c", PROBE])
    if printed:
        return Python(*printed.rstrip("\n").split(" ", 1))
    version = answer([path, "-c", VERSION])
    if not version:
        return None, f"{path}: does not run (a version manager's shim, perhaps)"
    version = version.strip()
    return version, (
        f"{path}: Python {version}, but not a 64-bit CPython with ssl, venv and ensurepip "
        f"(Debian, Ubuntu: apt install python{minor_of(version)}-venv)"
    )
