"""A log as a Spark table of numbered records, and what is wrong with it."""

import contextlib
import os
import re
import tempfile

from recommenders_utils.dataset.engines.spark.lines import LineParser
from recommenders_utils.errors import UserError

# Bytes of text that one task of a shuffle may have.
_PART = 64 << 20


@contextlib.contextmanager
def spark_path(layout):
    """A name under which Spark reads the file as it is.

    Spark goes by the ending of a name, not by the content, to tell gzip, and takes some characters for
    patterns; a file whose name would mislead it is read through a link.

    Args:
      layout: ``Layout`` of the file.

    Yields:
      URI.

    Raises:
      OSError: a link cannot be made.
    """
    path = os.path.abspath(layout.path)
    plain = not re.search(r"[^\w./ -]", path) and path.endswith(".gz") == layout.compressed
    if plain and not path.endswith((".bz2", ".lz4", ".snappy", ".zst", ".deflate")):
        yield "file://" + path
        return
    with tempfile.TemporaryDirectory(prefix="dfar-spark-") as folder:
        link = os.path.join(folder, "log.csv.gz" if layout.compressed else "log.csv")
        os.symlink(path, link)
        yield "file://" + link


class LogTable:
    """All rows of a log.

    Attributes:
      rows: table of ``idx`` (the number of the line, from 0), ``user``, ``item``, ``label``, ``time``
        (seconds), ``unit``, a float for each extra, ``fault`` and ``drop``; of a row that is out all
        but the number and one of the last two are null.

    Args:
      session: ``SparkSession``.
      uri: of the file.
      reader: the log's ``RecordReader``.
      data: the keys that shape the arrays.
    """

    def __init__(self, session, uri, reader, data):
        context, layout = session.sparkContext, reader.layout
        cores = context.defaultParallelism
        parts = max(cores, os.path.getsize(layout.path) // _PART + 1) * (
            4 if layout.compressed else 1
        )
        session.conf.set("spark.sql.shuffle.partitions", str(parts))
        self._lines = context.textFile(uri, cores).zipWithIndex()
        numbered = self._lines
        if layout.compressed and cores > 1:
            # Gzip is unpacked by one task; the rest need not be. The numbers keep the order.
            numbered = numbered.repartition(cores)
        extras = "".join(f"{name} float, " for name in reader.extras)
        schema = "idx long, user string, item string, label byte, time double, unit byte, "
        self.rows = session.createDataFrame(
            numbered.mapPartitions(LineParser(reader, data)),
            f"{schema}{extras}fault string, drop string",
            verifySchema=False,
        )
        self.reader, self.data = reader, data

    def records(self):
        """The rows that are records."""
        return self.rows.where("fault is null and drop is null").drop("fault", "drop")

    def reading(self):
        """The ``Reading`` of the log, its counts alone.

        Raises:
          UserError: any malformed row, with the kinds, their counts and first lines; see
            ``Reading.require``.
        """
        from pyspark.sql import functions as F

        reading = self.reader.reading(self.data)
        found = self.rows.groupBy("fault", "drop", "unit")
        found = found.agg(F.count("*").alias("count"), F.min("idx").alias("first")).collect()
        firsts = {}
        for row in sorted(found, key=lambda row: row["first"]):
            line, count = row["first"] + 1, row["count"]
            if row["fault"] is not None:
                reading.malformed.add(row["fault"], line, row["fault"], count)
            elif row["drop"] is not None:
                reading.dropped.add(row["drop"], line, row["drop"], count)
            else:
                reading.kept += count
                firsts[row["unit"]] = row["first"]
        self._refuse(reading.malformed, sum(row["count"] for row in found))
        texts = self._times(firsts.values()) if len(firsts) > 1 else {}
        for unit, first in firsts.items():
            reading.times.seen[reading.times.units[unit]] = first + 1, texts.get(first)
        reading.require(self.data.max_malformed)
        return reading

    def _refuse(self, malformed, rows):
        if not malformed.total():
            return
        worst = max(malformed.kinds(), key=malformed.counts.get)
        kinds = ", ".join(
            f"{kind}: {malformed.counts[kind]} (first on line {malformed.first[kind][0]})"
            for kind in malformed.kinds()
        )
        raise UserError(
            f"{self.reader.layout.path}:{malformed.first[worst][0]}: {worst}. Malformed rows: "
            f"{malformed.total()} of {rows} ({kinds}); --engine=spark takes none and no line breaks "
            "inside quotes. Correct the file, or prepare with --engine=numpy, which drops and reports up "
            "to max_malformed of the rows"
        )

    def _times(self, numbers):
        """Number of a line -> text of its time."""
        numbers, columns = set(numbers), self.reader.columns
        found = self._lines.filter(lambda pair: pair[1] in numbers).collect()
        rows = columns.split([line for line, _ in found])
        part = columns.part(rows, [number for _, number in found])
        times = part.columns[self.reader.form.keys["time"]]
        return {number: times[row] for row, number in enumerate(part.lines)}
