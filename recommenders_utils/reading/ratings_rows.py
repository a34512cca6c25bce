"""Row by row reading of a ratings file that the fast parser would not take as it is.

Finds which rows are malformed, why and on which line. Also reads what is sound but unusual: ISO
dates, fractions of a second, delimiters of two characters.
"""

import contextlib
import csv
import itertools
import re

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.text import LONGEST_ID

CHUNK = 20000  # rows; a larger chunk falls out of the processor's caches
TOO_LATE = 1e14  # milliseconds of the year 5138
# Kinds of malformed rows; a row counts once, under the first that applies.
COLUMNS, EMPTY_ID, BAD_ID, LONG_ID, BAD_RATING, BAD_TIME, SCALE = KINDS = (
    "wrong number of columns",
    "empty user or item id",
    "control character in an id",
    "id too long",
    "rating is not a number",
    "time is not a time",
    "rating outside the scale",
)


class Malformed:
    """Counts malformed lines by kind and keeps the first example of each."""

    def __init__(self):
        self.counts, self.first = {}, {}

    def add(self, kind, line, detail, count=1):
        """Notes ``count`` lines of ``kind``; ``detail`` says what is wrong with the first."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.first.setdefault(kind, (line, detail))

    def total(self):
        """How many lines were malformed."""
        return sum(self.counts.values())

    def report(self):
        """JSON-able: kind -> count and first line."""
        return {k: {"count": c, "first_line": self.first[k][0]} for k, c in self.counts.items()}


def read_rows(layout, rating_min, rating_max):
    """Reads every row of a file and sorts out the malformed ones.

    Args:
      layout: Layout of the file.
      rating_min: lowest rating of the scale.
      rating_max: highest rating of the scale.

    Returns:
      (columns, lines, malformed): columns a dict of user_id, item_id (Categorical), rating and
      timestamp (float64) of the n sound rows; lines int64 [n] their line numbers; Malformed.

    Raises:
      UserError: text that cannot be cut into rows at all.
      UnicodeDecodeError, EOFError, OSError: from reading.
    """
    malformed, parts = Malformed(), []
    vocabularies = ({}, {})
    with layout.open() as stream:
        for rows, lines in _chunks(stream, layout, malformed):
            texts = [
                np.array([row[at] for row in rows], dtype=object)
                for at in layout.positions.values()
            ]
            parts.append(_convert(texts, lines, vocabularies, (rating_min, rating_max), malformed))
    users, items, ratings, times, lines = (
        np.concatenate([part[k] for part in parts]) if parts else np.zeros(0, np.int64)
        for k in range(5)
    )
    columns = {
        "user_id": pd.Categorical.from_codes(users, list(vocabularies[0])),
        "item_id": pd.Categorical.from_codes(items, list(vocabularies[1])),
        "rating": ratings,
        "timestamp": times,
    }
    return columns, lines, malformed


def _chunks(stream, layout, malformed):
    """Yields (rows, lines): up to CHUNK rows of the right number of columns, int64 line numbers."""
    if len(layout.delimiter) > 1:
        reader = ([f.strip() for f in text.split(layout.delimiter)] for text in stream)
    else:
        reader = csv.reader(stream, delimiter=layout.delimiter, skipinitialspace=True)
    line = 1
    while True:
        try:
            rows = list(itertools.islice(reader, CHUNK))
        except csv.Error as error:
            raise UserError(
                f"{layout.path}:{reader.line_num}: cannot be read as delimited text: {error}; look "
                "for binary data or, on a line before, a quote that is not closed"
            ) from error
        if not rows:
            return
        spans = _spans(rows, getattr(reader, "line_num", None), line)
        lines = line + np.cumsum(spans) - spans
        line += int(spans.sum())
        widths = np.fromiter(map(len, rows), np.int64, len(rows))
        right = (widths == layout.width) & (lines >= layout.first_line)
        for k in np.flatnonzero(~right & (lines >= layout.first_line)):
            if len(rows[k]) > 1 or "".join(rows[k]).strip():  # not a blank line
                # A quote that is not closed swallows lines: each is lost, so each counts.
                detail = f"{widths[k]} columns, expected {layout.width}"
                malformed.add(COLUMNS, int(lines[k]), detail, int(spans[k]))
        if right.any():
            yield list(itertools.compress(rows, right)), lines[right]


def _spans(rows, line_num, line):
    """[rows] how many lines of the file each row takes: more than one if quoted line breaks."""
    if line_num is None or line_num == line - 1 + len(rows):
        return np.ones(len(rows), np.int64)
    breaks = re.compile("\r\n|\n|\r")
    spans = np.array([1 + sum(len(breaks.findall(f)) for f in row) for row in rows])
    spans[-1] -= line - 1 + spans.sum() - line_num  # an open quote takes the last line's end, too
    return spans


def _convert(texts, lines, vocabularies, scale, malformed):
    """Converts rows to (user codes, item codes, ratings, times, lines), the malformed dropped."""
    users, items, rating_text, time_text = texts
    user_codes, user_ids = pd.factorize(users)
    item_codes, item_ids = pd.factorize(items)
    ratings, times = to_numbers(rating_text), to_times(time_text)

    def each(test):
        """[n] whether the test holds for a row's user or item."""
        return (
            np.array([*map(test, user_ids)])[user_codes]
            | np.array([*map(test, item_ids)])[item_codes]
        )

    with np.errstate(invalid="ignore"):
        faults = (
            (EMPTY_ID, each(lambda text: not text), "an id is empty"),
            (BAD_ID, each(has_control), "an id contains a line break or NUL"),
            (LONG_ID, each(too_long), f"an id has more than {LONGEST_ID} characters"),
            (BAD_RATING, ~np.isfinite(ratings), "rating {rating!r} is not a number"),
            (
                BAD_TIME,
                ~((times >= 0) & (times < TOO_LATE)),
                "time {time!r} is not a time, expected unix seconds (or milliseconds or ISO dates)",
            ),
            (
                SCALE,
                (ratings < scale[0]) | (ratings > scale[1]),
                f"rating {{rating}} is outside the scale {scale[0]:g} to {scale[1]:g}; if the "
                "scale is another, set rating_min, rating_max and rating_threshold",
            ),
        )
    sound = np.ones(len(lines), bool)
    for kind, found, detail in faults:
        hit = np.flatnonzero(found & sound)
        if len(hit):
            detail = detail.format(
                rating=shortened(rating_text[hit[0]]), time=shortened(time_text[hit[0]])
            )
            malformed.add(kind, int(lines[hit[0]]), detail, len(hit))
            sound[hit] = False
    codes = []
    for known, local, ids in zip(
        vocabularies, (user_codes[sound], item_codes[sound]), (user_ids, item_ids)
    ):
        order, first = pd.factorize(local)  # ids of dropped rows stay out of the vocabulary
        known_codes = [known.setdefault(ids[k], len(known)) for k in first]
        codes.append(np.array(known_codes, np.int64)[order])
    return (*codes, ratings[sound], times[sound], lines[sound])


def to_numbers(texts):
    """Float64 of each text, NaN where it is not a number."""
    return pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)


def to_times(texts):
    """Numbers as they are, ISO dates and times as unix seconds (UTC); NaN for anything else."""
    times = to_numbers(texts).copy()
    dated = [k for k in np.flatnonzero(np.isnan(times)) if re.match(r"\d{4}-\d\d-\d\d", texts[k])]
    if dated:
        times[dated] = _dates([texts[k] for k in dated])
    return times


def _dates(texts):
    plain = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?Z?$"
    if all(re.match(plain, text) for text in texts):
        with contextlib.suppress(ValueError):  # a 30th of February: one by one, below
            dates = np.array([text.rstrip("Z") for text in texts], "datetime64[ms]")
            return dates.astype(np.int64) / 1000.0
    parsed = [pd.to_datetime(text, errors="coerce", utc=True) for text in texts]
    return np.array([np.nan if date is pd.NaT else date.timestamp() for date in parsed])


def has_control(text):
    """Whether an id holds a line break or NUL (numpy would cut the latter off)."""
    return "\n" in text or "\r" in text or "\0" in text


def too_long(text):
    """Whether an id would make the array of all ids too wide."""
    return len(text) > LONGEST_ID
