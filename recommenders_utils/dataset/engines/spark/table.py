"""A log as a Spark table of numbered records, and what is wrong with it."""

import contextlib
import os
import re
import tempfile

from recommenders_utils.dataset.engines.spark.lines import LineParser
from recommenders_utils.errors import UserError
from recommenders_utils.reading.records import Reading

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
        self.reader, self.data = reader, data
        context, packed = session.sparkContext, reader.layout.compressed
        cores = context.defaultParallelism
        parts = max(cores, os.path.getsize(reader.layout.path) // _PART + 1) * (4 if packed else 1)
        session.conf.set("spark.sql.shuffle.partitions", str(parts))
        self._lines = context.textFile(uri, cores).zipWithIndex()
        # Gzip is unpacked by one task; the rest need not be. The numbers keep the order.
        spread = self._lines.repartition(cores) if packed and cores > 1 else self._lines
        schema = "idx long, user string, item string, label byte, time double, unit byte"
        schema = ", ".join([schema, *(f"{name} float" for name in reader.extras)])
        self.rows = session.createDataFrame(
            spread.mapPartitions(LineParser(reader, data)),
            schema + ", fault string, drop string",
            verifySchema=False,
        )

    def records(self):
        """The rows that are records."""
        return self.rows.where("fault is null and drop is null").drop("fault", "drop")

    def reading(self):
        """The ``Reading`` of the log, without its records.

        Raises:
          UserError: any malformed row, with the kinds, their counts and first lines; see
            ``Reading.require``.
        """
        from pyspark.sql import functions as F

        reading = Reading(self.reader, self.data)
        found = self.rows.groupBy("fault", "drop", "unit")
        found = found.agg(F.count("*").alias("count"), F.min("idx").alias("first")).collect()
        units = {}
        for row in sorted(found, key=lambda row: row["first"]):
            kind, tally = row["fault"] or row["drop"], reading.dropped
            if row["fault"]:
                tally = reading.malformed
            if kind:
                tally.add(kind, row["first"] + 1, kind, row["count"])
            else:
                reading.kept += row["count"]
                units[row["first"]] = reading.times.units[row["unit"]]
        if reading.malformed.total():
            raise UserError(
                f"{self.reader.layout.path}:{reading.malformed.summary(reading.rows())}; --engine=spark "
                "takes none and no line breaks inside quotes. Correct the file, or prepare with "
                "--engine=numpy, which drops and reports up to max_malformed of the rows"
            )
        lines = (
            self._lines.filter(lambda pair: pair[1] in units).collect() if len(units) > 1 else ()
        )
        times = {number: self._time(line) for line, number in lines}
        for first, unit in units.items():
            reading.times.seen[unit] = first + 1, times.get(first)
        reading.require()
        return reading

    def _time(self, line):
        part = self.reader.columns.part(self.reader.columns.split([line]), [0])
        return part.columns[self.reader.form.keys["time"]][0]
