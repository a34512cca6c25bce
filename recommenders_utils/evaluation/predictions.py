"""Metrics recomputed from a stored file of predictions."""

import os
import zlib
from typing import Any, Dict, Sequence

import pandas as pd

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.reading.layout import SPELLINGS, find
from recommenders_utils.reading.text import header_of

COLUMNS = ("instance", "user", "label", "score")
SPELLED = {"user": SPELLINGS["user_id"].split()}  # further names, as logs have them
# What pandas and the unpacking below it raise.
UNREADABLE = (pd.errors.ParserError, ValueError, OSError, EOFError, zlib.error)


def evaluate_file(path: str, metrics: Sequence[str], ties: str = "expected") -> Dict[str, Any]:
    """``evaluate_predictions`` of a predictions.csv.

    Args:
      path: CSV file (.gz as well) with columns instance, user, label, score; others are ignored.
      metrics: as in ``cal_metric``.
      ties: ``expected`` or ``released``.

    Returns:
      ``{name: value}`` with metrics and counts.

    Raises:
      UserError: no such file; no rows; a column missing; a field missing or not a number; a label
        other than 0 and 1; a score that is no probability where one is needed.
    """
    frame = read_predictions(path)
    # The header is line 1.
    return evaluate_predictions(frame, metrics, ties, locate=lambda row: f"{path}:{row + 2}")


def not_csv(path: str, error: Exception) -> UserError:
    """The message for a file that cannot be read as CSV."""
    return UserError(
        f"{path}: not a CSV file: {shortened(str(error).strip(), 300)}. Give a run's "
        "predictions.csv, or download or compress the file again."
    )


def read_predictions(path: str) -> pd.DataFrame:
    """The needed columns of a predictions.csv as a DataFrame: numbers, and users as text.

    Raises:
      UserError: as ``evaluate_file``, except for the meaning of the values.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file; give a run's predictions.csv")
    header_of(path)  # bounded, which pandas is not
    try:
        header = pd.read_csv(path, nrows=0).columns
        places = {name: find(header, [name, *SPELLED.get(name, ())]) for name in COLUMNS}
        missing = [name for name, at in places.items() if at is None]
        if missing:
            raise UserError(
                "{}: no column {}; expected the columns {}, got {}".format(
                    path,
                    ", ".join(missing),
                    ",".join(COLUMNS),
                    shortened(",".join(map(str, header)), 300),
                )
            )
        # A user may be named "NA" or "007": text, as written. Scores exactly as written.
        frame = pd.read_csv(
            path,
            dtype={header[places["user"]]: "category"},
            keep_default_na=False,
            skip_blank_lines=False,
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty; give a run's predictions.csv") from None
    except UNREADABLE as error:
        raise not_csv(path, error) from None
    if frame.empty:
        raise UserError(f"{path}: there is a header but no row of predictions")
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"{path}: the rows have more fields than the header names")
    frame = frame[[header[at] for at in places.values()]].copy()
    frame.columns = list(places)
    for name in COLUMNS:
        column = frame[name]
        if name == "user":
            bad = column.isna() | (column == "")
        else:
            frame[name] = pd.to_numeric(column, errors="coerce")
            bad = frame[name].isna()
        if bad.any():
            row = int(bad.to_numpy().argmax())
            expected = "an id" if name == "user" else "a number"
            raise UserError(
                f"{path}:{row + 2}: {name} must be {expected}, got {shortened(str(column[row]))!r}"
            )
    return frame
