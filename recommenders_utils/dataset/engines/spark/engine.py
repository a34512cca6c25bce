"""Gathers sequences with Spark: large data stay there, only the final columns come back.

The arrays are those of ``NumpyEngine`` to the byte. The key of a user or an item is the number of the
line it first appears on, which is both an order and a number.
"""

import numpy as np

from recommenders_utils.dataset.engines.progress import say_filter, say_reading
from recommenders_utils.dataset.engines.spark.arrays import arrays_of
from recommenders_utils.dataset.engines.spark.session import spark_session
from recommenders_utils.dataset.engines.spark.table import LogTable, spark_path
from recommenders_utils.dataset.filtering import (
    check_core_filter,
    check_duplicates,
    nothing_left,
    table1_columns,
)
from recommenders_utils.dataset.sequences import check_tie_order
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.reading.records import Reading


class SparkEngine:
    """Gathers a log with Spark.

    Args:
      master: of a cluster, whose machines must see the file under the same path; by default all cores of
        this machine.
    """

    NAME = "spark"

    def __init__(self, master=None):
        self.master = master

    def gather(self, path, reader, data, say, clock):
        """Reads, drops repetitions, filters and numbers; see ``NumpyEngine.gather``.

        Raises:
          UserError: PySpark or Java is missing; any malformed row; see ``NumpyEngine.gather``.
        """
        Reading(reader, data)  # what is wrong with the keys needs no session
        check_duplicates(data.duplicates)
        check_core_filter(data.core_filter)
        check_tie_order(data.tie_order)
        with spark_session(self.master) as session, spark_path(reader.layout) as uri:
            say(f"data: reading with Spark {session.version} on {session.sparkContext.master}")
            return _Gathering(session, LogTable(session, uri, reader, data), data).run(
                path, say, clock
            )


class _Gathering:
    """One log on its way through a session."""

    def __init__(self, session, table, data):
        from pyspark.sql import functions

        self.F, self.session, self.table, self.data = functions, session, table, data
        self.extras, self.kept_tables = table.reader.extras, []

    def run(self, path, say, clock):
        try:
            return self._run(path, say, clock)
        finally:
            for table in self.kept_tables:
                table.unpersist()

    def _run(self, path, say, clock):
        F = self.F
        self._keep(self.table.rows)
        reading = self.table.reading().report()
        say_reading(path, reading, say, clock)
        say(f"data: {reading['rows'] / max(clock.laps['read'], 1e-3):,.0f} rows a second")
        table = self.table.records()
        users = self._keep(table.groupBy("user").agg(F.min("idx").alias("u")))
        items = self._keep(table.groupBy("item").agg(F.min("idx").alias("i")))
        coded = table.join(users, "user").join(items, "item")
        records = self._keep(coded.select("idx", "u", "i", "label", "time", *self.extras))
        sums = F.sum(F.col("label").cast("long")), F.min(F.col("time") == F.floor("time"))
        positive, whole = records.agg(*sums).collect()[0]
        sizes = reading["kept"], users.count(), items.count()
        counts = {"read": table1_columns(*sizes, int(positive))}
        single = self._keep(self._one_of_pairs(records))
        number = single.count()
        counts["duplicates"] = reading["kept"] - number
        kept, counts["passes"] = self._core_filter(single, number)
        store = self._sequences(kept, users, items, whole)
        say_filter(store, counts, say, clock)
        return store, reading, counts

    def _keep(self, table):
        """A table that is computed once, on disk where memory is short, until the end."""
        from pyspark import StorageLevel

        self.kept_tables.append(table.persist(StorageLevel.MEMORY_AND_DISK))
        return table

    def _one_of_pairs(self, records):
        """The record of each user and item that ``one_of_pairs`` marks."""
        F, which = self.F, self.data.duplicates
        if which == "all":
            return records
        # The first of the columns that differs decides, so idx settles equal times.
        order = ["idx", "time"] if which in ("first", "last") else ["time", "idx"]
        choose = F.min if which in ("first", "earliest") else F.max
        more = ["label", *self.extras]
        chosen = records.groupBy("u", "i").agg(choose(F.struct(*order, *more)).alias("r"))
        return chosen.select("r.idx", "u", "i", "r.time", *(f"r.{name}" for name in more))

    def _core_filter(self, records, number):
        """What ``core_filter`` keeps, and the passes it took."""
        F, data = self.F, self.data
        passes, kept, before = 0, records, number
        while True:
            passes += 1
            kept = self._keep(self._enough(kept, "i", data.min_item_records))
            after_items = kept.count()
            # Cut from its origin, or the plan of a fixed point grows with every pass.
            kept = self._enough(kept, "u", data.min_user_records).localCheckpoint()
            after = kept.count()
            if not after:
                sizes = records.agg(F.countDistinct("u"), F.countDistinct("i")).collect()[0]
                limits = data.min_item_records, data.min_user_records, data.core_filter
                raise nothing_left((number, *sizes), after_items, *limits)
            if data.core_filter == "one_pass" or after == before:
                return kept, passes
            before = after

    def _enough(self, records, key, minimum):
        if minimum <= 1:
            return records
        enough = records.groupBy(key).count().where(self.F.col("count") >= minimum)
        return records.join(enough.select(key), key, "left_semi")

    def _sequences(self, kept, users, items, whole):
        """The store that ``sequences`` makes of the same records."""
        F, by_item = self.F, self.data.tie_order == "item"
        user_table = kept.groupBy("u").agg(
            F.min("idx").alias("first"),
            F.count("*").alias("count"),
            F.min(F.struct("i", "idx")).alias("by_item"),
        )
        item_table = kept.groupBy("i").agg(F.min("idx").alias("first"), F.count("*").alias("count"))
        user_table, item_table = self._keep(user_table), self._keep(item_table)
        named = user_table.join(users, "u").orderBy("first")
        user_ids, lengths, earliest_item, its_idx = arrays_of(
            named.select("user", "count", "by_item.i", "by_item.idx"), (str, *[np.int64] * 3)
        )
        named = item_table.join(items, "i").orderBy(F.desc("count"), "first")
        item_ids, item_keys = arrays_of(named.select("item", "i"), (str, np.int64))
        numbers = self.session.createDataFrame(
            item_table.orderBy(F.desc("count"), "first").rdd.zipWithIndex().map(_numbered),
            "i long, number int",
        )
        # Rows of the same user stand together because the line of its first record is its own.
        records = kept.join(user_table.select("u", "first"), "u").join(numbers, "i")
        tie = ["i", "idx"] if by_item else ["idx"]
        ordered = records.orderBy("first", "time", *tie)
        ordered = ordered.select("number", "label", "time", *self.extras)
        dtypes = np.int32, np.int8, np.float64, *[np.float32] * len(self.extras)
        number, label, time, *extras = arrays_of(ordered, dtypes)
        return SequenceStore(
            user_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            items=number,
            labels=label,
            times=time.astype(np.int64) if whole else time,
            user_ids=user_ids.astype(self._text_type(users, "user")),
            item_ids=item_ids.astype(self._text_type(items, "item")),
            splits={},
            meta={},
            extras={
                "user_order": np.lexsort((its_idx, earliest_item)).astype(np.int32),
                "item_order": (np.argsort(item_keys) + 1).astype(np.int32),
                **dict(zip(self.extras, extras)),
            },
        )

    def _text_type(self, table, column):
        """As wide as the longest id of the whole file, kept or not, since numpy's is."""
        return f"U{table.agg(self.F.max(self.F.length(column))).collect()[0][0]}"


def _numbered(pair):
    row, number = pair
    return row[0], number + 1
