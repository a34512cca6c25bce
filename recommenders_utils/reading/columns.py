"""Whole records of text to columns: by pandas' parser where a block is plain, else row by row.

Both give the same columns; the fast way gives up on a block at anything that is out of the ordinary.
"""

import csv
import io
import itertools
import re
import typing
from typing import Any, Callable, Dict, Iterator, Optional

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.reading.numbers import is_number

CHUNK = 20000  # rows; a larger chunk falls out of the processor's caches
# Stands for a delimiter of several characters, which neither parser knows: no text has it.
_UNIT_SEPARATOR = "\x1f"
_WHOLE = re.compile(r"[+-]?\d{1,18}$")
EMPTY, DIFFERENT_LENGTHS = 1, 2  # of a row's lists


class Texts:
    """A column of text: ``texts``, each different one once, and ``codes`` [m], the one of each row."""

    def __init__(self, codes, texts):
        self.codes, self.texts = codes, texts

    @classmethod
    def of(cls, column: Any) -> "Texts":
        """From any array."""
        codes, texts = pd.factorize(column)
        return cls(codes, np.array([str(text) for text in texts], object))

    def __getitem__(self, row):
        return self.texts[self.codes[row]]

    def __len__(self):
        return len(self.codes)

    def each(self, function: Callable[..., Any]) -> np.ndarray:
        """[m] what a function of all the texts gives for each row's."""
        return np.asarray(function(self.texts))[self.codes] if len(self.texts) else np.zeros(0)

    def take(self, rows: np.ndarray) -> "Texts":
        """``Texts`` of some rows (rising), of no other texts, in order of first appearance."""
        order, used = pd.factorize(self.codes[rows])
        return Texts(order.astype(np.int32), self.texts[used])


def as_texts(column: Any) -> "Texts":
    """A column as ``Texts``, if it is not yet."""
    return column if isinstance(column, Texts) else Texts.of(column)


class Part(typing.NamedTuple):
    """Some rows of a log.

    Attributes:
      columns: name -> ``Texts`` [m], or [m] numbers where the parser made them.
      lines: gives a row's line number.
      widths: int [m] how many fields each row has, or None if all have as many as the log.
      open_lines: how many lines the last row takes up by a quote that is not closed, or 0.
      lists: int8 [m], ``EMPTY`` and ``DIFFERENT_LENGTHS`` of rows whose lists are, or None without lists.
    """

    columns: dict
    lines: typing.Any
    widths: typing.Optional[np.ndarray] = None
    open_lines: int = 0
    lists: typing.Optional[np.ndarray] = None


def positions_of(layout: Any, form: Any) -> Dict[str, int]:
    """Name -> index of each column that is read.

    Raises:
      UserError: two columns of a name that the form uses.
    """
    names = form.names(layout)
    positions = {name: names.index(name) for name in form.used(names)}
    twice = [name for name in positions if names.count(name) > 1]
    if twice:
        raise UserError(
            f"{layout.path}:{layout.header_line}: two columns are named {twice[0]!r}; rename one"
        )
    return positions


