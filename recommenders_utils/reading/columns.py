"""Whole records of text to columns: by pandas' parser where a block is plain, else row by row.

Both give the same columns; the fast way gives up on a block at anything that is out of the ordinary.
"""

import csv
import io
import itertools
import re
import typing

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.reading.layout import is_number

CHUNK = 20000  # rows; a larger chunk falls out of the processor's caches
# Stands for a delimiter of several characters, which neither parser knows: no text has it.
_UNIT_SEPARATOR = "\x1f"
_WHOLE = re.compile(r"[+-]?\d{1,18}$")


class Texts:
    """A column of text, of which each different one is held once.

    Attributes:
      codes: int [m], the text of each row.
      texts: object array of str.
    """

    def __init__(self, codes, texts):
        self.codes, self.texts = codes, texts

    @classmethod
    def of(cls, column):
        """From any array, a text each."""
        codes, texts = pd.factorize(column)
        return cls(codes, np.array([str(text) for text in texts], object))

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, row):
        return self.texts[self.codes[row]]

    def each(self, function):
        """[m] what a function of all the texts gives for each row's."""
        if not len(self.texts):
            return np.zeros(0)
        return np.asarray(function(self.texts))[self.codes]


class Part(typing.NamedTuple):
    """Some rows of a log.

    Attributes:
      columns: name -> ``Texts`` [m], or [m] numbers where the parser made them.
      lines: gives a row's line number.
      widths: int [m] how many fields each row has, or None if all have as many as the log.
      open_lines: how many lines the last row takes up by a quote that is not closed, or 0.
    """

    columns: dict
    lines: typing.Sequence[int]
    widths: typing.Optional[np.ndarray] = None
    open_lines: int = 0


