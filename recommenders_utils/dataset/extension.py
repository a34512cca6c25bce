"""A store whose vocabulary has items that are in none of its records."""

import dataclasses
import hashlib
from typing import Any, Sequence

import numpy as np

from recommenders_utils.dataset.store import SequenceStore


def with_items(
    store: SequenceStore, item_ids: Sequence[str], mark: str, **meta: Any
) -> SequenceStore:
    """A copy of a store with further items behind its own.

    Args:
      store: the sequences.
      item_ids: raw ids that it lacks.
      mark: what tells this store from ``store``, for its fingerprint.
      **meta: entries of ``meta`` to change.
    """
    extras = dict(store.extras)
    if "item_order" in extras:  # see released/order.py
        later = store.num_items + 1 + np.arange(len(item_ids))
        extras["item_order"] = np.append(extras["item_order"], later).astype(np.int32)
    digest = hashlib.sha256((store.meta["fingerprint"] + mark).encode()).hexdigest()
    return dataclasses.replace(
        store,
        item_ids=np.concatenate([store.item_ids, np.array(item_ids, str)]),
        extras=extras,
        meta={**store.meta, "fingerprint": digest, **meta},
    )
