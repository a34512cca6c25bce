"""Checks whether this Python's environment has all that the code needs, from package metadata alone.

    python satisfied.py [1.15|2.15|''] [run|test]

Prints ``TensorFlow 1.15.0, Python 3.7.16`` and exits with 0, or what is missing and exits with 1.
Importing TensorFlow to find out would take seconds, so only the names of the installed packages'
metadata folders are read. Nothing outside the standard library of Python 3.7 is used, since this
asks about environments that may have nothing else.
"""

import os
import re
import sys

RUN_PACKAGES = [
    "absl-py",
    "matplotlib",
    "numpy",
    "pandas",
    "pyyaml",
    "scikit-learn",
    "scipy",
    "tqdm",
]
TEST_PACKAGES = ["hypothesis", "pytest"]
# The same TensorFlow under the names it is published by.
TENSORFLOWS = ["tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-macos"]
METADATA = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(-.*)?\.(dist|egg)-info$")


def installed(folders):
    """Map each installed package's normalised name to its version; the first folder wins."""
    found = {}
    for folder in folders:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for entry in entries:
            match = METADATA.match(entry)
            if match:
                name = re.sub(r"[-_.]+", "-", match.group("name")).lower()
                found.setdefault(name, match.group("version"))
    return found


def missing(packages, python, wanted="", kind="run"):
    """Return ``(TensorFlow's version or None, what is missing as text)``.

    Args:
        packages: ``{normalised name: version}``.
        python: ``(major, minor)`` of the interpreter.
        wanted: ``"1.15"``, ``"2.15"`` or empty for either.
        kind: ``"run"``, or ``"test"`` to need the tests' packages too.
    """
    version = next((packages[name] for name in TENSORFLOWS if name in packages), None)
    is_first = version == "1.15.0" and python == (3, 7)
    is_second = version is not None and re.match(r"2\.15\.\d+$", version) is not None
    is_second = is_second and (3, 9) <= python <= (3, 11)
    if not ((is_first and wanted in ("", "1.15")) or (is_second and wanted in ("", "2.15"))):
        expected = {"1.15": "1.15.0", "2.15": "2.15"}.get(wanted, "1.15.0 or 2.15")
        there = f"it has TensorFlow {version}" if version else "it has none"
        return None, "it needs TensorFlow {} ({} on Python {}.{})".format(expected, there, *python)
    if is_first and int(packages.get("protobuf", "0").split(".")[0]) > 3:
        return (
            None,
            "TensorFlow 1.15.0 cannot import its protobuf {}; it needs one below 3.21".format(
                packages["protobuf"]
            ),
        )
    needed = RUN_PACKAGES + (TEST_PACKAGES if kind == "test" else [])
    absent = [name for name in needed if name not in packages]
    return version, "it lacks {}".format(", ".join(absent)) if absent else ""


def main(arguments):
    """Print the answer; see the module's text."""
    wanted = arguments[0] if arguments else ""
    kind = arguments[1] if len(arguments) > 1 else "run"
    # This script's own folder stands first on the path and holds no packages.
    version, problem = missing(installed(sys.path[1:]), sys.version_info[:2], wanted, kind)
    if problem:
        print(problem)
        return 1
    print("TensorFlow {}, Python {}.{}.{}".format(version, *sys.version_info[:3]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