class ColumnReader:
    """Makes ``Part``s of a log's text.

    Args:
      layout: ``Layout`` of the log.
      form: the ``Form`` it is read with.
    """

    def __init__(self, layout, form):
        self.path, self.width, self.delimiter = layout.path, layout.width, layout.delimiter
        names = form.names(layout)
        self.positions = {name: names.index(name) for name in form.used(names)}
        twice = [name for name in self.positions if names.count(name) > 1]
        if twice:
            raise UserError(
                f"{self.path}:{layout.header_line}: two columns are named {twice[0]!r}; rename one"
            )
        self.strict = form.built_in
        self._reader = {"delimiter": self.delimiter, "skipinitialspace": True}
        if len(self.delimiter) > 1:
            self._reader.update(delimiter=_UNIT_SEPARATOR, quoting=csv.QUOTE_NONE)
        # Categories: the parser then makes a string for each text, not for each row.
        self._dtypes = dict.fromkeys(range(self.width), "category")
        time, numeric = form.keys["time"], form.numeric(form.extras(names))
        for name in {time, *numeric} - {form.keys["user"], form.keys["item"]}:
            at = self.positions[name]
            samples = [row[at] for row in layout.samples if len(row) == self.width]
            if all(map(_WHOLE.match, samples)):
                self._dtypes[at] = np.int64
            elif name != time and all(map(is_number, samples)):
                self._dtypes[at] = np.float64

    def fast(self, block):
        """A block's ``Part``; None if anything at all needs a closer look."""
        try:
            # Neither usecols nor names: with them the parser silently accepts rows that are too long.
            # Nor its own chunks: it takes a chunk's first row as long as it is.
            with np.errstate(invalid="ignore"):  # an infinity where whole numbers are expected
                frame = pd.read_csv(
                    io.BytesIO(self._plain(block.text)),
                    sep=self._reader["delimiter"],
                    quoting=self._reader.get("quoting", csv.QUOTE_MINIMAL),
                    header=None,
                    dtype=self._dtypes,
                    na_filter=False,
                    skipinitialspace=True,
                    encoding="utf-8",
                    float_precision="round_trip",
                    engine="c",
                    low_memory=False,
                )
        except (ValueError, OverflowError):
            return None
        last = frame.get(self.width - 1)
        if frame.shape[1] != self.width or not len(frame):
            return None
        # A row that is too short ends in empty fields.
        if self.strict and hasattr(last, "cat") and "" in last.cat.categories:
            return None
        columns = {}
        for name, at in self.positions.items():
            column = frame[at]
            columns[name] = (
                Texts(column.cat.codes.to_numpy(), column.cat.categories.to_numpy(object))
                if hasattr(column, "cat")
                else column.to_numpy()
            )
        lines = range(block.line, block.line + block.lines)
        return Part(columns, lines if len(frame) == len(lines) else _Lines(self, block))

    def _plain(self, text):
        if len(self.delimiter) == 1:
            return text
        return text.replace(self.delimiter.encode(), _UNIT_SEPARATOR.encode())

    def careful(self, block):
        """Yields ``Part``s of a block's rows, blank lines left out.

        Raises:
          UserError: text that cannot be cut into rows at all.
          UnicodeDecodeError: text that is not UTF-8.
        """
        for rows, lines, end in self._rows(block):
            open_lines = 0
            if rows[-1] and end > block.line + block.lines:  # took up what is after the end
                open_lines = end - 1 - lines[-1]
            yield self.part(rows, lines, open_lines)

    def _rows(self, block):
        """Yields (rows, line of each, line after them), one empty row after the last line."""
        lines = io.StringIO(self._plain(block.text).decode("utf-8"), newline="")
        reader = csv.reader(itertools.chain(lines, [""]), **self._reader)
        line = block.line
        try:
            while True:
                rows, begins = [], []
                for row in itertools.islice(reader, CHUNK):
                    rows.append(row)
                    begins.append(line)
                    line = block.line + reader.line_num
                if not rows:
                    return
                yield rows, begins, line
        except csv.Error as error:
            raise UserError(
                f"{self.path}:{block.line + max(reader.line_num - 1, 0)}: cannot be read as "
                f"delimited text: {error}; look for binary data or, on a line before, a quote that is "
                "not closed"
            ) from error

    def part(self, rows, lines, open_lines=0):
        """A ``Part`` of rows.

        Args:
          rows: lists of fields.
          lines: line number of each.
          open_lines: see ``Part``.
        """
        kept = [len(row) > 1 or (bool(row) and bool(row[0].strip())) for row in rows]
        kept[-1:] = [kept[-1] or open_lines > 0]
        rows = list(itertools.compress(rows, kept))
        lines = list(itertools.compress(lines, kept))
        widths = np.fromiter(map(len, rows), np.int64, len(rows))
        for k in np.flatnonzero(widths != self.width):
            if not self.strict and not any(rows[k][self.width :]):
                widths[k] = self.width  # empty fields more or less say nothing
            rows[k] = (rows[k] + [""] * self.width)[: self.width]
        columns = {
            name: Texts.of(np.array([row[at] for row in rows], dtype=object))
            for name, at in self.positions.items()
        }
        return Part(columns, lines, widths, open_lines)

    def split(self, lines):
        """Rows of lines each of which is a row, as ``part`` takes them; None where one cannot be cut."""
        if len(self.delimiter) > 1:
            lines = [line.replace(self.delimiter, _UNIT_SEPARATOR) for line in lines]
        rows = self._split(lines)
        if rows is not None and len(rows) == len(lines):
            return rows
        return [(self._split([line]) or [None])[0] for line in lines]

    def _split(self, lines):
        reader = csv.reader([*lines, ""], **self._reader)
        try:
            rows = list(reader)
        except csv.Error:  # NUL, in some versions of Python
            return None
        return rows[:-1] if rows[-1] == [] else None


class _Lines:
    """Line numbers of a block's rows where some are blank or have line breaks, found when asked for."""

    def __init__(self, reader, block):
        self._reader, self._block, self._found = reader, block, None

    def __getitem__(self, row):
        if self._found is None:
            parts = self._reader.careful(self._block)
            self._found = list(itertools.chain.from_iterable(part.lines for part in parts))
        return self._found[row]
