"""A run's folder: its settings, data and versions, and everything that it produced."""

import contextlib
import datetime
import os
import platform
import sys

from dfar_tf.models import is_untrained
from dfar_tf.paths import in_checkout
from dfar_tf.settings import hparams_file
from recommenders_utils.dataset.packed import pack
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.names import is_full
from recommenders_utils.files import (
    atomic_directory,
    atomic_write,
    locked,
    read_json,
    seal,
    slug,
    write_json,
)
from recommenders_utils.hparams import HParams, prepare_hparams

HPARAMS_FILE, RUN_FILE, RESULTS_FILE, LOG_FILE = (
    "hparams.yaml",
    "run.json",
    "results.json",
    "run.log",
)
DATA_FILE = "data.npz"  # all that serving, evaluation and resuming need of the data
# What is reported of a test set; runs of earlier versions lack these keys.
REPORTING = ("ranking", "ranking_cutoffs", "ranking_sample", "targets", "untrained")
# What may differ when a run is resumed: where it runs and what it prints, not what is trained. The
# keys of logs are covered by the data's fingerprint.
FREE_KEYS = (
    *("cache_dir", "device", "log_every", "show_progress", "ratings", "prepared"),
    *("intra_op_threads", "inter_op_threads", "xla", "fast_attention"),
    *("interactions", "adapter", "duplicates", "utc_offset_hours"),
    *("deterministic", "checkpoint_every"),
    *REPORTING,
)


class RunFolder:
    """The folder of one run.

    Files: ``hparams.yaml`` (merged), ``run.json`` (command, versions, seed, data fingerprint),
    ``data.npz`` (the prepared data, compressed) with its checksum in ``checksums.json``,
    ``run.log``, ``checkpoints/`` (of a trained model), ``best/``, ``predictions_*.csv``,
    ``results.json``, ``results.csv``; ``slices.csv``; with ``ranking: full``
    ``ranks_test.csv`` and ``lists_test.csv``; with ``targets: observed`` ``predictions_observed.csv``
    and ``calibration.csv``.

    Args:
      path: the folder; if None, ``open`` makes a new one under ``runs/`` named by data, model, time.
      echo: whether what is logged is printed too.
    """

    def __init__(self, path=None, echo=True):
        self.path = path
        self.echo = echo
        self.hparams = None
        self._early = []  # lines logged before there is a folder

    def open(self, hparams, store, command, resume=False):
        """Makes the folder, or with ``resume`` checks that it holds this run.

        Args:
          hparams: the run's hyper-parameters.
          store: the ``SequenceStore`` it trains on.
          command: the command line.
          resume: whether the folder must hold the run already.

        Raises:
          UserError: the folder holds a run and ``resume`` is off; or it holds another one.
        """
        self.path = self.path or _new_path(hparams)
        if os.path.exists(self.file(HPARAMS_FILE)):
            if not resume:
                raise UserError(
                    f"{self.path}: holds a run already. Add --resume to resume it, or give "
                    "another --run_dir."
                )
            self.check_same(hparams)
            self.attach(hparams, store)
            if hparams.epochs != prepare_hparams(self.file(HPARAMS_FILE)).epochs:
                hparams.save(self.file(HPARAMS_FILE))
            return
        if resume:
            raise UserError(f"{self.path}: it holds no run to resume ({HPARAMS_FILE} is missing).")
        if os.path.isdir(self.path) and os.listdir(self.path):
            raise UserError(
                f"{self.path}: is not empty and holds no run. Give a new or an empty --run_dir."
            )
        # A new folder appears with all files in it or, on a full disk, not at all.
        fresh = not os.path.exists(self.path)
        with atomic_directory(self.path) if fresh else contextlib.nullcontext(self.path) as folder:
            pack(store, os.path.join(folder, DATA_FILE))
            seal(folder, DATA_FILE)
            write_json(
                os.path.join(folder, RUN_FILE),
                {
                    "command": command,
                    "started": datetime.datetime.now().isoformat(timespec="seconds"),
                    "seed": hparams.seed,
                    "synthetic": store.meta["synthetic"],
                    "data": store.meta["name"],
                    "data_fingerprint": store.meta["fingerprint"],
                    "versions": versions(tensorflow=not is_untrained(hparams.model_type)),
                },
            )
            hparams.save(os.path.join(folder, HPARAMS_FILE))
        self.attach(hparams, store)

    def held(self):
        """Context that keeps other processes from training the run meanwhile.

        Raises:
          UserError: another process holds it.
        """
        return locked(
            self.file(RUN_FILE),
            f"{self.path}: another process is training this run. Wait for it or stop it; or give "
            "another --run_dir.",
        )

    def file(self, name):
        """Path of a file of the run."""
        return os.path.join(self.path, name)

    def say(self, line=""):
        """Writes a line to ``run.log`` and prints it; lines from before the folder exists are kept for it."""
        if self.echo:
            print(line, flush=True)
        self._early.append(line)
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
        with atomic_write(path, newline="") as stream:
            frame.to_csv(stream, index=False)
        return path

    def attach(self, hparams, store):
        """Attaches to a folder that already holds this run.

        Raises:
          UserError: the store is not the run's data.
        """
        if read_json(self.file(RUN_FILE))["data_fingerprint"] != store.meta["fingerprint"]:
            raise UserError(
                f"{self.path}: holds a run on other data. Give the same ratings to resume it, or "
                "another --run_dir."
            )
        self.hparams = hparams

    def check_same(self, hparams):
        """Raises UserError if the folder's run has other hyper-parameters, more epochs aside."""
        then = prepare_hparams(self.file(HPARAMS_FILE)).values()
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
    return with_new_keys(prepare_hparams(os.path.join(path, HPARAMS_FILE)))


def with_new_keys(hparams):
    """A run's hyper-parameters, with the defaults of ``REPORTING`` where the run is older than these."""
    base = prepare_hparams(hparams_file("base"))
    missing = [key for key in REPORTING if key not in hparams]
    schema = {**hparams.schema, **{key: base.schema[key] for key in missing}}
    return HParams(
        schema, {key: getattr(hparams if key in hparams else base, key) for key in schema}
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
    return os.path.exists(record) and bool(read_json(record).get("synthetic"))


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


def _new_path(hparams):
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{slug(hparams.name)}-{hparams.model_type}-{stamp}"
    path, extra = in_checkout(os.path.join("runs", name)), 1
    while os.path.exists(path):
        extra += 1
        path = in_checkout(os.path.join("runs", f"{name}-{extra}"))
    return path
