"""Chooses the environment that a command runs in, and makes it if need be.

In this order: the Python that DFAR_PYTHON names; an active conda environment that has all we need; conda; a
virtual environment from a Python of this machine.
"""

import os
import pathlib
import shutil
import subprocess

from machine import NO_PYTHON, Failure, Pythons, answer, find_conda, find_gpu, is_modern, say
from making import ENVS, FULL_VERSIONS, ROOT, Broken, Environment

SATISFIED = str(ROOT / "requirements" / "satisfied.py")
PYTHONS = {"1.15": ["3.7"], "2.15": ["3.11", "3.10", "3.9"]}
INSTALL = {
    "1.15": "  Python 3.7 for TensorFlow 1.15.0, the paper's (pyenv install 3.7, or conda)",
    "2.15": "  Python 3.11, 3.10 or 3.9 for TensorFlow 2.15 (pyenv install 3.11, uv python install 3.11,"
    " brew install python@3.11, apt install python3.11 python3.11-venv, or conda)",
}


def listed(name):
    """The programs that run.sh found; commands do not see them."""
    return os.environ.pop(name, "").splitlines()


CANDIDATES, CONDAS = Pythons(listed("DFAR_PYTHONS")), listed("DFAR_CONDAS")


def wanted_tf():
    """The TensorFlow that DFAR_TF requests: 1.15, 2.15, or empty for the best."""
    wish = os.environ.get("DFAR_TF", "")
    for tf in ("1.15", "2.15"):
        if wish == tf or wish.startswith(tf + "."):
            return tf
    if wish:
        raise Failure(f"DFAR_TF={wish}: expected 1.15 or 2.15")
    return ""


def environment_python(wanted, kind):
    """The path of a Python that has everything for ``kind`` (run or test); reports anything unexpected.

    Args:
        wanted: TensorFlow 1.15, 2.15 or empty for the best.
        kind: run or test.

    Raises:
        Failure: of status ``NO_PYTHON`` if this machine cannot hold that TensorFlow.
    """
    gpu, named = find_gpu(), os.environ.get("DFAR_PYTHON")
    if named:
        return from_named(named, wanted, kind, gpu)
    active = os.environ.get("CONDA_PREFIX")
    lacks = what_lacks(active, wanted, kind) if active else None
    if active and not lacks:
        return os.path.join(active, "bin", "python")
    # A choice is kept, so that the next run need not search again.
    choice = ENVS / ("choice" + (wanted and "-" + wanted))
    conditions = f"GPU {gpu}, conda {' '.join(CONDAS)}"
    if choice.is_file():
        before, name = (choice.read_text() + "\n").split("\n")[:2]
        if before == conditions and Environment(name).is_made(kind):
            return use(Environment(name), gpu)
    if active:
        say(f"The active conda environment ({active}) is not used: {lacks}")
    environment = chosen(wanted, kind, gpu)
    new = choice.with_name(f"{choice.name}.{os.getpid()}")
    new.write_text(f"{conditions}\n{environment.name}\n")
    new.replace(choice)
    return use(environment, gpu)


def from_named(named, wanted, kind, gpu):
    """As environment_python, from the Python of DFAR_PYTHON, whose version decides on TensorFlow."""
    program = shutil.which(named)
    if program is None:
        raise Failure(f"DFAR_PYTHON={named}: no such program")
    python = CANDIDATES.probe(program)
    if python is None:
        refused = "\n".join(CANDIDATES.refused())
        raise Failure(f"DFAR_PYTHON={named} cannot be used:\n{refused}")
    tf = next((tf for tf, minors in PYTHONS.items() if python.minor in minors), None)
    if tf is None or wanted not in ("", tf):
        wish = f", and DFAR_TF={wanted}" if wanted else ""
        raise Failure(
            f"DFAR_PYTHON={named} is Python {python.version}{wish}: TensorFlow 1.15.0 needs Python 3.7, "
            "TensorFlow 2.15 needs Python 3.9, 3.10 or 3.11"
        )
    return use(virtual_environment(python, tf, kind, gpu), gpu)


