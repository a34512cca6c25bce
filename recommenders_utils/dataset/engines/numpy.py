"""From a log to filtered, numbered sequences in this process."""

import functools
from typing import Any, Callable, Dict, Iterable, Tuple

import numpy as np

from recommenders_utils.dataset.engines.progress import say_filter, say_reading
from recommenders_utils.dataset.filtering import (
    check_core_filter,
    check_duplicates,
    core_filter,
    one_of_pairs,
    statistics,
)
from recommenders_utils.dataset.sequences import check_tie_order, sequences
from recommenders_utils.reading.records import flat_map


class NumpyEngine:
    """Gathers with numpy and pandas, a log that fits into memory as numbers."""

    NAME = "numpy"

    def flat_map(
        self, say: Callable[[str], Any], function: Callable[..., Any], blocks: Iterable[Any]
    ) -> Iterable[Any]:
        """Yields what a function yields for each block; ``say`` is called with each line to print."""
        return flat_map(function, blocks)

    def gather(
        self, path: str, reader: Any, data: Any, say: Callable[[str], Any], clock: Any
    ) -> Tuple[Any, Dict[str, Any], Dict[str, Any]]:
        """Reads, drops repetitions, filters and numbers.

        Args:
          path: the log.
          reader: its ``RecordReader``.
          data: the keys that shape the arrays.
          say: called with each line to print.
          clock: ``Clock``; gets the laps ``read`` and ``filter``.

        Returns:
          (SequenceStore without splits, the reader's report, counts of the filter).

        Raises:
          UserError: see the reader, ``one_of_pairs``, ``core_filter`` and ``sequences``.
        """
        # What is wrong with the keys is told before the log is read.
        check_duplicates(data.duplicates)
        check_core_filter(data.core_filter)
        check_tie_order(data.tie_order)
        records, reading = reader.read(data, functools.partial(self.flat_map, say))
        say_reading(path, reading, say, clock)
        users, items, labels, times, user_ids, item_ids, extras = records
        counts: Dict[str, Any] = {"read": statistics(users, items, labels)}
        kept = np.flatnonzero(one_of_pairs(users, items, times, data.duplicates))
        counts["duplicates"] = len(users) - len(kept)
        enough, counts["passes"] = core_filter(
            users[kept], items[kept], data.min_item_records, data.min_user_records, data.core_filter
        )
        kept = kept[enough]
        users, items, labels, times = (each[kept] for each in (users, items, labels, times))
        extras = {name: values[kept] for name, values in extras.items()}
        ids = user_ids, item_ids
        store = sequences(users, items, labels, times, *ids, data.tie_order, extras)
        say_filter(store, counts, data, say, clock)
        return store, reading, counts
