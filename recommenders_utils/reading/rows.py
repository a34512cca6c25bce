"""Sorts out the rows that are not records, by one table of faults, and labels the others."""

import functools
import os
import typing
from typing import Any, Dict, Sequence

import numpy as np

from recommenders_utils.errors import shortened
from recommenders_utils.reading.columns import DIFFERENT_LENGTHS, EMPTY, Texts, as_texts
from recommenders_utils.reading.feedback import label_rows
from recommenders_utils.reading.forms import LEVEL
from recommenders_utils.reading.ids import FAULTS, faults_of
from recommenders_utils.reading.numbers import to_values
from recommenders_utils.reading.times import BAD, Times

COLUMNS, OPEN_QUOTE, UNEQUAL_LISTS, NO_ENTRY, BAD_TIME, NO_TIME, BAD_EXTRA = (
    "wrong number of columns",
    "quote not closed",
    "lists of different lengths",
    "empty list",
    "time is not a time",
    "no time",
    "finish or dwell has no finite value",
)

_BLANK = ("", "nan", "null", "none", "na")  # in place of a number that is missing


class Tally(dict):
    """Kind of rows -> how many there are, the first one's line, and what is wrong there.

    Of several files together a line is a pair, (index of the file, line).
    """

    def add(self, kind: str, count: int, line: Any, detail: str) -> None:
        """Notes ``count`` rows of ``kind``, the first of which is on ``line``."""
        before, *first = self.get(kind, (0, line, detail))
        self[kind] = (before + count, *min(first, [line, detail]))

    def merge(self, other: Any, file: int) -> None:
        """Adds the ``Tally`` of rows of a file."""
        for kind, (count, line, detail) in other.items():
            self.add(kind, count, (file, line), detail)

    def total(self) -> int:
        """How many rows there were."""
        return sum(count for count, _, _ in self.values())

    def report(self, paths: Sequence[str]) -> Dict[str, Any]:
        """JSON-able: kind -> count and first line, of several files with its name, in their order."""
        found = sorted(self.items(), key=lambda pair: pair[1][1])
        kinds: Dict[str, Any] = {}
        for kind, (count, (file, line), _) in found:
            kinds[kind] = {"count": count, "first_line": line}
            if len(paths) > 1:
                kinds[kind]["first_file"] = os.path.basename(paths[file])
        return kinds

    def summary(self, rows: int, paths: Sequence[str]) -> str:
        """What is wrong with ``rows`` rows in words, after the place of the most frequent kind."""
        kinds = ", ".join(
            f"{kind}: {found['count']} (first on {first_place(found)})"
            for kind, found in self.report(paths).items()
        )
        _, place, detail = max(
            self.values(), key=lambda found: (found[0], -found[1][0], -found[1][1])
        )
        where = f"{paths[place[0]]}:{place[1]}"
        return f"{where}: {detail}. Malformed rows: {self.total()} of {rows} ({kinds})"


def first_place(found: Dict[str, Any]) -> str:
    """Where the first row of a kind is, in words; ``found`` as in ``Tally.report``."""
    of_file = f" of {found['first_file']}" if "first_file" in found else ""
    return f"line {found['first_line']}{of_file}"


class Found(typing.NamedTuple):
    """What some rows of a log hold: k records, and rows that are none.

    Attributes:
      users, items: ``Texts`` [k].
      values: list of [k]: labels int8, 1 positive, 0 negative; seconds float64; extras float32.
      units: unit -> (line, text) of the first time in it.
      malformed, dropped: ``Tally``: rows that are not records, and records that are left out.
      file: which of several files they are of.
    """

    users: Texts
    items: Texts
    values: list
    units: dict
    malformed: Tally
    dropped: Tally
    file: int = 0


