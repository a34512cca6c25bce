"""Gathers records into one sequence per user and numbers users and items."""

from typing import Dict, Optional

import numpy as np
import pandas as pd

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError

TIE_ORDERS = ("item", "file")


def sequences(
    users: np.ndarray,
    items: np.ndarray,
    labels: np.ndarray,
    times: np.ndarray,
    user_ids: np.ndarray,
    item_ids: np.ndarray,
    tie_order: str = "file",
    extras: Optional[Dict[str, np.ndarray]] = None,
) -> SequenceStore:
    """Groups records by user in time order and numbers users and items.

    Users are numbered by first appearance, items by descending count, ties by first appearance.
    With day stamps, many of a user's records have equal times, and their true order is unknown.
    The released code groups the records by item before it sorts them stably by time, so that ties
    follow the items' first appearance in the file (seen in its recorded output).

    Args:
      users: int [n] codes into ``user_ids``, in file order.
      items: int [n] codes into ``item_ids``, which are in order of first appearance in the file.
      labels: int8 [n].
      times: [n] seconds.
      user_ids: unicode array of raw ids, also of users without record.
      item_ids: the same for items; one without record is left out.
      tie_order: order of a user's records of equal time: ``item``, by first appearance of the item
        in the file, as released, or ``file``, as given.
      extras: name -> [n], further values of each record, or None.

    Returns:
      SequenceStore without splits, with the given extras in its order, and the extras ``user_order`` and
      ``item_order``: in which order the released code writes users, and the items' first appearance
      (see ``recommenders_utils/released/order.py``).

    Raises:
      UserError: an unknown ``tie_order``.
    """
    check_tie_order(tie_order)
    user_rows, user_found = pd.factorize(users)
    item_rows, item_found = pd.factorize(items)
    by_count = np.argsort(-np.bincount(item_rows), kind="stable")
    item_numbers = np.empty(len(by_count), np.int32)
    item_numbers[by_count] = np.arange(1, len(by_count) + 1)
    ties = items if tie_order == "item" else np.arange(len(items))
    order = np.lexsort((ties, times, user_rows))
    return SequenceStore(
        user_offsets=np.concatenate([[0], np.cumsum(np.bincount(user_rows))]).astype(np.int64),
        items=item_numbers[item_rows][order],
        labels=labels[order],
        times=times[order],
        user_ids=np.asarray(user_ids)[user_found],
        item_ids=np.asarray(item_ids)[item_found[by_count]],
        splits={},
        meta={},
        extras={
            "user_order": pd.unique(user_rows[np.argsort(items, kind="stable")]).astype(np.int32),
            "item_order": item_numbers[np.argsort(item_found)],
            **{name: values[order] for name, values in (extras or {}).items()},
        },
    )


def check_tie_order(tie_order: str) -> None:
    """Raises UserError unless ``tie_order`` is one of ``TIE_ORDERS``."""
    if tie_order not in TIE_ORDERS:
        raise UserError(f"tie_order: {tie_order!r} is unknown, expected item or file")
