"""Lines of a log to rows, on Spark's workers, by the one table of faults.

Nothing here needs Spark. Each line is a row of its own: a line break inside quotes, which the reader of
one process understands, makes two malformed lines here.
"""

import itertools

from recommenders_utils.reading.columns import CHUNK
from recommenders_utils.reading.records import Reading
from recommenders_utils.reading.rows import COLUMNS

NOT_TEXT = "id is not UTF-8 text"
_UNDECODABLE = "\ufffd"  # what Spark puts for bytes that are not UTF-8


class LineParser:
    """Parses numbered lines of a log with a ``RecordReader``; Spark sends it to its workers."""

    def __init__(self, reader, data):
        self.reader, self.judge = reader, Reading(reader, data).judge

    def __call__(self, numbered):
        """Parses lines.

        Args:
          numbered: iterable of (line, its number from 0).

        Yields:
          (number from 0, user, item, label, seconds, unit, *extras, None, None); for a row that is out its
          number and, in the end, what is wrong with it or why it is left out. Blank lines and the header
          give nothing.
        """
        numbered, first = iter(numbered), self.reader.layout.first_line - 1
        while True:
            chunk = list(itertools.islice(numbered, CHUNK))
            if not chunk:
                return
            chunk = [(line, number) for line, number in chunk if number >= first]
            lines = [line if number else line.lstrip("\ufeff") for line, number in chunk]
            rows = [(row, n) for row, (_, n) in zip(self.reader.columns.split(lines), chunk)]
            yield from (self._out(number, COLUMNS, None) for row, number in rows if row is None)
            rows = [(row, number) for row, number in rows if row is not None]
            if rows:
                yield from self._judged(self.reader.columns.part(*map(list, zip(*rows))))

    def _out(self, number, fault, drop):
        return (number, *[None] * (5 + len(self.reader.extras)), fault, drop)

    def _judged(self, part):
        keys, judged = self.reader.form.keys, self.judge(part)
        ids = part.columns[keys["user"]], part.columns[keys["item"]]
        for column in ids:
            lost = column.each(lambda texts: [_UNDECODABLE in text for text in texts])
            judged.out(NOT_TEXT, lost.astype(bool), lambda row: NOT_TEXT)
        columns = [column.each(lambda texts: texts) for column in ids]
        columns += [judged.labels, judged.seconds, judged.units, *judged.extras]
        columns = [column.tolist() for column in columns]
        for number, code, *values in zip(part.lines, judged.code.tolist(), *columns):
            if code:
                kind, detail = judged.reasons[code - 1]
                yield self._out(number, *((None, kind) if detail is None else (kind, None)))
            else:
                yield (number, *values, None, None)