class ColumnReader:
    """Makes ``Part``s of the text of a log with a ``Layout``, by its ``Form``.

    Raises:
      UserError: two columns of a name that the form uses.
    """

    def __init__(self, layout, form):
        self.path, self.width, self.delimiter = layout.path, layout.width, layout.delimiter
        self.positions = positions_of(layout, form)
        self.strict = form.built_in
        self._cut = {"delimiter": self.delimiter, "quoting": csv.QUOTE_MINIMAL}
        if len(self.delimiter) > 1:
            self._cut = {"delimiter": _UNIT_SEPARATOR, "quoting": csv.QUOTE_NONE}
        self._cut["skipinitialspace"] = True
        # Categories: the parser then makes a string for each text, not for each row.
        self._dtypes = dict.fromkeys(range(self.width), "category")
        roles = form.roles()
        told = form.extras(form.names(layout))
        # Whatever these look like, they are not numbers.
        texts = {roles["user"], roles["item"], *map(form.source, form.textual(told))}
        for name in self.positions.keys() - texts:
            at = self.positions[name]
            if name in form.exploded:
                self._dtypes[at] = object
                continue
            samples = [row[at] for row in layout.samples if len(row) == self.width]
            if all(map(_WHOLE.match, samples)):
                self._dtypes[at] = np.int64
            elif name != roles.get("time") and all(map(is_number, samples)):
                self._dtypes[at] = np.float64
            elif len(set(samples)) == len(samples) > 1:  # such as moments, a text each
                self._dtypes[at] = object

    def fast(self, block: Any) -> Optional["Part"]:
        """A block's ``Part``; None if anything at all needs a closer look."""
        try:
            # Neither usecols nor names: with them the parser silently accepts rows that are too long.
            # Nor its own chunks: it takes a chunk's first row as long as it is.
            with np.errstate(invalid="ignore"):  # an infinity where whole numbers are expected
                frame = pd.read_csv(
                    io.BytesIO(self._plain(block.text)),
                    **self._cut,
                    header=None,
                    dtype=self._dtypes,
                    na_filter=False,
                    encoding="utf-8",
                    float_precision="round_trip",
                    engine="c",
                    low_memory=False,
                )
        except (ValueError, OverflowError):
            return None
        if frame.shape[1] != self.width or not len(frame):
            return None
        columns = [_column(frame[at]) for at in range(self.width)]
        if self.strict and isinstance(columns[-1], Texts) and "" in columns[-1].texts:
            return None  # a row that is too short ends in empty fields
        lines: Any = range(block.line, block.line + block.lines)
        lines = lines if len(frame) == len(lines) else _Lines(self, block)
        return Part({name: columns[at] for name, at in self.positions.items()}, lines)

    def _plain(self, text):
        if len(self.delimiter) == 1:
            return text
        return text.replace(self.delimiter.encode(), _UNIT_SEPARATOR.encode())

    def careful(self, block: Any) -> Iterator["Part"]:
        """Yields ``Part``s of a block's rows, blank lines left out.

        Raises:
          UserError: text that cannot be cut into rows at all.
          UnicodeDecodeError: text that is not UTF-8.
        """
        text = io.StringIO(self._plain(block.text).decode("utf-8"), newline="")
        reader = csv.reader(itertools.chain(text, [""]), **self._cut)
        rows, lines, line = [], [], block.line
        try:
            for row in reader:
                # A last row that took up the empty line after the end.
                is_open = len(row) > 0 and reader.line_num > block.lines
                if is_open or len(row) > 1 or (row and row[0].strip()):
                    rows.append(row)
                    lines.append(line)
                line = block.line + reader.line_num
                if len(rows) == CHUNK and not is_open:
                    yield self._part(rows, lines, 0)
                    rows, lines = [], []
        except csv.Error as error:
            raise UserError(
                f"{self.path}:{block.line + max(reader.line_num - 1, 0)}: cannot be read as delimited "
                f"text: {error}; look for binary data or, on an earlier line, an unclosed quote"
            ) from error
        if rows:
            yield self._part(rows, lines, line - 1 - lines[-1] if is_open else 0)

    def _part(self, rows, lines, open_lines):
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


def _column(series):
    if hasattr(series, "cat"):
        return Texts(series.cat.codes.to_numpy(), series.cat.categories.to_numpy(object))
    values = series.to_numpy()
    return Texts(np.arange(len(values)), values) if values.dtype == object else values


class _Lines(dict):
    """Line numbers of a block's rows where not every line is one, found when one is asked for."""

    def __init__(self, reader, block):
        super().__init__()
        self._source = reader, block

    def __missing__(self, row):
        reader, block = self._source
        self.update(enumerate(line for part in reader.careful(block) for line in part.lines))
        return self[row]
