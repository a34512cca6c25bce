"""Which records are training, validation and test targets.

An instance is a target record with its user's whole history before it, so every record but a
user's first can be one. Test keeps only liked targets, validation keeps all (RELEASED, data, 7).
"""

from typing import Dict, Sequence

import numpy as np

from recommenders_utils.dataset.store import SPLITS, Instances
from recommenders_utils.errors import UserError
from recommenders_utils.reading.times import DAY, day_and_time

METHODS = ("leave_one_out", "last_day", "noon_last_day", "ratio")


def split_instances(
    method: str,
    user_offsets: np.ndarray,
    times: np.ndarray,
    labels: np.ndarray,
    ratio: Sequence[float] = (0.8, 0.1, 0.1),
    utc_offset_hours: float = 0.0,
) -> Dict[str, Instances]:
    """Splits the instances of all users.

    - ``leave_one_out`` (RELEASED): a user's last record is test, the last but one validation, the
      others training. A user with two records gives a test instance only, with three no training.
    - ``last_day`` (the paper): the log's last calendar day is test, the last day before it that has
      any record is validation, all earlier days training.
    - ``noon_last_day`` (the paper's micro-video log): the last calendar day before noon is validation,
      from noon on test, all earlier days training.
    - ``ratio``: shares of the records in the log's time order; equal times in the order of users
      and their records, so that a user's earlier record never falls into a later split.

    Args:
      method: one of the above.
      user_offsets: int64 [U + 1].
      times: [n] unix seconds, never decreasing within a user.
      labels: int8 [n] 1 positive, 0 negative feedback.
      ratio: train, valid and test shares, for ``ratio``.
      utc_offset_hours: time zone of calendar days, in hours east of UTC.

    Returns:
      dict: split -> Instances without candidates, in the order of users and their records.

    Raises:
      UserError: an unknown method, invalid shares, a split without an instance.
    """
    if method == "leave_one_out":
        parts = _leave_one_out(user_offsets, len(times))
    elif method == "last_day":
        parts = _last_day(times, utc_offset_hours)
    elif method == "noon_last_day":
        parts = _noon_last_day(times, utc_offset_hours)
    elif method == "ratio":
        parts = _ratio(times, ratio)
    else:
        raise UserError(f"split: {method!r} is unknown, expected one of {', '.join(METHODS)}")
    parts[user_offsets[:-1]] = -1  # no history
    parts[(parts == SPLITS.index("test")) & (np.asarray(labels) != 1)] = -1
    users = np.repeat(np.arange(len(user_offsets) - 1, dtype=np.int32), np.diff(user_offsets))
    splits = {}
    for k, name in enumerate(SPLITS):
        ends = np.flatnonzero(parts == k)
        if not len(ends):
            raise UserError(_nothing_in(name, method, times, utc_offset_hours))
        splits[name] = Instances(users=users[ends], ends=ends)
    return splits


def _leave_one_out(user_offsets, n):
    parts = np.zeros(n, np.int8)
    lasts = user_offsets[1:] - 1
    parts[lasts[np.diff(user_offsets) > 1] - 1] = 1
    parts[lasts] = 2
    return parts


def _noon_last_day(times, utc_offset_hours):
    days, seconds = day_and_time(times, utc_offset_hours)
    parts = np.where(seconds < DAY // 2, 1, 2).astype(np.int8)
    parts[days < days.max()] = 0
    return parts


def _last_day(times, utc_offset_hours):
    days, _ = day_and_time(times, utc_offset_hours)
    found = np.unique(days)
    parts = np.zeros(len(times), np.int8)
    parts[days == found[-1]] = 2
    if len(found) > 1:
        parts[days == found[-2]] = 1
    return parts


def _ratio(times, ratio):
    shares = np.asarray(ratio, np.float64)
    if shares.shape != (3,) or np.any(shares <= 0) or abs(shares.sum() - 1) > 1e-6:
        raise UserError(
            f"split_ratio: {list(ratio)} is not a split, expected three positive shares (train, "
            "valid, test) that add up to 1, such as [0.8, 0.1, 0.1]"
        )
    ranks = np.empty(len(times), np.int64)
    ranks[np.argsort(times, kind="stable")] = np.arange(len(times))
    cuts = np.rint(np.cumsum(shares)[:2] * len(times))
    return np.searchsorted(cuts, ranks, side="right").astype(np.int8)


def _nothing_in(name, method, times, utc_offset_hours):
    """The message for a split without an instance."""
    liked = " and is liked" if name == "test" else ""
    instead = "use a longer log or filter less"
    if method == "last_day":
        days = np.unique(day_and_time(times, utc_offset_hours)[0])[-2:]
        dates = " and ".join(str(np.datetime64(int(day), "D")) for day in days)
        where = f"before the log's last days ({dates})" if name == "train" else f"on {dates}"
        why = f"no record {where} has a history{liked}"
        instead = "choose another split (split=leave_one_out or split=ratio) or filter less"
    elif method == "noon_last_day":
        day = np.datetime64(int(day_and_time(times, utc_offset_hours)[0].max()), "D")
        where = {"train": "before", "valid": "before noon of", "test": "from noon on of"}[name]
        why = f"no record {where} the log's last day ({day}) has a history{liked}"
        instead = "choose another split (split=leave_one_out or split=ratio) or filter less"
    elif method == "ratio":
        why = f"none in its share of the log's {len(times)} records has a history{liked}"
        instead = "choose another split_ratio, use a longer log or filter less"
    elif name == "test":
        why = "no user with at least two records liked the last one"
    else:
        why = f"no user has {3 if name == 'valid' else 4} or more records"
    return f"split={method}: no {name} instance: {why}; {instead}"
