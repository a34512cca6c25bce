"""Reads a ratings file: CSV or TSV, plain or gzip, with or without a header."""

import os

import numpy as np
import pandas as pd

from recommenders_utils.dataset.ratings_layout import EXAMPLE, ROLES, detect_layout, readable
from recommenders_utils.dataset.ratings_rows import TOO_LATE, has_control, read_rows
from recommenders_utils.errors import UserError

# Unix seconds reach 1e11 in the year 5138, milliseconds passed it in 1973: no log of either unit
# comes near it.
MILLISECONDS = 1e11


def read_ratings(path, rating_min=1.0, rating_max=5.0, max_malformed=0.01):
    """Reads the four columns of a ratings file.

    Columns are found by name (user_id, item_id, rating, timestamp or a common spelling such as
    reviewerID, asin, overall, unixReviewTime; RecBole's ``name:type`` too); without a header they
    are user, item, rating, time.

    Args:
      path: the file.
      rating_min: lowest rating of the scale.
      rating_max: highest rating of the scale.
      max_malformed: fraction of malformed rows up to which they are dropped and reported.

    Returns:
      (frame, report). frame has n rows in file order: ``user_id`` and ``item_id`` (Categorical of
      strings, categories by first appearance), ``rating`` float64, ``timestamp`` unix seconds,
      int64, or float64 where the file has fractions of a second or milliseconds. report is
      JSON-able: ``file, rows, kept, malformed`` (kind -> count and first_line), ``time_unit`` and
      the layout found.

    Raises:
      UserError: anything wrong with the file, naming the line and how to mend it.
    """
    with readable(path):
        layout = detect_layout(path)
        columns = _read_fast(layout, rating_min, rating_max)
        malformed = {}
        if columns is None:
            columns, lines, faults = read_rows(layout, rating_min, rating_max)
            refuse_malformed(path, len(lines), faults, max_malformed)
            _refuse_mixed_units(path, columns["timestamp"], lines)
            malformed = faults.report()
    kept = len(columns["rating"])
    columns["timestamp"], unit = _seconds(columns["timestamp"])
    report = {
        "file": os.path.basename(path),
        "rows": kept + sum(kind["count"] for kind in malformed.values()),
        "kept": kept,
        "malformed": malformed,
        "time_unit": unit,
    }
    report.update(layout.describe())
    return pd.DataFrame(columns, columns=list(ROLES)), report


def _read_fast(layout, rating_min, rating_max):
    """All columns at once by pandas' C parser, or None if anything at all needs a closer look."""
    if len(layout.delimiter) > 1 or not layout.regular:
        return None
    user, item, rating, time = (layout.positions[role] for role in ROLES)
    dtypes = {column: str for column in range(layout.width)}
    dtypes.update({rating: np.float64, time: np.int64})
    # Neither usecols nor names: with them the parser silently accepts rows that are too long.
    try:
        frame = pd.read_csv(
            os.path.abspath(layout.path),
            sep=layout.delimiter,
            header=None,
            skiprows=layout.first_line - 1,
            dtype=dtypes,
            na_filter=False,
            skipinitialspace=True,
            compression="gzip" if layout.compressed else None,
            encoding=layout.encoding,
            float_precision="high",
            engine="c",
            low_memory=False,
        )
    except (ValueError, OverflowError):
        return None
    ratings, times = frame[rating].to_numpy(), frame[time].to_numpy()
    sound = (
        len(frame) > 0
        and rating_min <= ratings.min()
        and ratings.max() <= rating_max  # false for NaN, too
        and times.min() >= 0
        and times.max() < TOO_LATE
        and (times.min() < MILLISECONDS) == (times.max() < MILLISECONDS)
    )
    # A row that is too short ends in empty fields.
    if not sound or (frame[layout.width - 1] == "").any():
        return None
    columns = {"rating": ratings, "timestamp": times}
    for role, column in (("user_id", user), ("item_id", item)):
        codes, ids = pd.factorize(frame.pop(column))
        if len(ids) == 0 or "" in ids or any(map(has_control, ids)):
            return None
        columns[role] = pd.Categorical.from_codes(codes, ids)
    return columns


def refuse_malformed(path, kept, malformed, max_malformed):
    """Raises if more than the allowed fraction of rows is malformed, or none is left.

    Args:
      path: the file.
      kept: rows that are sound.
      malformed: ``Malformed``, its first examples with line numbers.
      max_malformed: the fraction allowed.

    Raises:
      UserError: with the most frequent kind, its line, and all kinds.
    """
    total = malformed.total()
    if not kept + total:
        raise UserError(f"{path}: no record found, expected lines such as {EXAMPLE}")
    if total <= max_malformed * (kept + total) and kept:
        return
    worst = max(malformed.counts, key=malformed.counts.get)
    line, detail = malformed.first[worst]
    kinds = ", ".join(
        f"{kind}: {count} (first on line {malformed.first[kind][0]})"
        for kind, count in malformed.counts.items()
    )
    raise UserError(
        f"{path}:{line}: {detail}. Malformed rows: {total} of {kept + total} ({kinds}), more than "
        f"max_malformed={max_malformed:g} allows; correct the file, or raise max_malformed to "
        "drop them"
    )


def _refuse_mixed_units(path, times, lines):
    late = times >= MILLISECONDS
    if late.any() and not late.all():
        one, other = np.flatnonzero(~late)[0], np.flatnonzero(late)[0]
        raise UserError(
            f"{path}: times are in seconds on some lines and milliseconds on others: line "
            f"{lines[one]} has {times[one]:.0f}, line {lines[other]} has {times[other]:.0f}; "
            "write all of them in unix seconds"
        )


def _seconds(times):
    """(times in seconds, unit found); fractions are kept, they order records within a second."""
    unit = "seconds"
    if len(times) and times[0] >= MILLISECONDS:
        times, unit = times / 1000.0, "milliseconds"
    whole = times.astype(np.int64)
    return (whole if np.array_equal(whole, times) else times), unit
