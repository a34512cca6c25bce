"""Times of a log, in whatever unit it has them, as unix seconds.

Numbers are told apart by size: seconds stay below 1e11 until the year 5138, milliseconds passed that in
1973, and each finer unit is a thousand times the last. A log is in one unit; one that mixes them is refused.
Days without a zone (text dates, ``20220410``, day numbers) are days of the log's own UTC offset.
"""

import datetime
import re
from typing import Any, Dict, Sequence, Tuple

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import Texts
from recommenders_utils.reading.numbers import exact_numbers

HOUR, DAY = 3600, 86400  # seconds
TOO_LATE = 1e14  # milliseconds of the year 5138
# unit -> (lowest, first too high, units in a second).
_SIZES = {
    "seconds": (0, 1e11, 1),
    "milliseconds": (1e11, TOO_LATE, 1e3),
    "microseconds": (1e14, 1e17, 1e6),
    "nanoseconds": (1e17, 1e20, 1e9),
}
UNITS = (*_SIZES, "days", "yyyymmdd", "text")
# The units that are told apart by themselves, the first that holds counting.
AUTO = ("yyyymmdd", *_SIZES, "text")
FORMATTED = "format"  # the unit of texts in a format that the adapter gives
BAD = -1  # in place of a unit's index, for what is no time
_EIGHT = re.compile(r"^(\d{4})(\d\d)(\d\d)(?:\.0*)?$")
_DATES = (19900101, 21000000)  # eight digits that may be a date, and the first that are none
_DATE = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?Z?$"


