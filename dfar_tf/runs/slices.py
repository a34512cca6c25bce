"""A run's metrics by slices of its test targets, in ``slices.csv``."""

import os

import pandas as pd

from dfar_tf.runs.folder import SCORE_AGAIN
from dfar_tf.runs.ranking import RANKS_FILE
from recommenders_utils.checksums import check, checked_write
from recommenders_utils.evaluation.names import expand
from recommenders_utils.evaluation.predictions import read_predictions
from recommenders_utils.evaluation.rank_files import read_ranks
from recommenders_utils.evaluation.slices import candidate_slices, catalogue_slices, slicings
from recommenders_utils.evaluation.targets import all_test_targets

SLICES_FILE = "slices.csv"


def write_slices(folder, store, ranked=False):
    """Writes ``slices.csv`` from the run's predictions and, if it has them, ranks.

    Args:
      folder: the run's ``RunFolder``.
      store: its ``SequenceStore``.
      ranked: whether ``ranks_test.csv`` is of this checkpoint though the ranking was not made now.

    Returns:
      DataFrame with ``slices.COLUMNS``.
    """
    hparams, targets = folder.hparams, all_test_targets(store)
    cuts = slicings(store, targets.users, targets.ends, hparams.length_groups)
    predictions = read_predictions(folder.file("predictions_test.csv"))
    found = [candidate_slices(predictions, cuts, expand(hparams.metrics), hparams.ties)]
    path = folder.file(RANKS_FILE)
    if hparams.ranking == "full" or (ranked and os.path.exists(path)):
        ranks = read_ranks(path)
        found.append(catalogue_slices(ranks, cuts, hparams.ranking_cutoffs))
    frame = pd.concat(found, ignore_index=True)
    with checked_write(folder.file(SLICES_FILE), newline="") as stream:
        frame.to_csv(stream, index=False)
    return frame


def read_slices(path):
    """A run folder's ``slices.csv`` as a DataFrame; None if it has none, as an earlier version's run."""
    path = os.path.join(path, SLICES_FILE)
    if not os.path.exists(path):
        return None
    check(path, SCORE_AGAIN)
    return pd.read_csv(path)
