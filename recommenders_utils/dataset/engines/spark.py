"""Gathers sequences with Spark: what is large stays there, what comes back is the final columns.

The arrays are those of ``NumpyEngine`` to the byte. The key of a user or an item is the number of the
line it first appears on, which is an order and a number at once.
"""

import os

import numpy as np

from recommenders_utils.dataset.engines.numpy import log_filter, log_reading
from recommenders_utils.dataset.engines.spark_columns import packed_columns, text_and_numbers
from recommenders_utils.dataset.engines.spark_reading import (
    read_table,
    refuse_faults,
    spark_path,
    time_unit,
)
from recommenders_utils.dataset.engines.spark_session import spark_session
from recommenders_utils.dataset.filtering import (
    check_core_filter,
    check_duplicates,
    nothing_left,
    table1_columns,
)
from recommenders_utils.dataset.sequences import check_tie_order
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.reading.ratings_layout import detect_layout, readable
from recommenders_utils.reading.ratings_records import RatingsReader, check_threshold


class SparkEngine:
    """Gathers a ratings file with Spark.

    Args:
      master: of a cluster, whose machines must see the file under the same path; by default all cores of
        this machine.
    """

    NAME = "spark"

    def __init__(self, master=None):
        self.master = master

    def gather(self, path, reader, data, log, clock):
        """Reads, drops repetitions, filters and numbers; see ``NumpyEngine.gather``.

        Raises:
          UserError: a reader other than ``RatingsReader``; PySpark or Java is missing; any malformed row;
            see ``NumpyEngine.gather``.
        """
        if not isinstance(reader, RatingsReader):
            raise UserError(
                f"{path}: --engine=spark reads ratings (--ratings=FILE); a log read through an "
                "adapter needs --engine=numpy"
            )
        check_threshold(data)
        check_duplicates(data.duplicates)
        check_core_filter(data.core_filter)
        check_tie_order(data.tie_order)
        with readable(path):
            layout = detect_layout(path)
        with spark_session(self.master) as session, spark_path(layout) as uri:
            log(f"data: reading with Spark {session.version} on {session.sparkContext.master}")
            return _Gathering(session, uri, layout, data).run(path, reader, log, clock)


class _Gathering:
    """One log on its way through a session."""

    def __init__(self, session, uri, layout, data):
        from pyspark.sql import functions

        self.F, self.session = functions, session
        self.uri, self.layout, self.data = uri, layout, data
        self.kept_tables = []

    def run(self, path, reader, log, clock):
        try:
            return self._run(path, reader, log, clock)
        finally:
            for table in self.kept_tables:
                table.unpersist()

    def _run(self, path, reader, log, clock):
        F, data = self.F, self.data
        table = self._keep(read_table(self.session, self.uri, self.layout, data))
        rows = table.count()
        refuse_faults(path, table, rows)
        unit, whole = time_unit(path, table)
        reading = {
            "file": os.path.basename(path),
            "rows": rows,
            "kept": rows,
            "malformed": {},
            "time_unit": unit,
            **self.layout.describe(),
        }
        log_reading(path, reader, reading, log, clock)
        log(f"data: {rows / max(clock.laps['read'], 1e-3):,.0f} rows a second")
        users = self._keep(table.groupBy("user").agg(F.min("idx").alias("u")))
        items = self._keep(table.groupBy("item").agg(F.min("idx").alias("i")))
        time = F.col("time") / 1000.0 if unit == "milliseconds" else F.col("time")
        label = (F.col("rating") > float(data.rating_threshold)).cast("byte")
        coded = table.join(users, "user").join(items, "item")
        records = self._keep(
            coded.select("idx", "u", "i", label.alias("label"), time.alias("time"))
        )
        positive = records.agg(F.sum(F.col("label").cast("long"))).collect()[0][0]
        sizes = rows, users.count(), items.count()
        counts = {"read": table1_columns(*sizes, int(positive))}
        single = self._keep(self._one_of_pairs(records))
        number = single.count()
        counts["duplicates"] = rows - number
        kept, counts["passes"] = self._core_filter(single, number)
        store = self._sequences(kept, users, items, whole)
        log_filter(store, counts, log, clock)
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
        chosen = records.groupBy("u", "i").agg(choose(F.struct(*order, "label")).alias("r"))
        return chosen.select("r.idx", "u", "i", "r.label", "r.time")

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
        user_ids, (lengths, earliest_item, its_idx) = text_and_numbers(
            named.select("user", "count", "by_item.i", "by_item.idx")
        )
        named = item_table.join(items, "i").orderBy(F.desc("count"), "first")
        item_ids, (item_keys,) = text_and_numbers(named.select("item", "i"))
        numbers = self.session.createDataFrame(
            item_table.orderBy(F.desc("count"), "first").rdd.zipWithIndex().map(_numbered),
            "i long, number int",
        )
        # Rows of the same user stand together because the line of its first record is its own.
        records = kept.join(user_table.select("u", "first"), "u").join(numbers, "i")
        tie = ["i", "idx"] if by_item else ["idx"]
        ordered = records.orderBy("first", "time", *tie).select("number", "label", "time")
        number, label, time = packed_columns(ordered, int(lengths.sum()))
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
            },
        )

    def _text_type(self, table, column):
        """As wide as the longest id of the whole file, kept or not, since numpy's is."""
        return f"U{table.agg(self.F.max(self.F.length(column))).collect()[0][0]}"


def _numbered(pair):
    row, number = pair
    return row[0], number + 1
