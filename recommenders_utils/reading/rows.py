"""Sorts out the rows that are not records, by one table of faults, and labels the others."""

import numpy as np

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.columns import Texts
from recommenders_utils.reading.feedback import label_rows
from recommenders_utils.reading.ids import FAULTS, faults_of
from recommenders_utils.reading.layout import EXAMPLE
from recommenders_utils.reading.numbers import to_values
from recommenders_utils.reading.times import BAD

COLUMNS, OPEN_QUOTE, BAD_TIME, NO_TIME, BAD_EXTRA = (
    "wrong number of columns",
    "quote not closed",
    "time is not a time",
    "no time",
    "finish or dwell has no finite value",
)


class Tally:
    """Counts rows by kind and keeps the first example of each, a line and what is wrong there."""

    def __init__(self):
        self.counts, self.first = {}, {}

    def add(self, kind, line, detail, count=1):
        """Notes ``count`` rows of ``kind``, the first of which is on ``line``."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.first.setdefault(kind, (line, detail))

    def total(self):
        """How many rows there were."""
        return sum(self.counts.values())

    def report(self):
        """JSON-able: kind -> count and first line, in the order of the lines."""
        kinds = sorted(self.counts, key=lambda kind: self.first[kind][0])
        return {k: {"count": self.counts[k], "first_line": self.first[k][0]} for k in kinds}

    def summary(self, rows, worst=None):
        """What is wrong with ``rows`` rows in words, after the line of the most frequent kind."""
        report = self.report()
        worst = max(report, key=self.counts.get)
        kinds = ", ".join(
            f"{kind}: {found['count']} (first on line {found['first_line']})"
            for kind, found in report.items()
        )
        line, detail = self.first[worst]
        return f"{line}: {detail}. Malformed rows: {self.total()} of {rows} ({kinds})"


class Judged:
    """The rows of a part as numbers, of no meaning where a row is out; the first reason counts.

    Args:
      part: ``Part``.
      form: the ``Form`` it is read with.
      extras: which of ``finish`` and ``dwell`` the log has the columns for.
      width: how many columns it has.
      times: ``Times``.
      data: has ``rating_threshold``, ``rating_min``, ``rating_max``.

    Attributes:
      code: int16 [m], 0 for a record, else the number of a reason, from 1.
      reasons: list of (kind, detail): a function row -> sentence for rows that are malformed, None for
        those that are left out.
      labels: int8 [m], 1 positive, 0 negative.
      seconds: float64 [m].
      units: int8 [m], see ``Times.read``.
      extras: list of float32 [m].
    """

    def __init__(self, part, form, extras, width, times, data):
        users, items, moments = (part.columns[form.keys[key]] for key in ("user", "item", "time"))
        self.code, self.reasons = np.zeros(len(users.codes), np.int16), []
        if part.open_lines:
            last = np.arange(len(self.code)) == len(self.code) - 1
            self.out(OPEN_QUOTE, last, lambda row: "a quote is not closed, up to the end")
        if part.widths is not None:
            self.out(
                COLUMNS,
                part.widths != width,
                lambda row: f"{part.widths[row]} columns, expected {width}",
            )
        faults = [(column, faults_of(column.texts)) for column in (users, items)]
        faults = [found[column.codes] for column, found in faults if found is not None]
        for number, (kind, detail) in enumerate(FAULTS, 1):
            for found in faults:
                self.out(kind, found == number, lambda row, detail=detail: detail)
        self.seconds, self.units = times.read(moments)
        bad = self.units == BAD
        if bad.any():
            if form.option("missing_time") == "drop":
                lacking = np.zeros(len(bad), bool)
                for row in np.flatnonzero(bad):
                    lacking[row] = str(moments[row]).strip().lower() in ("", "nan")
                self.out(NO_TIME, lacking)
            self.out(
                BAD_TIME,
                bad,
                lambda row: (
                    f"time {shortened(str(moments[row]))!r} is not a time, expected {times.expected()}"
                ),
            )
        values = self._numbers(part, form.numeric(extras))
        labels = label_rows(form, values, data)
        for kind, hit, shown, detail in labels.faults:
            self.out(kind, hit, lambda row, s=shown, d=detail: d.format(s[row]))
        self.labels = labels.values
        self.extras = [self._extra(form.expressions[key], key, values) for key in extras]
        for kind, hit in labels.drops:
            self.out(kind, hit)

    def out(self, kind, hit, detail=None):
        """Takes rows out, as malformed or, without a detail, as left out."""
        hit = hit & (self.code == 0)
        if hit.any():
            self.reasons.append((kind, detail))
            self.code[hit] = len(self.reasons)

    def _numbers(self, part, names):
        columns = {}
        for name in names:
            column = part.columns[name]
            values = column.each(to_values) if isinstance(column, Texts) else column
            lacking = ~np.isfinite(values)
            self.out(
                f"{name} is not a number",
                lacking,
                lambda row, name=name, column=column: (
                    f"{name} is {shortened(str(column[row]))!r}, expected a number"
                ),
            )
            columns[name] = np.where(lacking, 0.0, values)
        # An expression of numbers alone has no column to tell how many rows there are.
        return columns or {"": np.zeros(len(self.code))}

    def _extra(self, expression, key, columns):
        with np.errstate(over="ignore"):
            values = expression.evaluate(columns).astype(np.float32)
        self.out(
            BAD_EXTRA,
            ~np.isfinite(values),
            lambda row: f"{key}: {expression.text} gives {values[row]}, expected a finite number",
        )
        return values

    def sound(self):
        """Whether no row is malformed."""
        return all(detail is None for _, detail in self.reasons)

    def note(self, part, malformed, dropped):
        """Adds the rows that are out to two ``Tally``s, by their lines."""
        rows = [np.flatnonzero(self.code == number + 1) for number in range(len(self.reasons))]
        for found, (kind, detail) in sorted(zip(rows, self.reasons), key=lambda pair: pair[0][0]):
            count = part.open_lines if kind == OPEN_QUOTE else len(found)
            line, row = part.lines[int(found[0])], int(found[0])
            if detail is None:
                dropped.add(kind, line, kind, count)
            else:
                malformed.add(kind, line, detail(row), count)


def refuse_malformed(path, kept, malformed, max_malformed):
    """Raises UserError if there is no row, or more than the allowed fraction or all are malformed.

    Args:
      path: the file.
      kept: how many rows are sound, whether they are left out or not.
      malformed: ``Tally``.
      max_malformed: the fraction allowed.
    """
    total = malformed.total()
    if not kept + total:
        raise UserError(f"{path}: no record found, expected lines such as {EXAMPLE}")
    if total > max_malformed * (kept + total) or not kept:
        raise UserError(
            f"{path}:{malformed.summary(kept + total)}, more than max_malformed={max_malformed:g} "
            "allows; correct the file, or raise max_malformed to drop them"
        )
