"""Times of a log, in whatever unit it has them, as unix seconds.

Numbers are told apart by size: seconds stay below 1e11 until the year 5138, milliseconds passed that in
1973, and each finer unit is a thousand times the last. A log is in one unit; one that mixes them is refused.
Days without a zone (text dates, ``20220410``, day numbers) are days of the log's own UTC offset.
"""

import datetime
import re

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.reading.numbers import exact_numbers

HOUR, DAY = 3600, 86400  # seconds
# unit -> (lowest, first too high, units in a second).
_SIZES = {
    "seconds": (0, 1e11, 1),
    "milliseconds": (1e11, 1e14, 1e3),
    "microseconds": (1e14, 1e17, 1e6),
    "nanoseconds": (1e17, 1e20, 1e9),
}
UNITS = (*_SIZES, "days", "yyyymmdd", "text")
BAD = ""  # the unit of what is no time
_EIGHT = re.compile(r"^(\d{4})(\d\d)(\d\d)(?:\.0*)?$")
_DATE = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?$"
_ZONE = r"\d[ T].*(?:Z|[+-]\d\d:?\d\d)$"


class Times:
    """Collects the times of a log chunk by chunk, in one unit.

    Args:
      unit: one of ``UNITS``, or ``auto``.
      utc_offset_hours: of days without a zone, hours east of Greenwich.
    """

    def __init__(self, unit="auto", utc_offset_hours=0.0):
        self.unit, self.offset = unit, utc_offset_hours * HOUR
        self.seen = {}  # unit -> (row, text) of the first time in it

    def read(self, texts):
        """Reads times without taking note of them.

        Args:
          texts: object array [n] of text.

        Returns:
          (seconds float64 [n], NaN for what is no time; units, object array [n]).
        """
        numbers = exact_numbers(texts)
        seconds = np.full(len(texts), np.nan)
        units = np.full(len(texts), BAD, dtype=object)
        with np.errstate(invalid="ignore"):
            for unit, at in self._kinds(numbers).items():
                rows = np.flatnonzero(at)
                if not len(rows):
                    continue
                if unit in _SIZES:
                    seconds[rows] = _in_seconds(numbers[rows], texts[rows], unit)
                elif unit == "days":
                    seconds[rows] = numbers[rows] * DAY - self.offset
                else:
                    seconds[rows] = self._dates(texts[rows], unit)
                units[rows] = unit
            # Day 0 of an offset east of Greenwich begins in 1969 there.
            bad = ~((seconds >= min(0, -self.offset)) & (seconds < 1e11))
        seconds[bad], units[bad] = np.nan, BAD
        return seconds, units

    def note(self, units, rows, texts):
        """Takes note of the units of rows that are kept.

        Args:
          units: object array [n].
          rows: int [n] numbers of the rows, rising.
          texts: object array [n] of the times' text.
        """
        codes, names = pd.factorize(units)
        for code, name in enumerate(names):
            if name not in self.seen:
                first = int(np.argmax(codes == code))
                self.seen[name] = (int(rows[first]), texts[first])

    def require_one_unit(self, path):
        """Raises UserError if kept times are in several units; ``seen`` must hold lines by now."""
        if len(self.seen) < 2:
            return
        (one, (line, text)), (other, (line2, text2)) = list(self.seen.items())[:2]
        raise UserError(
            f"{path}:{line2}: the time {text2} is in {other}, but line {line} has {text}, in {one}; "
            "write all times in one unit, or say time_unit in the adapter"
        )

    def found(self):
        """The unit of the log."""
        return next(iter(self.seen), "seconds")

    def _kinds(self, numbers):
        """unit -> bool [n]; the first that holds counts."""
        if self.unit == "text":
            return {"text": np.ones(len(numbers), bool)}
        if self.unit in ("days", "yyyymmdd"):
            return {self.unit: ~np.isnan(numbers)}
        sizes = {
            unit: (numbers >= low) & (numbers < high) for unit, (low, high, _) in _SIZES.items()
        }
        if self.unit != "auto":
            return {self.unit: sizes[self.unit]}
        dates = (numbers >= 19900101) & (numbers < 21000000) & _is_date(numbers)
        return {
            "yyyymmdd": dates,
            **{unit: at & ~dates for unit, at in sizes.items()},
            "text": np.isnan(numbers),
        }

    def _dates(self, texts, unit):
        """Seconds of dates; with a zone of their own or else of the log's offset."""
        plain = pd.Series(texts, dtype=object).astype(str).str.strip()
        if unit == "yyyymmdd":
            plain = plain.str.replace(_EIGHT, r"\1-\2-\3", regex=True)
        zoned = plain.str.contains(_ZONE).to_numpy(bool)
        shaped = plain.str.match(_DATE).to_numpy(bool)
        values = plain.to_numpy()
        seconds = np.full(len(values), np.nan)
        rows = np.flatnonzero(shaped & ~zoned)
        try:
            stamps = values[rows].astype("datetime64[us]")
            seconds[rows] = stamps.astype(np.int64) / 1e6
        except ValueError:  # a 30th of February among them: one by one
            seconds[rows] = [_moment(values[row]) for row in rows]
        rows = np.flatnonzero(shaped & zoned)
        seconds[rows] = [_moment(values[row]) for row in rows]
        return seconds - np.where(zoned, 0, self.offset)


def day_and_time(times, utc_offset_hours=0.0):
    """Calendar days of an offset.

    Args:
      times: [n] unix seconds.
      utc_offset_hours: hours east of Greenwich.

    Returns:
      (days int64 [n] since 1970-01-01, seconds of the day [n]).
    """
    local = np.asarray(times) + utc_offset_hours * HOUR
    days = np.floor_divide(local, DAY)
    return days.astype(np.int64), local - days * DAY


def _in_seconds(numbers, texts, unit):
    if unit == "nanoseconds":
        # Beyond 2**53 a float is not exact, and would not be the same from every parser.
        whole = [int(t) // 1000 if t.strip().isdigit() else float(t) // 1000 for t in texts]
        return np.array(whole, np.float64) / 1e6
    return numbers / _SIZES[unit][2]


def _is_date(numbers):
    month, day = numbers // 100 % 100, numbers % 100
    return (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (numbers % 1 == 0)


def _moment(text):
    """Unix seconds of an ISO date, without a zone taken as UTC; NaN if there is no such day."""
    parsed = pd.to_datetime(text, errors="coerce", utc=True)
    if parsed is pd.NaT:
        return np.nan
    since = parsed.to_pydatetime() - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since // datetime.timedelta(microseconds=1)) / 1e6
