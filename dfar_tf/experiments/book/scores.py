"""Test scores of a book's cells in one file a part: enough to compare models again without their runs.

``scores/LOG-OBJECTIVE.npz`` has the rows of the test once and, for each cell, the place of every row in the
order of its scores, equal scores on one place. A ranking metric sees the order alone, so that the four
of the paper come out the same, and so do their tests; the log loss does not.
"""

import os
import zipfile

import numpy as np
import pandas as pd

from dfar_tf.runs.ranking import RANKS_FILE
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.rank_files import read_ranks
from recommenders_utils.files import atomic_write

FOLDER = "scores"
COLUMNS = ("instance", "user", "label", "history_length")  # of the rows that all cells share
RANKED = ("instance", "user", "label")  # of the ranked targets


class Scores:
    """What cells scored in the test, from their run folders or, where these are not, from files of a book.

    Args:
      folder: of a book that has ``scores/``; None for run folders alone.
    """

    def __init__(self, folder=None):
        self.folder, self._files = folder, {}

    def predictions(self, part, folder):
        """A cell's test predictions, or None.

        Args:
          part: the (log, objective) of its Part.
          folder: of its run.

        Returns:
          DataFrame with ``COLUMNS`` and ``score``.
        """
        path = os.path.join(folder, "predictions_test.csv")
        if os.path.exists(path):
            return pd.read_csv(path, usecols=[*COLUMNS, "score"], dtype={"user": str})
        return self._packed(part, COLUMNS, "row", "score", folder)

    def ranks(self, part, folder):
        """A cell's ranks in the whole catalogue, ``RANKED`` and ``rank``; else as ``predictions``."""
        path = os.path.join(folder, RANKS_FILE)
        if os.path.exists(path):
            return read_ranks(path)[[*RANKED, "rank"]]
        return self._packed(part, RANKED, "target", "rank", folder)

    def whole(self, part, entry):
        """``predictions`` of each run of an Entry; None while one is not there."""
        found = [self.predictions(part, folder) for folder in entry.folders]
        return None if any(frame is None for frame in found) else found

    def _packed(self, part, columns, kind, value, folder):
        arrays, name = self._arrays(part), f"{value} {os.path.basename(folder)}"
        if name not in arrays:
            return None
        shared = {column: arrays[f"{kind} {column}"] for column in columns}
        return pd.DataFrame({**shared, value: arrays[name].astype(np.float64)})

    def _arrays(self, part):
        if part not in self._files:
            path = self.folder and os.path.join(self.folder, FOLDER, file_of(part))
            self._files[part] = _read(path) if path and os.path.exists(path) else {}
        return self._files[part]

    def write(self, path, part, folders):
        """Packs the cells of a part that have predictions.

        Args:
          path: the file; nothing is written if no cell has predictions.
          part: as of ``predictions``.
          folders: of their runs.

        Raises:
          ValueError: two cells have other rows.
        """
        arrays = {}
        for folder in dict.fromkeys(folders):
            name, frame = os.path.basename(folder), self.predictions(part, folder)
            if frame is None:
                continue
            _share(arrays, "row", frame, COLUMNS)
            arrays[f"score {name}"] = _small(np.unique(frame["score"], return_inverse=True)[1])
            ranks = self.ranks(part, folder)
            if ranks is not None:
                _share(arrays, "target", ranks, RANKED)
                arrays[f"rank {name}"] = ranks["rank"].to_numpy(np.float32)  # halves at most
        if arrays:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with atomic_write(path, "wb") as stream:
                np.savez_compressed(stream, **arrays)


def file_of(part):
    """Name of a part's file."""
    return "-".join(part) + ".npz"


def _share(arrays, kind, frame, columns):
    """Keeps columns once, and checks that every cell has the same."""
    for column in columns:
        values = frame[column].to_numpy()
        values = values.astype(str) if column == "user" else _small(values.astype(np.int64))
        if not np.array_equal(arrays.setdefault(f"{kind} {column}", values), values):
            raise ValueError("the predictions have different rows")


def _small(values):
    """Whole numbers from 0 in the smallest type that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _read(path):
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: is damaged ({error}); restore it, or delete it to do without these scores"
        ) from None
