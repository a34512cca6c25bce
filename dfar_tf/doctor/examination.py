"""Says what was found on this machine, what would be used and why, and how to fix problems."""

import collections
import os
import shutil

from dfar_tf.doctor.gpu import find_cuda, find_gpus
from dfar_tf.doctor.python import find_packages, find_python, load_tensorflow
from dfar_tf.doctor.report import BROKEN, GOOD, PROBLEM, Finding
from dfar_tf.paths import ROOT, in_checkout, shown
from recommenders_utils.errors import UserError
from recommenders_utils.files import write_json

ROOM = 2 << 30  # bytes that a run with its data and checkpoints may need
GIB = float(1 << 30)
# What a run may write elsewhere, so that a read-only checkout suffices.
ELSEWHERE = {
    "runs": "give another folder with --run_dir",
    "prepared data": "give another folder with --cache_dir",
}


def run_doctor(hparams, output=None, root=ROOT, say=print):
    """Examines the machine, prints the findings by section, and writes them.

    Args:
      hparams: the merged hyper-parameters: ``device`` and ``cache_dir`` are those of a run.
      output: JSON file, or None.
      root: the checkout.
      say: called with each line to print.

    Returns:
      Exit status: 1 if something needed is broken, else 0.

    Raises:
      OSError: ``output`` cannot be written.
    """
    findings, sections = [], collections.OrderedDict()
    for section, found in _look(hparams, root):
        if section not in sections:
            say(("\n" if sections else "") + section)
        sections.setdefault(section, []).append(found)
        findings.append(found)
        for line in found.lines():
            say("  " + line)
    broken = [found for found in findings if found.state == BROKEN]
    problems = [found for found in findings if found.state == PROBLEM]
    say("\n" + _verdict(broken, problems))
    if output:
        body = {name: [f._asdict() for f in found] for name, found in sections.items()}
        write_json(output, {"broken": len(broken), "problems": len(problems), "found": body})
        say(f"written: {shown(output)}")
    return 1 if broken else 0


def _look(hparams, root):
    """Yields (section, Finding) in the order of the report."""
    packages = find_packages(root)
    for found in [*find_python(root), *packages]:
        yield "Python and packages", found
    tf, found = load_tensorflow()
    yield "Python and packages", found
    gpus = find_gpus()
    for found in [*gpus.findings, *find_cuda(tf, bool(gpus.names))]:
        yield "GPU", found
    cache_dir = in_checkout_of(root, hparams.cache_dir)
    for found in _machine(root, cache_dir):
        yield "Machine", found
    for found in _data(root, cache_dir, any(found.state == BROKEN for found in packages)):
        yield "Data", found
    yield "What a run would use", _device(tf, hparams.device, gpus)


def _data(root, cache_dir, unreadable):
    if unreadable:
        return [Finding("logs", "not checked: the packages that read them are broken", GOOD)]
    # Not at the top: these modules import packages that may be what is broken.
    from dfar_tf.doctor.data import find_data_files, find_prepared

    return [*find_data_files(root), *find_prepared(cache_dir)]


def in_checkout_of(root, path):
    """A path as a run takes it: relative to the checkout ``root``."""
    return in_checkout(path) if root == ROOT else os.path.normpath(os.path.join(root, path))


def _machine(root, cache_dir):
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    yield Finding("cores", f"{usable} of {cores} usable", GOOD)
    yield _memory()
    # What is not there yet is made in the nearest folder that is.
    for name, folder in (
        ("runs", os.path.join(root, "runs")),
        ("prepared data", cache_dir),
        ("temporary files", os.environ.get("TMPDIR") or "/tmp"),
    ):
        yield _disk(name, folder)


def _memory():
    total, free = memory_bytes()
    if total is None:
        return Finding("memory", "unknown on this system", GOOD)
    text = f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB free"
    if free < ROOM:
        return Finding(
            "memory", text, PROBLEM, "close other programs, or lower batch_size and eval_batch_size"
        )
    return Finding("memory", text, GOOD)


def memory_bytes():
    """(total, available), or (None, None) where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            lines = dict(line.split(":", 1) for line in stream if ":" in line)
        return tuple(int(lines[key].split()[0]) << 10 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        pass
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None, None
    return total, total


def _disk(name, folder):
    there = os.path.abspath(folder)
    while not os.path.exists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
        instead = ELSEWHERE.get(name, "set TMPDIR to another folder")
        state = BROKEN if name not in ELSEWHERE else PROBLEM
        return Finding(
            "disk for " + name,
            f"{shown(there)} cannot be written",
            state,
            f"make it writable, or {instead}",
        )
    free = shutil.disk_usage(there).free
    text = f"{free / GIB:.1f} GiB free in {shown(there)}"
    if free < ROOM:
        advice = f"free space: a run may take {ROOM / GIB:.0f} GiB"
        return Finding("disk for " + name, text, PROBLEM, advice)
    return Finding("disk for " + name, text, GOOD)


def _device(tf, device, gpus):
    """The device that ``--device`` selects, and why."""
    name = f"--device={device}"
    if tf is None:
        return Finding(name, "nothing: TensorFlow is not usable", BROKEN, "fix TensorFlow first")
    from dfar_tf.estimator.session import choose_devices, device_line

    try:
        config, _, _ = choose_devices(device)
    except UserError as error:
        return Finding(name, str(error), BROKEN, "choose another device, or see GPU above")
    line = device_line(device, config)
    if device != "auto" or config.device_count.get("GPU", 1) != 0:
        return Finding(name, line, GOOD)
    if not gpus.names:
        return Finding(name, f"{line} No NVIDIA driver reports one either.", GOOD)
    return Finding(
        name,
        f"{line} The driver finds {len(gpus.names)}, but TensorFlow cannot use it.",
        PROBLEM,
        gpus.advice(tf.__version__),
    )


def _verdict(broken, problems):
    if broken:
        names = ", ".join(found.name for found in broken)
        return f"Broken, and needed: {names}. Nothing will run until this is fixed; see above."
    if problems:
        return f"Everything needed is there; each of the {len(problems)} problem(s) above has a suggestion."
    return "Everything needed is there."
