"""The released code's figures: its metrics, its grouping, its rounding, and its prediction files."""

from typing import Callable, Dict

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.predictions import UNREADABLE, not_csv, read_predictions
from recommenders_utils.reading.text import header_of

BLOCK = 10  # consecutive rows that are ranked together
DIGITS = 4
OVERALL = ("auc", "logloss", "gauc")
RANKED = ("mrr", "ndcg@2", "ndcg@4", "ndcg@6", "ndcg@8", "ndcg@10")
# Ours -> what the release calls it.
NAMES = {"mrr": "mean_mrr", "gauc": "wauc"}


def read_any_predictions(path: str) -> pd.DataFrame:
    """A predictions file of ours or of the release, as ``read_predictions`` gives ours.

    The release's has a column of users (``user_index``, ``user_id_index``), ``label`` and
    ``prediction``. It names no instance; leave one out gives a user one instance in a split, so that
    consecutive rows of one user are one.

    Raises:
      UserError: as ``read_predictions``.
    """
    try:
        header_of(path)
        header = list(pd.read_csv(path, nrows=0).columns)
    except (UserError, *UNREADABLE):
        return read_predictions(path)  # which says what is wrong
    users = [name for name in header if name.startswith("user")]
    if "prediction" not in header or "label" not in header or len(users) != 1:
        return read_predictions(path)
    try:
        frame = pd.read_csv(path, float_precision="round_trip", dtype={users[0]: str})
    except UNREADABLE as error:
        raise not_csv(path, error) from None
    if frame.empty:
        raise UserError(f"{path}: there is a header but no row of predictions")
    for name in ("label", "prediction"):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        if numbers.isna().any():
            row = int(numbers.isna().to_numpy().argmax())
            raise UserError(
                f"{path}:{row + 2}: {name} must be a number, got {shortened(str(frame[name][row]))!r}"
            )
        frame[name] = numbers
    user = frame[users[0]].astype(str)
    return pd.DataFrame(
        {
            "instance": (user != user.shift()).cumsum() - 1,
            "user": user,
            "label": frame["label"],
            "score": frame["prediction"],
        }
    )


def in_blocks(frame: pd.DataFrame) -> bool:
    """Whether every ten consecutive rows are an instance with a positive: what the release can rank."""
    if len(frame) % BLOCK:
        return False
    instances = np.asarray(frame["instance"]).reshape(-1, BLOCK)
    positives = np.asarray(frame["label"]).reshape(-1, BLOCK).sum(axis=1)
    distinct = len(np.unique(instances[:, 0])) == len(instances)
    return bool(distinct and np.all(instances == instances[:, :1]) and np.all(positives > 0))


def released_values(
    frame: pd.DataFrame, locate: Callable[[int], str] = "row {}".format
) -> Dict[str, float]:
    """The released figures before they are rounded.

    RELEASED, metrics: MRR and NDCG over consecutive 10 rows, ties in the order numpy's heapsort leaves
    them in, reversed; weighted AUC with 1 for a user of fewer than 10 rows.

    Args:
      frame: columns ``instance``, ``user``, ``label``, ``score``, in the order of the file.
      locate: row number to text, for messages.

    Returns:
      ``{our name: value}``: auc, logloss, gauc, and the ranked ones if the rows are blocks of ten.
    """
    ranked = in_blocks(frame)
    columns = {name: frame[name] for name in ("user", "label", "score")}
    columns["instance"] = np.arange(len(frame)) // BLOCK
    names = [*OVERALL[:2], *(RANKED if ranked else ()), OVERALL[2]]
    values = evaluate_predictions(columns, names, "released", locate)
    return {name: values[name] for name in names}


def released_figures(
    frame: pd.DataFrame, locate: Callable[[int], str] = "row {}".format
) -> Dict[str, float]:
    """``released_values`` as the release prints them: under its names, to four digits."""
    values = released_values(frame, locate)
    return {NAMES.get(name, name): round(value, DIGITS) for name, value in values.items()}
