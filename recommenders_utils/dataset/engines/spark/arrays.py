"""Brings sorted Spark tables to arrays, one part after the other, as bytes rather than rows."""

import itertools

import numpy as np

CHUNK = 100000  # rows that a worker turns to bytes at a time


def text_and_numbers(table):
    """Collects a sorted table of a text and numbers.

    Args:
      table: first column string, the others long.

    Returns:
      (unicode array of the first column, int64 [columns, rows] of the others).
    """
    parts = table.rdd.mapPartitions(_split).toLocalIterator()
    texts, numbers = [], []
    for names, values in parts:
        texts.append(np.array(names, dtype=str))
        numbers.append(np.frombuffer(values, np.int64).reshape(len(names), -1))
    return np.concatenate(texts), np.concatenate(numbers).T


def _split(rows):
    rows = iter(rows)
    while True:
        chunk = list(itertools.islice(rows, CHUNK))
        if not chunk:
            return
        names = [row[0] for row in chunk]
        yield names, np.array([tuple(row)[1:] for row in chunk], np.int64).tobytes()


def packed_columns(table, length, dtypes):
    """Collects a sorted table of numbers into arrays of their final size.

    Args:
      table: columns that fit ``dtypes``.
      length: how many rows it has.
      dtypes: of the arrays.

    Returns:
      List of arrays [length].
    """

    def pack(rows):
        """The rows of a part as bytes, column by column, which are far smaller than rows."""
        rows = iter(rows)
        while True:
            columns = list(zip(*itertools.islice(rows, CHUNK)))
            if not columns:
                return
            yield tuple(np.array(c, d).tobytes() for c, d in zip(columns, dtypes))

    arrays = [np.empty(length, dtype) for dtype in dtypes]
    at = 0
    for parts in table.rdd.mapPartitions(pack).toLocalIterator():
        columns = [np.frombuffer(part, dtype) for part, dtype in zip(parts, dtypes)]
        for array, column in zip(arrays, columns):
            array[at : at + len(column)] = column
        at += len(columns[0])
    if at != length:
        raise RuntimeError(f"Spark gave {at} records where it had counted {length}")
    return arrays
