"""Samples of the validation targets: drawn once by the run's seed and stored in its folder.

A run that resumes, and another process of a cluster, reads the file and so validates on the same targets.
"""

import os

import numpy as np
import pandas as pd

from recommenders_utils.checksums import check, checked_write
from recommenders_utils.errors import UserError

VALIDATION_FILE = "validation_sample.csv"


def stored_sample(path, store, targets, size, seed):
    """Rows of a sample among targets, ascending: those of the file, which is made if missing.

    Args:
      path: of the CSV: record, user and item of each sampled target.
      store: the ``SequenceStore``.
      targets: N of its targets, with ``users`` and ``ends``.
      size: how many to draw; all N if there are fewer.
      seed: of the draw.

    Raises:
      UserError: the file is of other targets, or damaged.
    """
    if os.path.exists(path):
        check(path, "Delete it to draw it again.")
        ends = pd.read_csv(path)["record"].to_numpy()
        rows = np.flatnonzero(np.isin(targets.ends, ends))
        if len(rows) and len(rows) == len(ends):
            return rows
        raise UserError(
            f"{path}: is not a sample of this run's validation targets. Delete it to draw it again."
        )
    random = np.random.RandomState(seed)
    rows = np.sort(random.permutation(len(targets.ends))[: min(size, len(targets.ends))])
    ends = targets.ends[rows]
    frame = {
        "record": ends,
        "user": store.user_ids[targets.users[rows]],
        "item": store.item_ids[store.items[ends] - 1],
    }
    with checked_write(path, newline="") as stream:
        pd.DataFrame(frame).to_csv(stream, index=False)
    return rows


def validation_rows(hparams, store, run_dir):
    """Rows of the validation split that are scored after each epoch: int [N]; None for all of them.

    Raises:
      UserError: no sampled target is liked, so that no metric is defined; see ``stored_sample``.
    """
    size = getattr(hparams, "validation_instances", 0)  # older runs lack the key
    part = store.splits["valid"]
    if not size:
        return None
    rows = stored_sample(os.path.join(run_dir, VALIDATION_FILE), store, part, size, hparams.seed)
    if not np.any(np.asarray(store.labels)[part.ends[rows]] == 1):
        raise UserError(
            f"validation_instances: of {len(rows)} sampled validation targets none is liked, so that "
            "they have no metric. Give a larger number, or 0 for all."
        )
    return rows
