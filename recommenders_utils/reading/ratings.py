"""Reads a ratings file: CSV or TSV, plain or gzip, with or without a header."""

import io
import os

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.reading.blocks import BLOCK_BYTES, text_blocks
from recommenders_utils.reading.ids import GrowingVocabulary
from recommenders_utils.reading.ratings_layout import EXAMPLE, ROLES, detect_layout, readable
from recommenders_utils.reading.ratings_rows import TOO_LATE, has_control, read_rows, too_long

# Unix seconds reach 1e11 in the year 5138, milliseconds passed it in 1973: no log of either unit
# comes near it.
MILLISECONDS = 1e11


def read_ratings(path, rating_min=1.0, rating_max=5.0, max_malformed=0.01, block_bytes=BLOCK_BYTES):
    """Reads the four columns of a ratings file.

    Columns are found by name (user_id, item_id, rating, timestamp or a common spelling such as
    reviewerID, asin, overall, unixReviewTime; RecBole's ``name:type`` too); without a header they
    are user, item, rating, time.

    Args:
      path: the file.
      rating_min: lowest rating of the scale.
      rating_max: highest rating of the scale.
      max_malformed: fraction of malformed rows up to which they are dropped and reported.
      block_bytes: how much text is read at a time; it bounds the memory and changes no result.

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
        columns = _read_fast(layout, rating_min, rating_max, block_bytes)
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


def _read_fast(layout, rating_min, rating_max, block_bytes):
    """All columns by pandas' C parser, block by block; None if anything at all needs a closer look."""
    if len(layout.delimiter) > 1 or not layout.regular:
        return None
    vocabularies, parts, late = (GrowingVocabulary(), GrowingVocabulary()), [], set()
    blocks = text_blocks(layout.path, layout.compressed, layout.first_line - 1, block_bytes)
    try:
        for block in blocks:
            if len(block) < 100 and not block.strip():
                continue  # blank lines at the end
            part = _parse_block(block, layout)
            if part is None:
                return None
            users, items, ratings, times = part
            sound = (
                rating_min <= ratings.min()
                and ratings.max() <= rating_max  # false for NaN, too
                and times.min() >= 0
                and times.max() < TOO_LATE
            )
            late.update((times.min() >= MILLISECONDS, times.max() >= MILLISECONDS))
            if not sound or len(late) > 1:
                return None
            codes = [known.codes(ids) for known, ids in zip(vocabularies, (users, items))]
            parts.append((*codes, ratings, times))
    except (ValueError, OverflowError):
        return None
    if not parts or any(
        "" in known.ids or any(map(has_control, known.ids)) or any(map(too_long, known.ids))
        for known in vocabularies
    ):
        return None
    columns = {}
    for k, role in enumerate(ROLES):
        # One column at a time, so that the parts and the whole never stand side by side.
        columns[role] = np.concatenate([part[k] for part in parts])
        parts = [(*part[:k], None, *part[k + 1 :]) for part in parts]
    for role, known in zip(ROLES, vocabularies):
        columns[role] = pd.Categorical.from_codes(columns[role], list(known.ids))
    return columns


def _parse_block(block, layout):
    """(users, items, ratings, times) of one block of lines; None if a row has another width."""
    user, item, rating, time = (layout.positions[role] for role in ROLES)
    # Categories: the parser then makes a string for each id, not for each row.
    dtypes = {column: "category" for column in range(layout.width)}
    dtypes.update({rating: np.float64, time: np.int64})
    # Neither usecols nor names: with them the parser silently accepts rows that are too long. Nor
    # its own chunks: it takes a chunk's first row as long as it is.
    frame = pd.read_csv(
        io.BytesIO(block),
        sep=layout.delimiter,
        header=None,
        dtype=dtypes,
        na_filter=False,
        skipinitialspace=True,
        encoding="utf-8",
        float_precision="high",
        engine="c",
        low_memory=False,
    )
    if frame.shape[1] != layout.width or not len(frame):
        return None
    last = frame[layout.width - 1]
    # A row that is too short ends in empty fields.
    if hasattr(last, "cat") and "" in last.cat.categories:
        return None
    return frame[user], frame[item], frame[rating].to_numpy(), frame[time].to_numpy()


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
