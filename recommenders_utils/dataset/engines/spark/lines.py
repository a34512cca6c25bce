"""Lines of a log to rows, on Spark's workers, by the one table of faults.

Nothing here needs Spark. Each line is a row of its own: a line break inside quotes, which the reader of
one process understands, makes two malformed lines here.
"""

import itertools

from recommenders_utils.reading.columns import CHUNK
from recommenders_utils.reading.rows import COLUMNS

NOT_TEXT = "id is not UTF-8 text"
_UNDECODABLE = "\ufffd"  # what Spark puts for bytes that are not UTF-8


class LineParser:
    """Parses numbered lines; small, so that Spark can send it to its workers.

    Args:
      reader: the log's ``RecordReader``.
      data: the keys that shape the arrays.
    """

    def __init__(self, reader, data):
        self.columns, self.judge = reader.columns, reader.reading(data).judge
        self.first_line, self.form = reader.layout.first_line, reader.form

    def __call__(self, numbered):
        """Parses lines.

        Args:
          numbered: iterable of (line, its number from 0).

        Yields:
          (number from 0, user, item, label, seconds, unit, *extras, None, None); for a row that is out its
          number and, in the end, what is wrong with it or why it is left out. Blank lines and the header
          give nothing.
        """
        numbered = iter(numbered)
        while True:
            chunk = list(itertools.islice(numbered, CHUNK))
            if not chunk:
                return
            chunk = [pair for pair in chunk if pair[1] + 1 >= self.first_line]
            lines = [line if number else line.lstrip("\ufeff") for line, number in chunk]
            rows, numbers = [], []
            for row, (_, number) in zip(self.columns.split(lines), chunk):
                if row is None:
                    yield self._out(number, COLUMNS, None)
                else:
                    rows.append(row)
                    numbers.append(number)
            if rows:
                yield from self._judged(self.columns.part(rows, numbers))

    def _out(self, number, fault, drop):
        return (number, *[None] * (5 + len(self.judge.extras)), fault, drop)

    def _judged(self, part):
        users, items = (part.columns[self.form.keys[key]] for key in ("user", "item"))
        verdict, labels, seconds, units, extras = self.judge.judge(part)
        for ids in (users, items):
            undecoded = ids.each(lambda texts: [_UNDECODABLE in text for text in texts])
            verdict.fault(NOT_TEXT, undecoded.astype(bool), lambda row: NOT_TEXT)
        columns = users.each(lambda texts: texts), items.each(lambda texts: texts)
        columns = [c.tolist() for c in (*columns, labels, seconds, units, *extras)]
        for number, code, *values in zip(part.lines, verdict.code.tolist(), *columns):
            if not code:
                yield (number, *values, None, None)
                continue
            kind, detail = verdict.reasons[code - 1]
            yield self._out(number, *((None, kind) if detail is None else (kind, None)))
