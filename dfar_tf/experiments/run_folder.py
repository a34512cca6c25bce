"""A run's folder: what was asked, on what, with what, and everything that came out of it."""

import datetime
import os
import platform
import re
import sys

from dfar_tf.paths import in_checkout
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write, read_json, write_json
from recommenders_utils.hparams import prepare_hparams

HPARAMS_FILE, RUN_FILE, RESULTS_FILE, LOG_FILE = (
    "hparams.yaml",
    "run.json",
    "results.json",
    "run.log",
)
# What may differ between a run and its continuation: where and how loudly, not what.
FREE_KEYS = ("cache_dir", "device", "log_every", "show_progress", "ratings", "prepared")


class RunFolder:
    """The folder of one run.

    Files: ``hparams.yaml`` (merged), ``run.json`` (command, versions, seed, data fingerprint),
    ``run.log``, ``checkpoints/``, ``best/``, ``predictions_valid.csv``, ``predictions_test.csv``,
    ``results.json``, ``results.csv``.

    Args:
      path: the folder; a new one under ``runs/`` named by data, model and time if None.
      hparams: the run's hyper-parameters.
    """

    def __init__(self, path, hparams):
        self.hparams = hparams
        self.path = path or _new_path(hparams)

    def open(self, store, command, resume=False):
        """Makes the folder, or with ``resume`` checks that it holds this very run.

        Raises:
          UserError: the folder holds a run and ``resume`` is off; or it holds another one.
        """
        if os.path.exists(self.file(HPARAMS_FILE)):
            if not resume:
                raise UserError(
                    f"{self.path}: holds a run already. Add --resume to go on with it, or give "
                    "another --run_dir."
                )
            self._check_same(store)
            return
        if resume:
            raise UserError(f"{self.path}: no run to resume there ({HPARAMS_FILE} is missing).")
        os.makedirs(self.path, exist_ok=True)
        write_json(
            self.file(RUN_FILE),
            {
                "command": command,
                "started": datetime.datetime.now().isoformat(timespec="seconds"),
                "seed": self.hparams.seed,
                "synthetic": store.meta["synthetic"],
                "data": store.meta["name"],
                "data_fingerprint": store.meta["fingerprint"],
                "versions": versions(),
            },
        )
        self.hparams.save(self.file(HPARAMS_FILE))

    def file(self, name):
        """Path of a file of the run."""
        return os.path.join(self.path, name)

    def log(self, line=""):
        """Prints a line and keeps it in ``run.log`` (before the folder is there, only prints)."""
        print(line, flush=True)
        if os.path.isdir(self.path):
            with open(self.file(LOG_FILE), "a", encoding="utf-8") as stream:
                stream.write(line + "\n")

    def write_predictions(self, split, flat, store):
        """Writes ``predictions_<split>.csv``: a row a candidate, scores in full precision.

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

    def _check_same(self, store):
        then = prepare_hparams(self.file(HPARAMS_FILE)).values()
        now = self.hparams.values()
        differing = [k for k in now if k not in FREE_KEYS and then.get(k) != now[k]]
        if differing:
            shown = ", ".join(f"{k} was {then.get(k)!r}, is {now[k]!r}" for k in differing)
            raise UserError(
                f"{self.path}: holds a run with other hyper-parameters ({shown}). Give the same flags "
                "to resume it, or another --run_dir."
            )
        if read_json(self.file(RUN_FILE))["data_fingerprint"] != store.meta["fingerprint"]:
            raise UserError(
                f"{self.path}: holds a run on other data. Give the same ratings to resume it, or "
                "another --run_dir."
            )


def versions():
    """Versions of Python and of the packages that shape results."""
    import numpy
    import pandas
    import sklearn

    from dfar_tf import __version__
    from recommenders_utils.backend import tf

    return {
        "dfar_tf": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "tensorflow": tf.__version__,
        "numpy": numpy.__version__,
        "pandas": pandas.__version__,
        "scikit-learn": sklearn.__version__,
        "byte_order": sys.byteorder,
    }


def slug(text):
    """Lower-case words joined by ``-``, for file names."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _new_path(hparams):
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{slug(hparams.name)}-{hparams.model_type}-{stamp}"
    path, extra = in_checkout(os.path.join("runs", name)), 1
    while os.path.exists(path):
        extra += 1
        path = in_checkout(os.path.join("runs", f"{name}-{extra}"))
    return path
