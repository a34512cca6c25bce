"""A ratings file as a Spark table of numbered rows, and what is wrong with it."""

import contextlib
import os
import re
import tempfile

from recommenders_utils.dataset.engines.spark_rows import RowParser
from recommenders_utils.errors import UserError
from recommenders_utils.reading.ratings import MILLISECONDS
from recommenders_utils.reading.ratings_layout import EXAMPLE

SCHEMA = "idx long, user string, item string, rating double, time double, fault string"
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
        link = os.path.join(folder, "ratings.csv.gz" if layout.compressed else "ratings.csv")
        os.symlink(path, link)
        yield "file://" + link


def read_table(session, uri, layout, data):
    """Parses all lines.

    Args:
      session: ``SparkSession``.
      uri: of the file.
      layout: its ``Layout``.
      data: has ``rating_min`` and ``rating_max``.

    Returns:
      Table of ``SCHEMA``; ``idx`` is the number of the line, from 0.
    """
    context = session.sparkContext
    parts = max(context.defaultParallelism, os.path.getsize(layout.path) // _PART + 1)
    session.conf.set("spark.sql.shuffle.partitions", str(parts * (4 if layout.compressed else 1)))
    numbered = context.textFile(uri, context.defaultParallelism).zipWithIndex()
    if layout.compressed and context.defaultParallelism > 1:
        # Gzip is unpacked by one task; the rest need not be. The numbers keep the order.
        numbered = numbered.repartition(context.defaultParallelism)
    parser = RowParser(layout, float(data.rating_min), float(data.rating_max))
    return session.createDataFrame(numbered.mapPartitions(parser), SCHEMA, verifySchema=False)


def refuse_faults(path, table, rows):
    """Raises if any row is malformed.

    Args:
      path: the file.
      table: as ``read_table`` gives it.
      rows: how many rows it has.

    Raises:
      UserError: the kinds with their counts and first lines.
    """
    from pyspark.sql import functions as F

    if not rows:
        raise UserError(f"{path}: no record found, expected lines such as {EXAMPLE}")
    faults = table.where("fault is not null").groupBy("fault")
    found = faults.agg(F.count("*").alias("count"), F.min("idx").alias("first")).collect()
    if not found:
        return
    found.sort(key=lambda row: (-row["count"], row["first"]))
    kinds = ", ".join(f"{r['fault']}: {r['count']} (first on line {r['first'] + 1})" for r in found)
    total = sum(row["count"] for row in found)
    raise UserError(
        f"{path}:{found[0]['first'] + 1}: {found[0]['fault']}. Malformed rows: {total} of {rows} "
        f"({kinds}); --engine=spark takes none and no line breaks inside quotes. Correct the file, or "
        "prepare with --engine=numpy, which drops and reports up to max_malformed of the rows"
    )


def time_unit(path, table):
    """Whether times are in seconds or milliseconds, and whether all are whole seconds.

    Args:
      path: the file.
      table: as ``read_table`` gives it, all rows sound.

    Returns:
      (``seconds`` or ``milliseconds``, bool).

    Raises:
      UserError: the file mixes both, with a line of each.
    """
    from pyspark.sql import functions as F

    late = F.col("time") >= MILLISECONDS
    ends = {
        "late": F.min(F.when(late, F.struct("idx", "time"))),
        "early": F.min(F.when(~late, F.struct("idx", "time"))),
        "whole": F.min(F.col("time") == F.floor("time")),
        "whole_ms": F.min(F.col("time") / 1000.0 == F.floor(F.col("time") / 1000.0)),
    }
    found = table.agg(*(value.alias(name) for name, value in ends.items())).collect()[0]
    if found["late"] and found["early"]:
        lines = [f"{found[k]['idx'] + 1} has {found[k]['time']:.0f}" for k in ("early", "late")]
        raise UserError(
            f"{path}: times are in seconds on some lines and milliseconds on others: line {lines[0]}, "
            f"line {lines[1]}; write all of them in unix seconds"
        )
    if found["late"]:
        return "milliseconds", bool(found["whole_ms"])
    return "seconds", bool(found["whole"])
