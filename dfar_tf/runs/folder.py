"""A run's folder: its settings, data and versions, and everything that it produced."""

import contextlib
import datetime
import itertools
import os
import platform
import shutil
import sys

from dfar_tf.models import is_untrained
from dfar_tf.paths import in_checkout
from dfar_tf.settings import hparams_file
from recommenders_utils.checksums import DamagedFile, check, checked_write, read_checked_json, seal
from recommenders_utils.dataset.packed import pack
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.names import is_full
from recommenders_utils.files import (
    atomic_directory,
    locked,
    slug,
    write_json,
)
from recommenders_utils.hparams import HParams, prepare_hparams
from recommenders_utils.tables import printable
from recommenders_utils.temporaries import sweep

HPARAMS_FILE, RUN_FILE, RESULTS_FILE, LOG_FILE = (
    "hparams.yaml",
    "run.json",
    "results.json",
    "run.log",
)
DATA_FILE = "data.npz"  # all that serving, evaluation and resuming need of the data
INITIAL = "initial"  # folder of the weights that another run gave
FOLDERS = ("checkpoints", "best")  # of a trained model
# Without which results cannot be shown.
RESULTS_KEYS = (
    "model",
    "loss",
    "data",
    "seed",
    "statistics",
    "protocol",
    "valid",
    "test",
    "seconds",
)
# What to do about a damaged file.
RESTORE = "Restore a copy of it, or train again in another --run_dir."
SCORE_AGAIN = "Score the run again: repeat its command with --run_dir and --resume."
# What is reported of a test set.
REPORTING = ("ranking", "ranking_cutoffs", "ranking_sample", "targets", "untrained")
# What may differ when a run is resumed: where it runs and what it prints, not what is trained. The
# keys of logs are covered by the data's fingerprint.
FREE_KEYS = (
    *("cache_dir", "device", "log_every", "show_progress", "ratings", "prepared"),
    *("intra_op_threads", "inter_op_threads", "xla", "fast_attention"),
    *("interactions", "adapter", "duplicates", "utc_offset_hours", "item_features"),
    *("deterministic", "checkpoint_every"),
    *REPORTING,
)


