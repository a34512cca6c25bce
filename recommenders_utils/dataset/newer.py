"""Histories from a newer log, in the ids that a model was trained with."""

from typing import Any, Callable

import numpy as np
import pandas as pd

from recommenders_utils.dataset.filtering import one_of_pairs
from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.reading.forms import LEVEL
from recommenders_utils.tables import counted


def newer_histories(
    reader: Any, data: Any, item_ids: Any, say: Callable[[str], Any] = lambda line: None
) -> SequenceStore:
    """The users of a log and their histories, as the training's data would have them.

    Feedback, repeated pairs and the order within a user follow the training's settings. Of its filters none
    applies: every user stays who has a known item, and records of other items are left out.

    Args:
      reader: the log's ``RecordReader``.
      data: the training's ``data`` hyper-parameters.
      item_ids: unicode [I], the items that the model knows.
      say: called with the line that says what was read.

    Returns:
      SequenceStore without splits, its items numbered as in ``item_ids``.

    Raises:
      UserError: see the reader; no record has a known item.
    """
    records, _ = reader.read(data)
    rows = pd.Index(np.asarray(item_ids).astype(object)).get_indexer(
        records.item_ids.astype(object)
    )
    known = rows[records.items] >= 0
    path = reader.title
    if not known.any():
        raise UserError(
            f"{path}: the run's data have none of its {counted(len(records.item_ids), 'item')}. Give "
            "a log with the item ids of the training."
        )
    pairs = records.users, records.items, records.times
    kept = known & one_of_pairs(*pairs, data.duplicates)
    store = sequences(
        *(records.users[kept], records.items[kept]),
        *(records.labels[kept], records.times[kept]),
        records.user_ids,
        records.item_ids,
        data.tie_order,
        {name: values[kept] for name, values in records.extras.items() if name == LEVEL},
    )
    numbers = pd.Index(np.asarray(item_ids).astype(object)).get_indexer(
        store.item_ids.astype(object)
    )
    store.items = (numbers[store.items - 1] + 1).astype(np.int32)
    store.item_ids = np.asarray(item_ids)
    store.extras = {name: values for name, values in store.extras.items() if name == LEVEL}
    store.times = np.floor(store.times).astype(np.int64)
    left = int(np.count_nonzero(~known))
    say(
        f"histories: {counted(len(store.items), 'record')} of {counted(store.num_users, 'user')} in {path}"
        + (f"; {counted(left, 'record')} of items that the run does not know left out" * bool(left))
    )
    return store
