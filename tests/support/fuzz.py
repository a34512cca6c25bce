"""Tries hostile inputs on every reader: each must end in a result or a ``UserError``.

``attempt(case)`` runs one in this process, with an alarm, a limit on memory and a digest of the case's
folder before and after. The inputs are in ``fuzz_tables.py``, ``fuzz_settings.py`` and
``fuzz_released.py``.
"""

import collections
import contextlib
import gzip
import hashlib
import io
import os
import resource
import shutil
import signal
import tempfile
import traceback
import warnings

from fuzz_targets import TARGETS

from recommenders_utils.errors import UserError

SECONDS = 20  # a case's; the slowest sound ones take about two
MEMORY = 640 << 20  # bytes a case may add to the most this process has held
RESULT, REFUSED = "result", "UserError"

Outcome = collections.namedtuple("Outcome", "kind detail")


class Hang(BaseException):
    """No end within ``SECONDS``; no ``except Exception`` may swallow it."""


def attempt(case):
    """Runs a case in a folder of its own.

    Returns:
      Outcome: ``RESULT``, ``REFUSED`` with the message, or a defect, with where it came from: the name
      of an exception, ``hang``, ``memory``, ``changed files``, ``bad message``.
    """
    folder = os.path.realpath(tempfile.mkdtemp(prefix="fuzz-"))
    inside = os.path.join(folder, "in")
    os.mkdir(inside)
    before_cwd = os.getcwd()
    try:
        for name, content in case.files.items():
            _write(os.path.join(inside, name), content)
        before, peak = _digest(folder), _peak()
        os.chdir(inside)  # so that a relative canary would show
        outcome = _outcome(case, inside, os.path.join(folder, "out"))
        os.chdir(before_cwd)
        if outcome.kind in (RESULT, REFUSED):
            if _peak() - peak > MEMORY:
                return Outcome(
                    "memory", f"{(_peak() - peak) >> 20} MiB more at {outcome.detail[:200]}"
                )
            written = os.path.join(folder, "out")
            if outcome.kind == RESULT or not any(names for _, _, names in os.walk(written)):
                shutil.rmtree(written)
            if _digest(folder) != before:
                return Outcome("changed files", f"{outcome}")
        return outcome
    finally:
        os.chdir(before_cwd)
        shutil.rmtree(folder)


def _outcome(case, inside, out):
    os.mkdir(out)
    quiet = contextlib.ExitStack()
    with quiet, _alarm(), _memory_limit(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
        quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
        try:
            TARGETS[case.target](inside, out, **case.options)
        except UserError as error:
            return _of_message(str(error))
        except Hang:
            return Outcome("hang", traceback.format_exc(limit=-8))
        except BaseException as error:
            return Outcome(type(error).__name__, traceback.format_exc(limit=-8)[-3000:])
    return Outcome(RESULT, "")


def _of_message(message):
    """A message is one that a person can read: there, not endless, without Python's own words."""
    if not message.strip() or len(message) > 5000 or "Traceback" in message:
        return Outcome("bad message", f"{len(message)} characters: {message[:300]!r}")
    return Outcome(REFUSED, message)


@contextlib.contextmanager
def _alarm():
    def ring(*_):
        raise Hang()

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _memory_limit():
    """Keeps a case from taking the machine's memory: allocations fail twice beyond ``MEMORY``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        with open("/proc/self/statm") as stream:
            held = int(stream.read().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux: the peak alone is looked at
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (held + 2 * MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _peak():
    """The most bytes this process has held (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _digest(folder):
    digest = {}
    for place, folders, names in os.walk(folder):
        for name in folders:
            digest[os.path.join(place, name)] = None
        for name in names:
            with open(os.path.join(place, name), "rb") as stream:
                digest[os.path.join(place, name)] = hashlib.sha1(stream.read()).hexdigest()
    return digest


def _write(path, content):
    packed = io.BytesIO()
    opened = packed
    if content.packing != "plain":
        # A name inside the archive is nobody's business: nothing may be written there.
        inner = "../../canary" if content.packing == "named gzip" else ""
        opened = gzip.GzipFile(inner, "wb", 1, packed, mtime=0)
    for text, times in content.pieces:
        block = text * min(times, max(1, (1 << 20) // max(1, len(text))))
        whole, rest = divmod(times, max(1, len(block) // max(1, len(text))))
        for _ in range(whole if text else 0):
            opened.write(block)
        opened.write(text * (rest if text else 0))
    if opened is not packed:
        opened.close()
    data = packed.getvalue()
    if content.packing == "cut gzip":
        data = data[: max(2, len(data) * 2 // 3)]
    elif content.packing == "damaged gzip":
        middle = len(data) // 2
        data = data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :]
    elif content.packing == "two gzips":
        data += data
    with open(path, "wb") as stream:
        stream.write(data)
