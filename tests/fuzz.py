"""Tries hostile inputs on every reader: each must end in a result or a ``UserError``.

``attempt(case)`` runs one in this process, with an alarm, a limit on memory and a digest of the case's
folder before and after. The inputs are in ``fuzz_inputs.py``, ``fuzz_settings.py`` and ``fuzz_released.py``.
"""

import collections
import contextlib
import functools
import gzip
import hashlib
import io
import os
import resource
import shutil
import signal
import tempfile
import traceback
import types
import warnings

import numpy as np

from dfar_tf import cli
from dfar_tf.paths import HPARAMS
from dfar_tf.serving.histories import Vocabulary
from dfar_tf.serving.lists import choose_users
from dfar_tf.serving.predict import predict_file
from recommenders_utils.dataset.adapter_choice import choose
from recommenders_utils.dataset.blocks import RecordTooLong, text_blocks
from recommenders_utils.dataset.interactions import LogReader
from recommenders_utils.dataset.ratings import read_ratings
from recommenders_utils.dataset.ratings_layout import first_bytes, readable
from recommenders_utils.dataset.released import import_released
from recommenders_utils.dataset.released_vocabulary import read_vocabulary
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.io.released_rows import released_file_batches

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


# Targets: called with the folder of the files, an empty one to write to, and the case's options.


def _ratings(inside, out, **options):
    read_ratings(os.path.join(inside, "log.csv"), **options)


def _blocks(inside, out, block_bytes, skip):
    path = os.path.join(inside, "log.csv")
    try:
        with readable(path):
            compressed, _ = first_bytes(path)
            for _ in text_blocks(path, compressed, skip, block_bytes):
                pass
    except RecordTooLong as error:  # what the module says it raises
        raise UserError(f"{path}: {error}") from error


def _log(inside, out, adapter, chunk, max_malformed):
    folder = os.path.join(HPARAMS, "adapters")
    named = os.path.join(inside, adapter) if adapter == "mine.yaml" else adapter
    layout, form, chosen = choose(os.path.join(inside, "log.csv"), named, folder)
    hparams = cli.merge_hparams(
        chosen.hparams or "interactions", max_malformed=max_malformed, **form.overrides()
    )
    LogReader(layout, form, chunk=chunk).read(hparams)


def _hparams(inside, out, alone):
    mine = os.path.join(inside, "mine.yaml")
    files = [mine] if alone else [cli.hparams_file("base"), mine]
    hparams = prepare_hparams(*files)
    saved = os.path.join(out, "saved.yaml")
    hparams.save(saved)
    hparams.describe()
    assert prepare_hparams(saved) == hparams


def _flags(inside, out, arguments):
    from dfar_tf.commands import train

    _cached_schema()
    options = cli.parse(train, ["train", *arguments])
    if options:
        options.hparams()


@functools.lru_cache(None)
def _cached_schema():
    """Reads our own YAML files once, not for each case."""
    schemas = list(cli._schemas())
    cli._schemas = lambda: schemas


def _vocabulary():
    store = types.SimpleNamespace(
        num_items=4,
        num_users=2,
        item_ids=np.array(["i1", "i2", "i3", "i:1"]),
        user_ids=np.array(["u1", "u2"]),
        user_offsets=np.array([0, 2, 3]),
        items=np.array([1, 2, 3]),
        labels=np.array([1, 0, 1], np.int8),
        meta={"synthetic": False, "name": "small"},
    )
    return Vocabulary(store, object(), 5)


def _run():
    """Stands for an open run: all but the model, whose logits are 0."""
    vocabulary = _vocabulary()
    scorer = types.SimpleNamespace(
        encode=lambda arrays: {"state": arrays["history_mask"]},
        score=lambda state, block: np.zeros(block.shape, np.float32),
    )
    hparams = types.SimpleNamespace(show_progress=False)
    return types.SimpleNamespace(
        vocabulary=vocabulary, store=vocabulary.store, scorer=scorer, hparams=hparams
    )


def _rows(inside, out, chunk, output):
    predict_file(_run(), os.path.join(inside, "rows.csv"), os.path.join(out, output), chunk=chunk)


def _histories(inside, out, texts):
    vocabulary = _vocabulary()
    vocabulary.arrays(vocabulary.parsed(texts))


def _lists(inside, out):
    choose_users(_run(), os.path.join(inside, "users.txt"))


def _released(inside, out):
    import_released(inside, log=lambda line: None)


def _released_rows(inside, out, **options):
    for _ in released_file_batches(os.path.join(inside, "lines"), ["0", "1", "x"], **options):
        pass


def _pickle(inside, out, kind):
    read_vocabulary(os.path.join(inside, "vocab.pkl"), kind)


TARGETS = {
    "ratings": _ratings,
    "blocks": _blocks,
    "log": _log,
    "hparams": _hparams,
    "flags": _flags,
    "rows": _rows,
    "histories": _histories,
    "lists": _lists,
    "released": _released,
    "released_rows": _released_rows,
    "pickle": _pickle,
}