def what_lacks(prefix, wanted, kind):
    """What a conda environment lacks; nothing if it has all."""
    python = os.path.join(prefix, "bin", "python")
    if not os.access(python, os.X_OK):
        return "it has no Python"
    done = subprocess.run(
        [python, SATISFIED, wanted, kind],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = done.stdout.splitlines() or [f"its Python ended with status {done.returncode}"]
    return lines[-1] if done.returncode else None


def chosen(wanted, kind, gpu):
    """The environment to use, made."""
    order, why_not_conda = tf_order(wanted, gpu), ""
    conda = find_conda(CONDAS)
    if conda:
        try:
            return conda_environment(conda, order[0], kind, gpu)
        except Broken as error:
            why_not_conda = f" {error}"
    for tf in order:
        python = CANDIDATES.find(PYTHONS[tf])
        if python:
            return virtual_environment(python, tf, kind, gpu)
    if kind == "test":
        lines = [f"No Python for TensorFlow {FULL_VERSIONS[order[0]]} was found.{why_not_conda}"]
    else:
        lines = [f"error: found no Python to make an environment from.{why_not_conda}"]
    lines += ["Install:", *(INSTALL[tf] for tf in sorted(order))]
    lines += ["or name another one: DFAR_PYTHON=/path/to/python bash run.sh ..."]
    refused = CANDIDATES.refused([minor for tf in order for minor in PYTHONS[tf]])
    if refused:
        lines += ["These were found but are not usable:", *refused]
    say("\n".join(lines))
    raise Failure("", NO_PYTHON)


def tf_order(wanted, gpu):
    """Which TensorFlows to try, best first."""
    processor = (answer(["uname", "-m"]) or "").strip()
    if processor not in ("x86_64", "amd64"):
        if wanted == "1.15":
            raise Failure(
                f"TensorFlow 1.15.0 exists for x86-64 processors only, not for {processor}",
                NO_PYTHON,
            )
        return ["2.15"]
    if wanted:
        return [wanted]
    return ["2.15", "1.15"] if is_modern(gpu) else ["1.15", "2.15"]


def virtual_environment(python, tf, kind, gpu):
    """The virtual environment of a Python; where pip cannot make it, that is the end."""
    cuda = "-cuda" if tf == "2.15" and gpu else ""
    environment = Environment(f"tf{tf}-py{python.minor}{cuda}")
    origin = f"Python {python.version} ({python.path})"
    try:
        environment.ensure(
            kind, origin, lambda made: made.logged(python.path, "-m", "venv", made.prefix)
        )
    except Broken:
        raise environment.failure(
            f"the environment for TensorFlow {FULL_VERSIONS[tf]} could not be made from {origin}."
        ) from None
    return environment


def conda_environment(conda, tf, kind, gpu):
    """conda's environment. Raises Broken where conda cannot, since a virtual one may then do."""
    end = ""
    if tf == "2.15" and gpu:
        end = "-cuda"
    elif tf == "1.15" and gpu and not is_modern(gpu):
        end = "-gpu"
    environment = Environment(f"conda-{tf}{end}")

    def begin(made):
        if tf == "2.15":
            what = ["create", "-y", "-p", made.prefix, "-c", "conda-forge", "python=3.11", "pip"]
        else:
            is_micro = os.path.basename(conda).startswith("micromamba")
            how = ["create", "-y"] if is_micro else ["env", "create"]
            what = [*how, "-p", made.prefix, "-f", ROOT / made.requirements()[0]]
        made.logged(conda, *what)

    try:
        environment.ensure(kind, "conda's Python", begin)
    except Broken:
        why = f"{conda} could not make .envs/{environment.name} (see {environment.log})."
        say(f"{why} The end of its log:\n{environment.last_lines(5)}")
        raise Broken(why) from None
    return environment


def use(environment, gpu):
    """The Python of an environment, with a note where it does not suit the GPU."""
    if environment.family == "1.15" and is_modern(gpu):
        say(
            f"Note: TensorFlow 1.15 does not support compute capability {gpu} and may run on the "
            "CPU; "
            "TensorFlow 2.15 uses it (DFAR_TF=2.15; it needs a Python 3.9, 3.10 or 3.11)."
        )
    return str(environment.python)


def variables(python):
    """Environment variables of our programs: this checkout, its packages, none of the caller's."""
    given = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONNOUSERSITE="1", DFAR_ROOT=str(ROOT))
    prefix = pathlib.Path(python).parent.parent
    if prefix.name == "conda-1.15-gpu":  # its CUDA libraries, which activating it would offer
        others = os.environ.get("LD_LIBRARY_PATH")
        given["LD_LIBRARY_PATH"] = str(prefix / "lib") + (":" + others if others else "")
    return given