class Judge:
    """Judges rows: each is a record or out, for the first reason that holds.

    Args:
      part: ``Part``, the rows.
      form: the ``Form`` it is read with.
      extras: which of ``finish`` and ``dwell`` the log has the columns for.
      width: how many columns it has.
      data: has ``rating_threshold``, ``rating_min``, ``rating_max``, ``utc_offset_hours``.
    """

    def __init__(self, part, form, extras, width, data):
        self.part, self.form, self.width = part, form, width
        self.ids = [part.columns[form.keys[key]] for key in ("user", "item")]
        offset = 0.0 if form.built_in else data.utc_offset_hours
        self.times = Times(form.units(), offset, form.keys.get("time_format"))
        self.kept = np.ones(len(self.ids[0].codes), bool)
        self.malformed, self.dropped = Tally(), Tally()
        self._shape()
        seconds = self._seconds()
        columns = {name: self._number(name) for name in form.numeric(extras)}
        columns.update((name, as_texts(part.columns[name])) for name in form.textual(extras))
        # An expression of numbers alone has no column to tell how many rows there are.
        columns = columns or {"": np.zeros(len(self.kept))}
        labels = label_rows(form, columns, data)
        for kind, hit, shown, detail in labels.faults:
            self._out(kind, hit, detail.format, shown)
        self.values = [labels.values, seconds]
        for key in extras:
            self.values.append(labels.levels if key == LEVEL else self._extra(key, columns))
        for kind, hit in labels.drops:
            self._out(kind, hit)

    def _out(self, kind, hit, say=None, shown=None, count=None):
        """Takes rows out: malformed, with ``say``: a row of ``shown`` -> sentence; else left out."""
        rows = np.flatnonzero(hit & self.kept)
        if len(rows):
            self.kept[rows], first = False, int(rows[0])
            detail, tally = kind, self.dropped
            if say:
                value, tally = shown[first], self.malformed
                detail = say(shortened(value) if isinstance(value, str) else value)
            tally.add(kind, count or len(rows), self.part.lines[first], detail)

    def _shape(self):
        widths, still_open = self.part.widths, self.part.open_lines
        if still_open:
            last = np.arange(len(self.kept)) == len(self.kept) - 1
            said = "a quote is not closed, up to the end"
            self._out(OPEN_QUOTE, last, said.format, widths, still_open)
        if widths is not None:
            said = f"{{}} columns, expected {self.width}"
            self._out(COLUMNS, widths != self.width, said.format, widths)
        if self.part.lists is not None:
            said = "the lists of this row differ in length"
            self._out(
                UNEQUAL_LISTS, self.part.lists == DIFFERENT_LENGTHS, said.format, self.part.lists
            )
            self._out(NO_ENTRY, self.part.lists == EMPTY)
        faults = [(ids.codes, faults_of(ids.texts)) for ids in self.ids]
        faults = [found[codes] for codes, found in faults if found is not None]
        for number, (kind, detail) in enumerate(FAULTS, 1):
            for found in faults:
                self._out(kind, found == number, detail.format, found)

    def _seconds(self):
        """Float64 [m], the time of each row; takes those without one out. 0 of a log that has none."""
        if self.form.row_order:
            self.first_times = lambda rows, lines: {}
            return np.zeros(len(self.kept))
        moments = self.part.columns[self.form.keys["time"]]
        seconds, units = self.times.read(moments)
        self._moments(moments, units == BAD)
        self.first_times = functools.partial(self.times.first, units, moments)
        return seconds

    def _moments(self, moments, bad):
        if bad.any() and self.form.option("missing_time") == "drop":
            lacking = np.zeros(len(bad), bool)
            for row in np.flatnonzero(bad):
                lacking[row] = str(moments[row]).strip().lower() in ("", "nan")
            self._out(NO_TIME, lacking)
        said = f"time {{!r}} is not a time, expected {self.times.expected()}"
        self._out(BAD_TIME, bad, said.format, moments)

    def _number(self, name):
        column = self.part.columns[name]
        values = column.each(to_values) if isinstance(column, Texts) else column
        lacking = ~np.isfinite(values)
        if lacking.any() and self.form.option("missing_number") == "zero":
            rows = np.flatnonzero(lacking)
            lacking[rows] = [str(column[row]).strip().lower() not in _BLANK for row in rows]
        said = functools.partial("{} is {!r}, expected a number".format, name)
        self._out(f"{name} is not a number", lacking, said, column)
        return np.where(lacking, 0.0, values)

    def _extra(self, key, columns):
        expression = self.form.expressions[key]
        with np.errstate(over="ignore"):
            values = expression.evaluate(columns).astype(np.float32)
        said = "{}: {} gives {}, expected a finite number".format
        said = functools.partial(said, key, expression.text)
        self._out(BAD_EXTRA, ~np.isfinite(values), said, values)
        return values

    def found(self, file: int = 0) -> "Found":
        """``Found`` of the rows, which are of this file."""
        rows = np.flatnonzero(self.kept)
        users, items = (ids.take(rows) for ids in self.ids)
        return Found(
            users,
            items,
            [values[rows] for values in self.values],
            self.first_times(rows, self.part.lines),
            self.malformed,
            self.dropped,
            file,
        )
