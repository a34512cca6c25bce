"""Brings sorted Spark tables to arrays, one part after the other, as bytes rather than rows."""

import itertools

import numpy as np

CHUNK = 100000  # rows that a worker turns to bytes at a time


def arrays_of(table, dtypes):
    """Collects a sorted table.

    Args:
      table: columns that fit ``dtypes``.
      dtypes: of the arrays; ``str`` for text.

    Returns:
      List of arrays [rows].
    """

    def pack(rows):
        """The rows of a part column by column, which are far smaller than rows."""
        rows = iter(rows)
        while True:
            columns = list(zip(*itertools.islice(rows, CHUNK)))
            if not columns:
                return
            yield [np.array(c, dtype) for c, dtype in zip(columns, dtypes)]

    parts = list(table.rdd.mapPartitions(pack).toLocalIterator())
    return [np.concatenate([part.pop(0) for part in parts]) for _ in dtypes]
