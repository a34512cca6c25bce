"""SYNTHETIC log files in the shapes of the paper's two data sets (Table 1).

The log is made in `synthetic`; this module has what differs between the data sets' files: size,
columns, times.
"""

import os
import time
from typing import Any, Callable, Dict

import numpy as np
from tqdm import tqdm

from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write
from recommenders_utils.synthetic import ratings as synthetic

MICRO_VIDEO_SHAPE = {
    "users": 37497,
    "items": 129092,
    "records": 11862089,
    "positive_share": 6413396 / 11862089,
}
SHAPES = {"amazon": synthetic.AMAZON_SHAPE, "micro_video": MICRO_VIDEO_SHAPE}
# Section 4.1.1: recorded from September 11 to September 22, 2021, days of its users, in China.
FIRST_MS, LAST_MS = 1631289600000, 1632326400000
SESSION_GAP = 0.03  # share of a user's records that begin a session hours after the last one
CHUNK = 1 << 19  # rows that are text at a time


def scaled(shape: Dict[str, Any], scale: float) -> Dict[str, Any]:
    """A smaller log of the same kind: ``scale`` times the users and items, the same records per user.

    Raises:
      UserError: a scale outside (0, 1], or one that leaves too few users or items.
    """
    if not 0 < scale <= 1:
        raise UserError(f"--scale: {scale:g}, expected a number above 0 and at most 1")
    # A user has no item twice, so that the catalogue cannot shrink as far as the users.
    users = max(round(shape["users"] * scale), 2)
    records = round(shape["records"] * users / shape["users"])
    items = max(round(shape["items"] * scale), min(shape["items"], 8 * records // users))
    return {**shape, "users": users, "items": items, "records": max(records, items)}


def write_file(
    kind: str,
    path: str,
    scale: str = "1",
    seed: str = "2023",
    say: Callable[[str], Any] = print,
) -> Dict[str, Any]:
    """Writes a SYNTHETIC log file and prints its shape (the command ``generate``).

    Args:
      kind: see ``generate_like``.
      path: the file. Its name has to begin with SYNTHETIC.
      scale: text of a number above 0 and at most 1.
      seed: text of a whole number.
      say: called with each line to print.

    Returns:
      dict of the shape written.

    Raises:
      UserError: a bad value.
    """
    name = os.path.basename(path)
    if not name.startswith("SYNTHETIC"):
        raise UserError(
            f"--output: {name!r} must begin with SYNTHETIC, which marks the results of generated "
            f"files; call it SYNTHETIC-{name}"
        )
    try:
        share, number = float(scale), int(seed)
    except ValueError:
        raise UserError(
            f"--scale={scale} --draw_seed={seed}: expected a number above 0 and at most 1, and a whole "
            "number"
        ) from None
    if not 0 <= number < 2**32:
        raise UserError(f"--draw_seed: {number}, expected a whole number from 0 to 4294967295")
    started = time.time()
    say(f"generating a SYNTHETIC log in the shape of {kind}")
    shape = generate_like(kind, path, number, share)
    size = os.path.getsize(path) / 2**20
    say(
        f"written: {path}: SYNTHETIC, {shape['users']:,} users, {shape['items']:,} items, "
        f"{shape['records']:,} records, {shape['positive_share']:.1%} positive; {size:,.0f} MiB in "
        f"{time.time() - started:.0f} s"
    )
    return shape


def generate_like(
    kind: str, path: str, seed: int = 2023, scale: float = 1.0, show_progress: bool = True
) -> Dict[str, Any]:
    """Writes a SYNTHETIC log file in the shape of one of the paper's data sets.

    Args:
      kind: ``amazon`` (user,item,rating,unix time, whole days, no header) or ``micro_video`` (header
        user_id,photo_id,time_ms,effective_view, as the released code reads it; milliseconds).
      path: the file to write, atomically.
      seed: of all draws.
      scale: share of the users and items, see `scaled`.
      show_progress: whether to show how far the writing is.

    Returns:
      dict of the shape written.

    Raises:
      UserError: an unknown kind or a shape of which there is no log.
      OSError: the file cannot be written.
    """
    if kind not in SHAPES:
        raise UserError(f"--like: {kind!r} is unknown, expected one of {', '.join(SHAPES)}")
    shape = scaled(SHAPES[kind], scale)
    if kind == "amazon":
        synthetic.generate_ratings(path, seed=seed, **shape)
        return shape
    times = _millisecond_times
    log = synthetic.make_log(seed=seed, times=times, topics=10, **shape)
    with atomic_write(path) as stream:
        stream.write("user_id,photo_id,time_ms,effective_view\n")
        starts = range(0, len(log.users), CHUNK)
        for start in tqdm(starts, "writing", disable=not show_progress, leave=False):
            part = slice(start, start + CHUNK)
            columns = (log.users, log.items, log.times, log.labels)
            rows = zip(*(column[part].tolist() for column in columns))
            stream.write("".join(f"SYNU{u},SYNI{i},{at},{label}\n" for u, i, at, label in rows))
    return shape


def _millisecond_times(rng, counts):
    """[n] unix milliseconds, rising within a user: sessions of a clip every some seconds."""
    records = int(counts.sum())
    starts = np.cumsum(counts) - counts
    gaps = np.ceil(rng.lognormal(9.0, 0.8, records)) + 1  # milliseconds, 8 s in the median
    away = rng.random_sample(records) < SESSION_GAP
    gaps[away] += np.ceil(rng.exponential(6 * 3600e3, int(away.sum())))
    gaps[starts] = 0
    at = np.cumsum(gaps)
    at -= np.repeat(at[starts], counts)
    spans = at[starts + counts - 1]
    room = LAST_MS - FIRST_MS - 1
    # Compress users who would outlast the log; the ceiling keeps a user's times distinct.
    squeeze = np.minimum(1.0, (room - counts) / np.maximum(spans, 1.0))
    at = np.floor(at * np.repeat(squeeze, counts)) + (
        np.arange(records) - np.repeat(starts, counts)
    )
    slack = np.maximum(room - at[starts + counts - 1], 0)
    begin = np.floor(rng.random_sample(len(counts)) * slack)
    return (FIRST_MS + np.repeat(begin, counts) + at).astype(np.int64)
