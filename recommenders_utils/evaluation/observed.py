"""Observed feedback (paper, section 2): will this user like this item? Every test target with its label."""

import typing

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.metrics import evaluate_predictions

METRICS = ("auc", "gauc", "logloss")
BINS = 10


def observed_figures(
    predictions: typing.Mapping[str, typing.Any], bins: int = BINS
) -> typing.Dict[str, float]:
    """AUC, GAUC, log loss and expected calibration error of observed targets.

        ECE = sum over bins b of n_b / N x |mean score of b - share liked of b|

    Args:
      predictions: DataFrame or mapping with ``user``, ``label`` and ``score``, one row a target, [N].
      bins: of the calibration table.

    Returns:
      ``{name: value}``: auc, gauc (NaN where no user has a liked and a disliked target, as when each
      user has one), logloss, ece, targets, share_liked, gauc_excluded_users.

    Raises:
      UserError: only liked or only disliked targets; scores that are no probabilities.
    """
    labels = np.asarray(predictions["label"])
    check_labels(labels)
    columns = {name: predictions[name] for name in ("user", "label", "score")}
    found = evaluate_predictions(dict(columns, instance=np.arange(len(labels))), METRICS)
    table = calibration(predictions["label"], predictions["score"], bins)
    gap = (table["mean_score"] - table["share_liked"]).abs() * table["count"]
    figures = {name: found[name] for name in METRICS}
    figures["ece"] = float(gap.sum() / table["count"].sum())
    figures["targets"] = len(labels)
    figures["share_liked"] = float(labels.mean())
    figures["gauc_excluded_users"] = found["gauc_excluded_users"]
    return figures


def check_labels(labels: typing.Any) -> None:
    """Raises UserError unless labels 0/1 [N] hold both liked and disliked targets."""
    for label, word in ((0, "disliked"), (1, "liked")):
        if not (np.asarray(labels) == label).any():
            raise UserError(
                f"targets=observed: the test targets hold no {word} one, so nothing tells liked from "
                "disliked; imported released files need test_data_neg, other data a longer log"
            )


def calibration(labels: typing.Any, scores: typing.Any, bins: int = BINS) -> pd.DataFrame:
    """Scores against what happened, in bins of equal width.

    Args:
      labels: 0/1 [N].
      scores: probabilities [N].
      bins: how many; bin b holds scores from b / bins, below (b + 1) / bins, the last one 1 too.

    Returns:
      DataFrame, one row a bin: low, high, count, mean_score, share_liked; NaN in an empty bin.

    Raises:
      UserError: scores outside [0, 1], or bins below 1.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if bins < 1:
        raise UserError(f"calibration: {bins} bins, expected 1 or more")
    if np.isnan(scores).any() or (scores < 0).any() or (scores > 1).any():
        raise UserError("calibration: score must be a probability in [0, 1]")
    edges = np.arange(bins + 1) / bins
    number = np.minimum(np.searchsorted(edges, scores, side="right") - 1, bins - 1)
    count = np.bincount(number, minlength=bins)
    some = np.where(count > 0, count, np.nan)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": count,
            "mean_score": np.bincount(number, weights=scores, minlength=bins) / some,
            "share_liked": np.bincount(number, weights=labels, minlength=bins) / some,
        }
    )
