"""Files of whole-catalogue ranking: ``ranks_test.csv`` and ``lists_test.csv``."""

import os
import typing

import numpy as np
import pandas as pd

from recommenders_utils.checksums import checked_write
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import COLUMNS, checked_ranks

LIST_COLUMNS = ("instance", "user", "place", "item", "score")


def write_ranks(path: str, ranks: pd.DataFrame) -> None:
    """Writes ranks with the columns ``catalogue.COLUMNS``, whole or not at all."""
    _write(path, ranks[list(COLUMNS)])


def read_ranks(path: str) -> pd.DataFrame:
    """Reads and checks a ranks_test.csv (.gz as well): user and item as text, the rest numbers.

    The column ties may be missing: only figures with ties="mean" need it.

    Raises:
      UserError: no such file, a column missing, no rows, or a value that cannot be, with its line.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file; evaluate the run with --ranking=full first")
    try:
        frame = pd.read_csv(
            path, dtype={"user": str, "item": str}, keep_default_na=False, skip_blank_lines=False
        )
    except pd.errors.EmptyDataError:
        raise UserError(f"{path}: the file is empty; give a run's ranks_test.csv") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, EOFError) as error:
        raise UserError(f"{path}: not a CSV file: {str(error).strip()}") from None
    missing = [name for name in COLUMNS if name not in frame and name != "ties"]
    if missing:
        raise UserError(f"{path}: no column {missing[0]}; expected the columns {','.join(COLUMNS)}")
    for name in ("instance", "label", "rank", "candidates", "ties"):
        if name not in frame:
            continue
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = ~np.isfinite(numbers.to_numpy(np.float64))
        if bad.any():
            row = int(bad.argmax())
            got = frame[name].iloc[row]
            raise UserError(f"{path}:{row + 2}: {name} must be a number, got '{got}'")
        frame[name] = numbers
    checked = checked_ranks(frame, locate=lambda row: f"{path}:{row + 2}")
    return frame.assign(**{name: values for name, values in checked.items() if values is not None})


def write_lists(
    path: str,
    instances: typing.Sequence[int],
    users: np.ndarray,
    items: np.ndarray,
    item_ids: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Writes lists of the best items, one line a place.

    Args:
      path: destination.
      instances: int [N].
      users: raw ids [N].
      items: int [N, K] item rows, -1 where a list is shorter (see ``places.TopK``).
      item_ids: raw ids of the catalogue [I].
      scores: float [N, K].
    """
    rows, places = np.nonzero(items >= 0)
    columns = (
        np.asarray(instances)[rows],
        np.asarray(users)[rows],
        places + 1,
        np.asarray(item_ids)[items[rows, places]],
        scores[rows, places],
    )
    _write(path, pd.DataFrame(dict(zip(LIST_COLUMNS, columns))))


def read_lists(path: str, item_ids: np.ndarray, k: int) -> np.ndarray:
    """The item rows of a lists_test.csv: int64 [N, k], one row a list, -1 where a list is shorter.

    Args:
      path: written by ``write_lists``.
      item_ids: raw ids of the catalogue [I].
      k: places of a list.

    Raises:
      UserError: no such file; an item that is not in the catalogue.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file; evaluate the run with --ranking=full first")
    frame = pd.read_csv(path, dtype={"user": str, "item": str}, keep_default_na=False)
    rows = pd.Index(np.asarray(item_ids).astype(object)).get_indexer(frame["item"])
    if (rows < 0).any():
        bad = int(np.argmax(rows < 0))
        raise UserError(f"{path}:{bad + 2}: item '{frame['item'][bad]}' is not in the run's data")
    lists = np.full([len(frame["instance"].unique()), k], -1, np.int64)
    lists[pd.factorize(frame["instance"])[0], frame["place"] - 1] = rows
    return lists


def _write(path, frame):
    with checked_write(path) as stream:
        frame.to_csv(stream, index=False)
