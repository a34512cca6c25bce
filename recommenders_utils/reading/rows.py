"""Sorts out the rows that are no records, by one table of faults, and labels the others."""

import typing

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
    """Counts rows by kind and keeps the first example of each."""

    def __init__(self):
        self.counts, self.first = {}, {}

    def add(self, kind, line, detail, count=1):
        """Notes ``count`` rows of ``kind``; ``detail`` says what is wrong with the first, on ``line``."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.first.setdefault(kind, (line, detail))

    def total(self):
        """How many rows there were."""
        return sum(self.counts.values())

    def kinds(self):
        """The kinds in the order of their first lines."""
        return sorted(self.counts, key=lambda kind: self.first[kind][0])

    def report(self):
        """JSON-able: kind -> count and first line."""
        return {
            kind: {"count": self.counts[kind], "first_line": self.first[kind][0]}
            for kind in self.kinds()
        }


class Verdict:
    """What becomes of each of m rows; the first reason counts.

    Attributes:
      code: int16 [m], 0 for a record, else the number of a reason, from 1.
      reasons: list of (kind, detail): a function row -> sentence for rows that are malformed, None for
        those that are left out.
    """

    def __init__(self, count):
        self.code, self.reasons = np.zeros(count, np.int16), []

    def fault(self, kind, hit, detail):
        """Takes rows as malformed."""
        self._out(kind, hit, detail)

    def drop(self, kind, hit):
        """Leaves rows out."""
        self._out(kind, hit, None)

    def _out(self, kind, hit, detail):
        hit = hit & (self.code == 0)
        if hit.any():
            self.reasons.append((kind, detail))
            self.code[hit] = len(self.reasons)

    def sound(self):
        """Whether no row is malformed."""
        return all(detail is None for _, detail in self.reasons)

    def note(self, part, malformed, dropped):
        """Adds the rows that are out to two ``Tally``s."""
        firsts = []
        for number, (kind, detail) in enumerate(self.reasons, 1):
            rows = np.flatnonzero(self.code == number)
            firsts.append((int(rows[0]), kind, detail, len(rows)))
        for row, kind, detail, count in sorted(firsts, key=lambda first: first[0]):
            count = part.open_lines if kind == OPEN_QUOTE else count
            if detail is None:
                dropped.add(kind, part.lines[row], kind, count)
            else:
                malformed.add(kind, part.lines[row], detail(row), count)


class Judged(typing.NamedTuple):
    """Rows as numbers, of no meaning where ``verdict`` says so.

    Attributes:
      verdict: ``Verdict``.
      labels: int8 [m], 1 positive, 0 negative.
      seconds: float64 [m].
      units: int8 [m], see ``Times.read``.
      extras: list of float32 [m].
    """

    verdict: Verdict
    labels: np.ndarray
    seconds: np.ndarray
    units: np.ndarray
    extras: typing.List[np.ndarray]


class Judge:
    """Turns parts of a log into numbers.

    Args:
      form: the ``Form`` it is read with.
      extras: which of ``finish`` and ``dwell`` the log has the columns for.
      width: how many columns it has.
      times: ``Times``.
      data: has ``rating_threshold``, ``rating_min``, ``rating_max``.
    """

    def __init__(self, form, extras, width, times, data):
        self.form, self.extras, self.width = form, extras, width
        self.times, self.data = times, data

    def judge(self, part):
        """``Judged`` rows of a ``Part``."""
        keys, columns = self.form.keys, part.columns
        users, items, times = (columns[keys[key]] for key in ("user", "item", "time"))
        verdict = Verdict(len(users))
        self._rows(part, verdict)
        wrong = [(column, faults_of(column.texts)) for column in (users, items)]
        wrong = [faults[column.codes] for column, faults in wrong if faults is not None]
        for number, (kind, detail) in enumerate(FAULTS, 1):
            for faults in wrong:
                verdict.fault(kind, faults == number, lambda row, detail=detail: detail)
        seconds, units = self.times.read(times)
        bad = units == BAD
        if bad.any():
            if self.form.option("missing_time") == "drop":
                verdict.drop(NO_TIME, times.each(_lacking))
            verdict.fault(
                BAD_TIME,
                bad,
                lambda row: (
                    f"time {shortened(times[row])!r} is not a time, expected {self.times.expected()}"
                ),
            )
        labels, extras = self._values(columns, verdict)
        return Judged(verdict, labels, seconds, units, extras)

    def _rows(self, part, verdict):
        """Rows that are not cut as they should be."""
        if part.open_lines:
            last = np.arange(len(verdict.code)) == len(verdict.code) - 1
            verdict.fault(OPEN_QUOTE, last, lambda row: "a quote is not closed, up to the end")
        if part.widths is not None:
            verdict.fault(
                COLUMNS,
                part.widths != self.width,
                lambda row: f"{part.widths[row]} columns, expected {self.width}",
            )

    def _values(self, texts, verdict):
        """Labels int8 [m] and the extras, float32 [m] each; what is unsound goes to ``verdict``."""
        columns = {}
        for name in self.form.numeric(self.extras):
            column = texts[name]
            if isinstance(column, Texts):
                values = column.each(to_values)
            else:
                values = np.where(np.isfinite(column), column, np.nan)
            lacking = np.isnan(values)
            if lacking.any():
                verdict.fault(
                    f"{name} is not a number",
                    lacking,
                    lambda row, name=name: (
                        f"{name} is {shortened(str(texts[name][row]))!r}, expected a number"
                    ),
                )
                values[lacking] = 0
            columns[name] = values
        if not columns:  # an expression of numbers alone
            columns[""] = np.zeros(len(verdict.code))
        labels = label_rows(self.form, columns, self.data)
        for kind, hit, shown, detail in labels.faults:
            verdict.fault(kind, hit, lambda row, s=shown, d=detail: d.format(s[row]))
        extras = []
        for key in self.extras:
            values = self.form.expressions[key].evaluate(columns)
            with np.errstate(over="ignore"):
                values = values.astype(np.float32)
            verdict.fault(
                BAD_EXTRA,
                ~np.isfinite(values),
                lambda row, key=key, v=values: (
                    f"{key}: {self.form.expressions[key].text} gives {v[row]}, expected a finite number"
                ),
            )
            extras.append(values)
        for kind, hit in labels.drops:
            verdict.drop(kind, hit)
        return labels.values, extras


def _lacking(texts):
    return np.array([text.strip().lower() in ("", "nan") for text in texts], bool)


def refuse_malformed(path, kept, malformed, max_malformed):
    """Raises if more than the allowed fraction of rows is malformed, or there is none.

    Args:
      path: the file.
      kept: rows that are sound, whether they are left out or not.
      malformed: ``Tally``.
      max_malformed: the fraction allowed.

    Raises:
      UserError: with the most frequent kind, its line, and all kinds.
    """
    total = malformed.total()
    if not kept + total:
        raise UserError(f"{path}: no record found, expected lines such as {EXAMPLE}")
    if total <= max_malformed * (kept + total) and kept:
        return
    worst = max(malformed.kinds(), key=malformed.counts.get)
    line, detail = malformed.first[worst]
    kinds = ", ".join(
        f"{kind}: {malformed.counts[kind]} (first on line {malformed.first[kind][0]})"
        for kind in malformed.kinds()
    )
    raise UserError(
        f"{path}:{line}: {detail}. Malformed rows: {total} of {kept + total} ({kinds}), more than "
        f"max_malformed={max_malformed:g} allows; correct the file, or raise max_malformed to "
        "drop them"
    )