class RunFolder:
    """The folder of one run.

    Files: ``hparams.yaml`` (merged), ``run.json`` (command, versions, seed, data fingerprint),
    ``data.npz`` (the prepared data, compressed) with its checksum in ``checksums.json``,
    ``run.log``, ``initial/`` (weights that another run gave), ``checkpoints/`` (of a trained model),
    ``best/``, ``validation_sample.csv`` and ``ranking_sample.csv`` (targets of validation),
    ``predictions_*.csv``, ``results.json``, ``results.csv``; ``slices.csv``; with ``ranking: full``
    ``ranks_test.csv`` and ``lists_test.csv``; with ``targets: observed`` ``predictions_observed.csv``
    and ``calibration.csv``.

    Args:
      path: the folder; if None, ``open`` makes a new one under ``runs/`` named by data, model, seed, time.
      echo: whether what is logged is printed too.
    """

    def __init__(self, path=None, echo=True):
        self.path = path
        self.echo = echo
        self.hparams = None
        self._early = []  # lines logged before there is a folder

    def open(self, hparams, store, command, resume=False, start=None):
        """Makes the folder, or with ``resume`` checks that it holds this run.

        Args:
          hparams: the run's hyper-parameters.
          store: the ``SequenceStore`` it trains on.
          command: the command line.
          resume: whether the folder must hold the run already.
          start: what the run takes over of another (``growth.Start``), or None.

        Raises:
          UserError: the folder holds a run and ``resume`` is off; or it holds another one.
        """
        if self.path and os.path.exists(self.file(HPARAMS_FILE)):
            if not resume:
                raise UserError(self._taken())
            self.check_same(hparams)
            self.attach(hparams, store)
            if hparams.epochs != read_settings(self.path).epochs:
                with checked_write(self.file(HPARAMS_FILE)) as stream:
                    stream.write(hparams.to_text())
            return
        if resume:
            raise UserError(f"{self.path}: it holds no run to resume ({HPARAMS_FILE} is missing).")
        record = {
            "command": command,
            "started": datetime.datetime.now().isoformat(timespec="seconds"),
            "seed": hparams.seed,
            "synthetic": store.meta["synthetic"],
            "data": store.meta["name"],
            "data_fingerprint": store.meta["fingerprint"],
            "versions": versions(tensorflow=not is_untrained(hparams.model_type)),
        }
        if start:
            record["init_from"] = start.about
        if self.path is None:
            self.path = _make_new(record, hparams, store, start)
        else:
            self._make(record, hparams, store, start)
        self.attach(hparams, store)

    def _make(self, record, hparams, store, start):
        """Makes the folder that was asked for; only one of two processes that do so at once can."""
        if os.path.isdir(self.path) and os.listdir(self.path):
            raise UserError(
                f"{self.path}: is not empty and holds no run. Give a new or an empty --run_dir."
            )
        try:
            if os.path.isdir(self.path):  # it may be a mount point, or have rights of its own
                _fill(self.path, record, hparams, store, start)
            else:
                _make_folder(self.path, record, hparams, store, start)
        except FileExistsError:
            if not os.path.isdir(self.path):  # a file is in the place of its parent
                raise
            raise UserError(self._taken()) from None

    def _taken(self):
        return (
            f"{self.path}: holds a run already. Add --resume to resume it, or give another "
            "--run_dir."
        )

    @contextlib.contextmanager
    def held(self):
        """Context that keeps other processes from training the run meanwhile.

        What killed ones have left half written is deleted.

        Raises:
          UserError: another process holds it.
        """
        taken = (
            f"{self.path}: another process is training this run. Wait for it or stop it; or give "
            "another --run_dir."
        )
        with locked(self.file(RUN_FILE), taken):
            for part in ("", *FOLDERS):
                sweep(self.file(part))
            yield

    def file(self, name):
        """Path of a file of the run."""
        return os.path.join(self.path, name)

    def say(self, line=""):
        """Writes a line to ``run.log`` and prints it; lines from before the folder exists are kept for it."""
        if self.echo:
            print(line, flush=True)
        self.note(line)

    def note(self, line=""):
        """Writes a line to ``run.log`` only."""
        self._early.append(printable(line))  # the log is read in a terminal too
        if self.hparams is not None:
            with open(self.file(LOG_FILE), "a", encoding="utf-8") as stream:
                stream.write("\n".join(self._early) + "\n")
            self._early = []

    def write_predictions(self, split, flat, store):
        """Writes ``predictions_<split>.csv``: one row per candidate, scores in full precision.

        Args:
          split: ``valid`` or ``test``.
          flat: dict of arrays as ``join_predictions`` returns.
          store: the ``SequenceStore`` they belong to.

        Returns:
          Path of the file.
        """
        import pandas as pd

        path = self.file(f"predictions_{split}.csv")
        frame = pd.DataFrame(
            {
                "instance": flat["instance"],
                "user": store.user_ids[flat["user"]],
                "item": store.item_ids[flat["item"] - 1],
                "label": flat["label"].astype(int),
                "score": flat["score"],
                "history_length": store.history_lengths(split)[flat["instance"]],
            }
        )
        with checked_write(path, newline="") as stream:
            frame.to_csv(stream, index=False)
        return path

    def attach(self, hparams, store):
        """Attaches to a folder that already holds this run.

        Raises:
          UserError: the store is not the run's data.
        """
        if read_record(self.path)["data_fingerprint"] != store.meta["fingerprint"]:
            raise UserError(
                f"{self.path}: holds a run on other data. Give the same ratings to resume it, or "
                "another --run_dir."
            )
        self.hparams = hparams

    def check_same(self, hparams):
        """Raises UserError if the folder's run has other hyper-parameters, more epochs aside."""
        then = with_new_keys(read_settings(self.path)).values()
        now = fixed_values(hparams)
        differing = [k for k in now if then.get(k) != now[k]]
        if "epochs" in differing and now["epochs"] > then["epochs"]:
            differing.remove("epochs")
        if differing:
            shown = ", ".join(f"{k} was {then.get(k)!r}, is now {now[k]!r}" for k in differing)
            raise UserError(
                f"{self.path}: holds a run with other hyper-parameters ({shown}). Give the same flags "
                "or none to resume it (--epochs may be raised), or another --run_dir."
            )


def open_run(path):
    """The hyper-parameters of a finished run.

    Raises:
      UserError: there is no finished run in the folder.
    """
    for name in (HPARAMS_FILE, RUN_FILE, RESULTS_FILE):
        if not os.path.exists(os.path.join(path, name)):
            raise UserError(
                f"{path}: it holds no finished run ({name} is missing). Give a run folder, or "
                "finish "
                "the run with --resume."
            )
    read_record(path)
    return with_new_keys(read_settings(path))