class Times:
    """Reads the times of a log.

    Args:
      units: those of ``UNITS`` that a time may be in, in the order in which they are tried.
      utc_offset_hours: of days without a zone, hours east of UTC.
      time_format: of the unit ``FORMATTED``, as ``strptime`` takes it.
    """

    def __init__(self, units=AUTO, utc_offset_hours=0.0, time_format=None):
        self.units, self.offset = tuple(units), utc_offset_hours * HOUR
        self.format = time_format

    def expected(self) -> str:
        """What a time should be, for messages."""
        if self.units == (FORMATTED,):
            return f"time_format {self.format}"
        finer = "finer units" if "microseconds" in self.units else "milliseconds"
        several = f"unix seconds (or {finer} or ISO dates)"
        return several if len(self.units) > 1 else self.units[0]

    def read(self, column: Any) -> Tuple[np.ndarray, np.ndarray]:
        """Reads times.

        Args:
          column: ``columns.Texts`` [m], or int64 or float64 [m].

        Returns:
          (seconds float64 [m], NaN for what is not a time; int8 [m], indices into ``units``, or
          ``BAD``).
        """
        if isinstance(column, np.ndarray):
            unit = self._unit_of_all(column.min(), column.max())
            if unit is not None:
                seconds = self._in_seconds(column, column, unit)
                return seconds, np.full(len(column), self.units.index(unit), np.int8)
            if column.dtype.kind == "f":  # as text, since what is no number has no category
                column = np.array([*map(repr, column.tolist())], object)
            column = Texts.of(column)
        texts, numbers = column.texts, exact_numbers(column.texts)
        seconds = np.full(len(texts), np.nan)
        units = np.full(len(texts), BAD, np.int8)
        with np.errstate(invalid="ignore"):
            for index, unit in enumerate(self.units):
                rows = np.flatnonzero(self._holds(unit, numbers) & (units == BAD))
                if len(rows):
                    seconds[rows] = self._in_seconds(numbers[rows], texts[rows], unit)
                    units[rows] = index
            # Day 0 of an offset east of UTC begins in 1969 there.
            bad = ~((seconds >= min(0, -self.offset)) & (seconds < 1e11))
        seconds[bad], units[bad] = np.nan, BAD
        return seconds[column.codes], units[column.codes]

    def _unit_of_all(self, low, high):
        """The unit of whole numbers from low to high if size alone tells it, else None."""
        if "yyyymmdd" in self.units and low < _DATES[1] and high >= _DATES[0]:
            return None
        sizes = [(unit, *_SIZES[unit]) for unit in self.units if unit in _SIZES]
        return next((u for u, least, end, _ in sizes if least <= low and high < end), None)

    def _holds(self, unit, numbers):
        """Bool [n], whether numbers, NaN for other text, may be in a unit."""
        alone = len(self.units) == 1
        if unit in _SIZES:
            return (numbers >= _SIZES[unit][0]) & (numbers < _SIZES[unit][1])
        if unit in ("text", FORMATTED):
            return alone | np.isnan(numbers)
        if alone:
            return ~np.isnan(numbers)
        month, day = numbers // 100 % 100, numbers % 100
        dated = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (numbers % 1 == 0)
        return (numbers >= _DATES[0]) & (numbers < _DATES[1]) & dated

    def first(self, units: np.ndarray, column: Any, rows: np.ndarray, lines: Any) -> Dict[str, Any]:
        """The first time in each unit: unit -> (line, text).

        Args:
          units, column: [m], as ``read`` gives and takes them.
          rows: int [k], the rows that are kept.
          lines: gives a row's line number.
        """
        kept, found = units[rows], {}
        for index in np.flatnonzero(np.bincount(kept, minlength=len(self.units))):
            row = int(rows[np.argmax(kept == index)])
            found[self.units[index]] = lines[row], column[row]
        return found

    def _in_seconds(self, numbers, texts, unit):
        if unit == "nanoseconds":
            # Beyond 2**53 a float is not exact, and would not be the same from every parser.
            plain = (str(text).strip() for text in texts)
            return np.array([(int if t.isdigit() else float)(t) // 1000 for t in plain]) / 1e6
        if unit in _SIZES:
            return numbers / _SIZES[unit][2]
        if unit == "days":
            return numbers * DAY - self.offset
        if unit == FORMATTED:
            return self._formatted(texts)
        return self._dates(texts, unit)

    def _formatted(self, texts):
        """Seconds of texts in the format; NaN for any other."""
        plain = pd.Series(texts, dtype=object).astype(str).str.strip()
        moments = pd.to_datetime(plain, format=self.format, errors="coerce", utc=True)
        seconds = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
        return seconds.to_numpy(np.float64) - (0 if "%z" in self.format else self.offset)

    def _dates(self, texts, unit):
        """Seconds of dates; with a zone of their own or else of the log's offset."""
        plain = pd.Series(texts, dtype=object).astype(str).str.strip()
        if unit == "yyyymmdd":
            plain = plain.str.replace(_EIGHT, r"\1-\2-\3", regex=True)
        shaped = plain.str.match(_DATE).to_numpy(bool)
        offset = np.where(plain.str.endswith("Z"), 0, self.offset)
        values, stamps = plain.to_numpy(object), plain.str.rstrip("Z").to_numpy(object)
        seconds = np.full(len(values), np.nan)
        try:
            stamps = stamps[shaped].astype("datetime64[us]")
            seconds[shaped] = stamps.astype(np.int64) / 1e6 - offset[shaped]
        except ValueError:  # if a date such as February 30 is among them: one by one
            shaped[:] = False
        seconds[~shaped] = [self._moment(value) for value in values[~shaped]]
        return seconds

    def _moment(self, text):
        """Unix seconds of an ISO date and time; NaN if it is none or there is no such day."""
        day = re.match(r"\d{4}-\d\d-\d\d", text)
        parsed = pd.to_datetime(text, errors="coerce") if day else pd.NaT
        if parsed is pd.NaT:
            return np.nan
        offset = self.offset
        if parsed.tzinfo is not None:
            parsed, offset = parsed.tz_convert("UTC").tz_localize(None), 0
        since = parsed.to_pydatetime(warn=False) - datetime.datetime(1970, 1, 1)
        return (since // datetime.timedelta(microseconds=1)) / 1e6 - offset


def require_one_unit(paths: Sequence[str], seen: Dict[str, Any]) -> None:
    """Raises UserError for times in several units.

    Args:
      paths: the files.
      seen: unit -> ((index of the file, line), text) of the first time in it, see ``Times.first``.
    """
    found = sorted((place, unit, text) for unit, (place, text) in seen.items())
    if len(found) > 1:
        ((file, line), one, text), ((file2, line2), other, text2) = found[:2]
        where = f"line {line}" if file == file2 else f"{paths[file]}:{line}"
        raise UserError(
            f"{paths[file2]}:{line2}: the time {text2} is in {other}, but {where} has {text}, in "
            f"{one}; write all times in one unit, or say time_unit in an adapter"
        )


def per_second(unit: str) -> float:
    """How many of a unit are in a second; 1 for units that are no count of time."""
    return _SIZES.get(unit, (0, 0, 1))[2]


def day_and_time(times: np.ndarray, utc_offset_hours: float = 0.0) -> Tuple[np.ndarray, np.ndarray]:
    """Calendar days of an offset.

    Args:
      times: [n] unix seconds.
      utc_offset_hours: hours east of UTC.

    Returns:
      (days int64 [n] since 1970-01-01, seconds of the day [n]).
    """
    local = np.asarray(times) + utc_offset_hours * HOUR
    days = np.floor_divide(local, DAY)
    return days.astype(np.int64), local - days * DAY
