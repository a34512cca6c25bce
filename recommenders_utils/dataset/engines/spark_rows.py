"""Lines of a ratings file to rows, on Spark's workers, by the rules of ``ratings_rows``.

Nothing here needs Spark. Each line is a row of its own: a line break inside quotes, which the reader of
one process understands, makes two malformed lines here.
"""

import csv
import itertools

import numpy as np

from recommenders_utils.reading.ratings_rows import (
    BAD_ID,
    BAD_RATING,
    BAD_TIME,
    CHUNK,
    COLUMNS,
    EMPTY_ID,
    SCALE,
    TOO_LATE,
    has_control,
    to_numbers,
    to_times,
)

NOT_TEXT = "id is not UTF-8 text"
_UNDECODABLE = "\ufffd"  # what Spark puts for bytes that are not UTF-8


class RowParser:
    """Parses numbered lines; small, so that Spark can send it to its workers.

    Args:
      layout: ``Layout`` of the file.
      rating_min, rating_max: the scale.
    """

    def __init__(self, layout, rating_min, rating_max):
        self.delimiter, self.width = layout.delimiter, layout.width
        self.positions = tuple(layout.positions.values())
        self.first_line = layout.first_line
        self.rating_min, self.rating_max = rating_min, rating_max

    def __call__(self, numbered):
        """Parses lines.

        Args:
          numbered: iterable of (line, its number from 0).

        Yields:
          (number from 0, user, item, rating, time, None), or for a malformed line its number and
          what is wrong with it, last. Blank lines and the header give nothing.
        """
        numbered = iter(numbered)
        while True:
            chunk = list(itertools.islice(numbered, CHUNK))
            if not chunk:
                return
            numbers, rows = [], []
            for line, number in chunk:
                if number + 1 < self.first_line:
                    continue
                fields = self._fields(line.lstrip("\ufeff") if number == 0 else line)
                if fields is None or len(fields) != self.width:
                    if fields is None or len(fields) > 1 or "".join(fields).strip():
                        yield number, None, None, None, None, COLUMNS
                    continue
                numbers.append(number)
                rows.append(fields)
            if rows:
                yield from self._convert(numbers, rows)

    def _fields(self, line):
        """Fields of a line, or None where it cannot be cut."""
        line = line.rstrip("\r\n")
        if len(self.delimiter) > 1:
            return [field.strip() for field in line.split(self.delimiter)]
        if '"' not in line:  # the csv module's way for such a line
            fields = line.split(self.delimiter)
            return [field.lstrip(" ") for field in fields] if " " in line else fields
        try:
            reader = csv.reader([line, ""], delimiter=self.delimiter, skipinitialspace=True)
            fields = next(reader)
        except csv.Error:  # NUL, in some versions of Python
            return None
        return fields if reader.line_num == 1 else None  # else a quote is not closed on its line

    def _convert(self, numbers, rows):
        users, items, rating_text, time_text = (
            np.array([row[at] for row in rows], dtype=object) for at in self.positions
        )
        ratings, times = to_numbers(rating_text), to_times(time_text)
        pairs = list(zip(users, items))
        with np.errstate(invalid="ignore"):
            faults = (
                (EMPTY_ID, np.array([not (u and i) for u, i in pairs])),
                (BAD_ID, np.array([has_control(u) or has_control(i) for u, i in pairs])),
                (NOT_TEXT, np.array([_UNDECODABLE in u or _UNDECODABLE in i for u, i in pairs])),
                (BAD_RATING, ~np.isfinite(ratings)),
                (BAD_TIME, ~((times >= 0) & (times < TOO_LATE))),
                (SCALE, (ratings < self.rating_min) | (ratings > self.rating_max)),
            )
        kinds = np.full(len(rows), None, object)
        for kind, found in reversed(faults):
            kinds[found] = kind  # the first that applies stands in the end
        columns = numbers, users.tolist(), items.tolist(), ratings.tolist(), times.tolist(), kinds
        for number, user, item, rating, time, kind in zip(*columns):
            if kind is None:
                yield number, user, item, rating, time, None
            else:
                yield number, None, None, None, None, kind
