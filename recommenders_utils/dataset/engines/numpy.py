"""From a log to filtered, numbered sequences in this process; an engine does the same elsewhere.

An engine has a ``NAME`` and a method ``gather`` as ``NumpyEngine`` has; whichever it is, the arrays are
the same, so that nothing of it goes into a fingerprint.
"""

import time

import numpy as np

from recommenders_utils.dataset.filtering import core_filter, one_of_pairs, statistics
from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.errors import UserError


class Clock:
    """Seconds of consecutive steps.

    Attributes:
      laps: seconds by step.
    """

    def __init__(self):
        self.laps, self._last = {}, time.perf_counter()

    def lap(self, name):
        """Ends a step; returns its seconds."""
        now = time.perf_counter()
        self.laps[name], self._last = round(now - self._last, 3), now
        return self.laps[name]


class NumpyEngine:
    """Gathers with numpy and pandas, a log that fits into memory as numbers."""

    NAME = "numpy"

    def gather(self, path, reader, data, log, clock):
        """Reads, drops repetitions, filters and numbers.

        Args:
          path: the log.
          reader: what reads it.
          data: the keys that shape the arrays.
          log: takes lines to print.
          clock: ``Clock``; gets the laps ``read`` and ``filter``.

        Returns:
          (SequenceStore without splits, the reader's report, counts of the filter).

        Raises:
          UserError: see the reader, ``one_of_pairs``, ``core_filter`` and ``sequences``.
        """
        records, reading = reader.read(data)
        log_reading(path, reader, reading, log, clock)
        users, items, labels, times, user_ids, item_ids, extras = records
        counts = {"read": statistics(users, items, labels)}
        kept = np.flatnonzero(one_of_pairs(users, items, times, data.duplicates))
        counts["duplicates"] = len(users) - len(kept)
        enough, counts["passes"] = core_filter(
            users[kept], items[kept], data.min_item_records, data.min_user_records, data.core_filter
        )
        kept = kept[enough]
        columns = (column[kept] for column in (users, items, labels, times))
        extras = {name: values[kept] for name, values in extras.items()}
        store = sequences(*columns, user_ids, item_ids, data.tie_order, extras)
        log_filter(store, counts, log, clock)
        return store, reading, counts


def choose_engine(name="numpy", spark_master=None):
    """An engine by name.

    Args:
      name: ``numpy`` or ``spark``.
      spark_master: of ``spark``, see ``SparkEngine``.

    Raises:
      UserError: another name; a master without Spark.
    """
    if name == "spark":
        from recommenders_utils.dataset.engines.spark import SparkEngine

        return SparkEngine(spark_master)
    if name != NumpyEngine.NAME:
        raise UserError(f"--engine={name}: expected numpy or spark.")
    if spark_master:
        raise UserError(f"--spark_master={spark_master} is for --engine=spark, which is not given.")
    return NumpyEngine()


def log_reading(path, reader, reading, log, clock):
    """Says what was read and what was dropped."""
    for how in ("malformed", "dropped"):
        for kind, found in reading.get(how, {}).items():
            what = "malformed rows" if how == "malformed" else "rows"
            where = f"first on line {found['first_line']}"
            log(f"data: dropped {found['count']} {what}: {kind} ({where})")
    if reading["time_unit"] != "seconds":
        log(f"data: times are in {reading['time_unit']}, converted to seconds")
    log(f"data: read {reading['kept']} {reader.WHAT} from {path} ({clock.lap('read'):.2f} s)")


def log_filter(store, counts, log, clock):
    """Says what the filter left."""
    read = counts["read"]
    log(
        f"data: kept {len(store.items)} of {read['records']} records, {store.num_users} of "
        f"{read['users']} users, {store.num_items} of {read['items']} items; "
        f"{counts['duplicates']} repetitions of a user and item dropped "
        f"({clock.lap('filter'):.2f} s)"
    )