def read_record(path):
    """What ``run.json`` of a run says; DamagedFile if it is damaged."""
    return read_checked_json(os.path.join(path, RUN_FILE), RESTORE, ("data_fingerprint",))


def read_results(path):
    """What ``results.json`` of a run says; DamagedFile if it is damaged."""
    return read_checked_json(os.path.join(path, RESULTS_FILE), SCORE_AGAIN, RESULTS_KEYS)


def read_settings(path):
    """The hyper-parameters of a run as written; DamagedFile if the file is damaged."""
    path = os.path.join(path, HPARAMS_FILE)
    check(path, RESTORE)
    hparams = prepare_hparams(path)
    for section, keys in hparams.to_dict().items():  # a run has all; older ones have no checksums
        if not keys:
            raise DamagedFile(
                f"{path}: the section {section} is missing, so it is damaged. {RESTORE}"
            )
    return hparams


def with_new_keys(hparams):
    """A run's hyper-parameters, with the defaults of keys that are newer than the run.

    A new key's default is what was done before there was a choice.
    """
    files = [hparams_file("base")]
    if "model_type" in hparams:
        files.append(hparams_file("model_" + hparams.model_type))
    known = prepare_hparams(*files)
    missing = [key for key in known.schema if key not in hparams]
    schema = {**hparams.schema, **{key: known.schema[key] for key in missing}}
    return HParams(
        schema, {key: getattr(hparams if key in hparams else known, key) for key in schema}
    )


def fixed_values(hparams):
    """``{key: value}`` of what decides the outcome of training, and so may not change."""
    free = set(FREE_KEYS)
    if is_full(hparams.early_stop_metric):
        free.discard("ranking_sample")
    return {key: value for key, value in hparams.values().items() if key not in free}


def is_synthetic(path):
    """Whether a folder holds a run on generated data."""
    record = os.path.join(path, RUN_FILE)
    return os.path.exists(record) and bool(read_record(path).get("synthetic"))


def versions(tensorflow=True):
    """Versions of Python and of the packages that shape results; ``tensorflow`` says whether it is one."""
    import numpy
    import pandas
    import sklearn

    from dfar_tf.version import __version__

    found = {}
    if tensorflow:
        from recommenders_utils.backend import tf

        found["tensorflow"] = tf.__version__
    return {
        "dfar_tf": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **found,
        "numpy": numpy.__version__,
        "pandas": pandas.__version__,
        "scikit-learn": sklearn.__version__,
        "byte_order": sys.byteorder,
    }


def _make_new(record, hparams, store, start=None):
    """Makes a folder under ``runs/`` named by data, model, seed and time; returns its path."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{slug(hparams.name)}-{hparams.model_type}-seed{hparams.seed}-{stamp}"
    for number in itertools.count(1):
        ending = f"-{number}" if number > 1 else ""
        path = in_checkout(os.path.join("runs", name + ending))
        try:
            _make_folder(path, record, hparams, store, start)
            return path
        except FileExistsError:
            if not os.path.isdir(path):  # else it is of a run that started in the same second
                raise
    return None


def _make_folder(path, record, hparams, store, start):
    """Makes a folder that appears with all files in it or, on a full disk, not at all.

    Raises:
      FileExistsError: a folder is there and is not empty.
    """
    with atomic_directory(path, replace=False) as folder:
        _write_settings(folder, record, hparams, store, start)


def _fill(folder, record, hparams, store, start=None):
    """Writes into an empty folder.

    Raises:
      FileExistsError: another process does.
    """
    claim = os.path.join(folder, RUN_FILE)
    os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        _write_settings(folder, record, hparams, store, start)
    except BaseException:
        shutil.rmtree(os.path.join(folder, INITIAL), ignore_errors=True)
        # The claim last: until then no other process writes here.
        for path in (*(os.path.join(folder, name) for name in (DATA_FILE, HPARAMS_FILE)), claim):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        raise


def _write_settings(folder, record, hparams, store, start):
    if start:
        start.write(folder)
    pack(store, os.path.join(folder, DATA_FILE))
    write_json(os.path.join(folder, RUN_FILE), record)
    hparams.save(os.path.join(folder, HPARAMS_FILE))
    seal(folder)
