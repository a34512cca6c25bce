"""Which records stay: drops duplicates, rare items and short users; and Table 1's row for the rest."""

from typing import Any, Dict, Tuple

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError

DUPLICATES = ("first", "last", "earliest", "latest", "all")


def first_of_pairs(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Marks the first record of every (user, item) pair.

    Args:
      users: int [n] user codes from 0, in file order.
      items: int [n] item codes from 0.

    Returns:
      bool [n], False for repetitions (RELEASED: the first in the file is kept).
    """
    pairs = np.asarray(users, np.int64) * (int(np.max(items)) + 1 if len(items) else 1) + items
    return ~pd.Series(pairs).duplicated(keep="first").to_numpy()


def one_of_pairs(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, which: str = "first"
) -> np.ndarray:
    """Marks the record of every (user, item) pair that is kept.

    Args:
      users: int [n] user codes from 0, in file order.
      items: int [n] item codes from 0.
      times: [n] seconds.
      which: ``first`` or ``last`` in the file, ``earliest`` or ``latest`` in time (of equal times the
        first or last in the file), or ``all``.

    Returns:
      bool [n].

    Raises:
      UserError: another ``which``.
    """
    check_duplicates(which)
    if which == "all":
        return np.ones(len(users), bool)
    order = np.arange(len(users))
    if which in ("earliest", "latest"):
        order = np.argsort(times, kind="stable")
    if which in ("last", "latest"):
        order = order[::-1]
    keep = np.empty(len(users), bool)
    keep[order] = first_of_pairs(np.asarray(users)[order], np.asarray(items)[order])
    return keep


def core_filter(
    users: np.ndarray,
    items: np.ndarray,
    min_item_records: int,
    min_user_records: int,
    method: str = "one_pass",
) -> Tuple[np.ndarray, int]:
    """Keeps items, then users, with enough records.

    Args:
      users: int [n] user codes from 0.
      items: int [n] item codes from 0.
      min_item_records: an item with fewer records is dropped.
      min_user_records: then a user with fewer of the remaining records is dropped.
      method: ``one_pass`` as released, which may leave items with fewer records again, or
        ``fixed_point``, repeated until nothing changes.

    Returns:
      (keep, passes): bool [n] and how many passes it took.

    Raises:
      UserError: nothing is left, with the counts before and the key to lower.
    """
    check_core_filter(method)
    keep, passes = np.ones(len(users), bool), 0
    while True:
        before, passes = np.count_nonzero(keep), passes + 1
        keep[keep] = _enough(items[keep], min_item_records)
        after_items = np.count_nonzero(keep)
        keep[keep] = _enough(users[keep], min_user_records)
        if not keep.any():
            sizes = len(users), len(np.unique(users)), len(np.unique(items))
            key = "min_user_records" if after_items else "min_item_records"
            limit = min_user_records if after_items else min_item_records
            raise UserError(
                "the filter leaves no record: of {} records, {} users and {} items, ".format(*sizes)
                + f"{after_items} records are left once items have min_item_records="
                f"{min_item_records}, none once users have min_user_records={min_user_records} "
                f"(core_filter={method}); lower {key} (now {limit})"
            )
        if method == "one_pass" or np.count_nonzero(keep) == before:
            return keep, passes


def check_duplicates(which: str) -> None:
    """Raises UserError unless ``which`` is one of ``DUPLICATES``."""
    if which not in DUPLICATES:
        raise UserError(
            f"duplicates: {which!r} is unknown, expected one of {', '.join(DUPLICATES)}"
        )


def check_core_filter(method: str) -> None:
    """Raises UserError unless ``method`` is a known filter."""
    if method not in ("one_pass", "fixed_point"):
        raise UserError(f"core_filter: {method!r} is unknown, expected one_pass or fixed_point")


def statistics(users: np.ndarray, items: np.ndarray, labels: np.ndarray) -> Dict[str, Any]:
    """Counts a log as the paper's Table 1 does.

    Args:
      users: [n] a code per record, equal for records of one user.
      items: [n] a code per record, equal for records of one item.
      labels: [n] 1 positive, 0 negative feedback.

    Returns:
      dict with Table 1's columns ``users, items, positive_records, negative_records,
      avg_records_per_user`` and ``records``, as plain numbers.
    """
    records, distinct = len(labels), len(np.unique(users))
    positive = int(np.count_nonzero(labels))
    return {
        "users": distinct,
        "items": len(np.unique(items)),
        "records": records,
        "positive_records": positive,
        "negative_records": records - positive,
        "avg_records_per_user": records / distinct if distinct else 0.0,
    }


def _enough(codes, minimum):
    """[m] whether a record's code occurs at least ``minimum`` times."""
    return (np.bincount(codes) >= minimum)[codes] if len(codes) else np.zeros(0, bool)
