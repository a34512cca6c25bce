"""Turns the text of a log's rows into numbers and sorts out the rows that are no records."""

import numpy as np
import pandas as pd

from recommenders_utils.errors import shortened
from recommenders_utils.reading.feedback import label_rows
from recommenders_utils.reading.numbers import to_values
from recommenders_utils.reading.ratings_rows import (
    BAD_ID,
    BAD_TIME,
    COLUMNS,
    EMPTY_ID,
    LONG_ID,
    Malformed,
    has_control,
    too_long,
)
from recommenders_utils.reading.text import LONGEST_ID
from recommenders_utils.reading.times import BAD, Times

NOT_A_NUMBER, BAD_EXTRA, NO_TIME = (
    "a column is not a number",
    "finish or dwell has no finite value",
    "no time",
)


class Reading:
    """What has been read of a log so far.

    Attributes:
      malformed, dropped: ``Malformed``: rows that are no records, and records that are left out.
      times: ``Times``.
      kept: how many records are kept.

    Args:
      form: the adapter's ``Form``.
      extras: which of ``finish`` and ``dwell`` the file has the columns for.
      data: has ``rating_threshold``, ``rating_min``, ``rating_max``, ``utc_offset_hours``.
    """

    def __init__(self, form, extras, data):
        self.form, self.extras, self.data = form, extras, data
        self.malformed, self.dropped, self.kept = Malformed(), Malformed(), 0
        self.times = Times(form.option("time_unit"), data.utc_offset_hours)
        self._known = ({}, {})  # users, items: id -> code
        self._parts = []

    def add(self, first, texts, overlong):
        """Takes the rows of a chunk.

        Args:
          first: number of the chunk's first row.
          texts: column -> object array [m] of text.
          overlong: bool [m], whether a row has more columns than the log.
        """
        users, items, times = (texts[self.form.keys[key]] for key in ("user", "item", "time"))
        codes, ids = zip(*(pd.factorize(column) for column in (users, items)))
        blank = ~overlong
        for column in texts.values():
            blank &= column == ""
        sorter = _Sorter(first, ~blank, self.malformed, self.dropped)
        sorter.fault(COLUMNS, overlong, lambda row: "more columns than the log has")
        for kind, test, detail in (
            (EMPTY_ID, lambda text: not text.strip(), "an id is empty"),
            (BAD_ID, has_control, "an id contains a line break or NUL"),
            (LONG_ID, too_long, f"an id has more than {LONGEST_ID} characters"),
        ):
            for code, known in zip(codes, ids):
                hit = np.array([*map(test, known)], bool)[code] if len(known) else blank[:0]
                sorter.fault(kind, hit, lambda row, detail=detail: detail)
        seconds, units = self.times.read(times)
        if self.form.option("missing_time") == "drop":
            lacking = pd.Series(times, dtype=object).str.strip().str.lower().isin(["", "nan"])
            sorter.drop(NO_TIME, lacking.to_numpy(bool))
        unit = self.form.option("time_unit")
        expected = "seconds (or finer units or ISO dates)" if unit == "auto" else unit
        sorter.fault(
            BAD_TIME,
            units == BAD,
            lambda row: f"time {shortened(times[row])!r} is not a time, expected {expected}",
        )
        labels, extras = self._values(texts, sorter)
        rows = np.flatnonzero(sorter.sound)
        self.times.note(units[rows], rows + first, times[rows])
        self.kept += len(rows)
        coded = [
            _codes(code[rows], known_ids, known)
            for code, known_ids, known in zip(codes, ids, self._known)
        ]
        parts = (*coded, labels[rows], seconds[rows], *(extra[rows] for extra in extras))
        self._parts.append(parts)

    def _values(self, texts, sorter):
        """Labels int8 [m] and the extras, float32 [m] each; what is unsound goes to ``sorter``."""
        columns = {}
        for name in self.form.numeric(self.extras):
            values = to_values(texts[name])
            sorter.fault(
                NOT_A_NUMBER,
                np.isnan(values),
                lambda row, name=name: (
                    f"{name} is {shortened(texts[name][row])!r}, expected a number"
                ),
            )
            columns[name] = np.where(np.isnan(values), 0, values)
        count = len(sorter.sound)
        if not columns:  # an expression of numbers alone
            columns[""] = np.zeros(count)
        labels = label_rows(self.form, columns, self.data)
        for kind, hit, shown, detail in labels.faults:
            sorter.fault(kind, hit, lambda row, s=shown, d=detail: d.format(s[row]))
        extras = []
        for key in self.extras:
            values = self.form.expressions[key].evaluate(columns)
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
            sorter.fault(
                BAD_EXTRA,
                ~np.isfinite(values),
                lambda row, key=key, v=values: (
                    f"{key}: {self.form.expressions[key].text} gives {v[row]}, expected a finite number"
                ),
            )
            extras.append(values)
        for kind, hit in labels.drops:
            sorter.drop(kind, hit)
        return labels.values, extras

    def number_lines(self, lines_of):
        """Puts lines in place of rows in what was noted.

        Args:
          lines_of: gives ``{row: line}`` of a list of rows.
        """
        for counter in (self.malformed, self.dropped):  # in the log's order, whatever the chunks
            for noted in (counter.counts, counter.first):
                order = sorted(noted, key=lambda kind: counter.first[kind][0])
                for kind in order:
                    noted[kind] = noted.pop(kind)
        noted = [*self.malformed.first.values(), *self.dropped.first.values()]
        rows = [row for row, _ in (*noted, *self.times.seen.values())]
        lines = lines_of(sorted(set(rows)))
        for first in (self.malformed.first, self.dropped.first, self.times.seen):
            for kind, (row, detail) in first.items():
                first[kind] = (lines[row], detail)

    def arrays(self):
        """(users, items, labels, times, user_ids, item_ids, extras), as ``Records`` has them."""
        users, items, labels, times, *extras = (
            np.concatenate([part[k] for part in self._parts]) for k in range(4 + len(self.extras))
        )
        whole = np.floor(times)
        if np.array_equal(whole, times):
            times = whole.astype(np.int64)
        ids = [np.array(list(known), dtype=str) for known in self._known]
        return (
            users.astype(np.int64),
            items.astype(np.int64),
            labels,
            times,
            *ids,
            dict(zip(self.extras, extras)),
        )


class _Sorter:
    """Takes rows out one reason after another; a row counts under its first."""

    def __init__(self, first, sound, malformed, dropped):
        self.first, self.sound = first, sound.copy()
        self._malformed, self._dropped = malformed, dropped

    def fault(self, kind, hit, detail):
        """Counts rows as malformed; ``detail`` says of a row what is wrong with it."""
        self._out(self._malformed, kind, hit, detail)

    def drop(self, kind, hit):
        """Counts rows as left out."""
        self._out(self._dropped, kind, hit, lambda row: kind)

    def _out(self, counter, kind, hit, detail):
        rows = np.flatnonzero(hit & self.sound)
        if len(rows):
            first = (int(rows[0]) + self.first, detail(rows[0]))
            counter.add(kind, *first, len(rows))
            # Another column may have given the same kind on a later row of the chunk.
            counter.first[kind] = min(first, counter.first[kind])
            self.sound[rows] = False


def _codes(local, ids, known):
    """int32 codes of a chunk's rows in ``known``, which takes up new ids by first appearance."""
    order, first = pd.factorize(local)  # ids of rows that are left out stay unknown
    codes = [known.setdefault(ids[k], len(known)) for k in first]
    return np.array(codes, np.int32)[order] if len(codes) else np.zeros(0, np.int32)
