"""SYNTHETIC rating logs of a given shape, in which the order of feedback carries information.

What is planted, and how, is in `planted`.
"""

import collections
from typing import Any, Callable, Dict, Optional

import numpy as np

from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write
from recommenders_utils.synthetic.planted import draw_items, label_chains, use_every_item

# Increment when the same seed gives another file: stored stand-ins of other versions are stale.
GENERATOR_VERSION = 1

# Table 1 of the paper, Amazon: 99,753 positive and 20,581 negative records.
AMAZON_SHAPE: Dict[str, Any] = {
    "users": 6919,
    "items": 28695,
    "records": 120334,
    "positive_share": 99753 / 120334,
}

SAME_DAY = 0.4  # share of successive records on one day, as in the Toys & Games log
DAY = 86400
FIRST_DAY, LAST_DAY = 11166, 16274  # 2000-07-28 and 2014-07-23 in days since 1970

SyntheticLog = collections.namedtuple(
    "SyntheticLog", ["users", "items", "labels", "ratings", "times", "item_topics"]
)


def stand_in_overrides() -> Dict[str, Any]:
    """Data hyper-parameters under which preparation keeps a generated log complete.

    The paper filters the full 2.25 M-rating file, items (at least 10 records) before users, and
    only then counts Table 1: what is left has 120,334 / 28,695 = 4.2 records an item, and a
    second filter of 10 an item would leave nothing. The stand-in is generated as that
    *already filtered* log, so items must not be filtered again; users all have 10 records or more.
    Its file order is the planted order, within a day too.
    """
    return {"min_item_records": 0, "min_user_records": 10, "tie_order": "file"}


def generate_ratings(
    path: str,
    users: int = AMAZON_SHAPE["users"],
    items: int = AMAZON_SHAPE["items"],
    records: int = AMAZON_SHAPE["records"],
    positive_share: float = AMAZON_SHAPE["positive_share"],
    seed: int = 2023,
    signal: float = 1.0,
    topics: Optional[int] = None,
    min_user_records: int = 10,
) -> SyntheticLog:
    """Writes a SYNTHETIC ratings file as the Amazon one: user,item,rating,unix time; no header.

    The file holds exactly ``users`` users, ``items`` items, ``records`` records and
    ``round(records * positive_share)`` ratings above 3; no (user, item) pair twice. By default
    that is Table 1's Amazon row (mean 17.39 records a user), generated as the log *after* the
    paper's filter: prepare it with `stand_in_overrides`. Rows are in order of time; of a
    user's records on one day the file order is the true one.

    Args:
      path: file to write (atomically).
      users, items, records, positive_share, seed, signal, topics, min_user_records: see `make_log`.

    Returns:
      The `SyntheticLog` written (rows in file order).

    Raises:
      UserError: if no log of that shape exists.
      OSError: if the file cannot be written.
    """
    log = make_log(
        users=users,
        items=items,
        records=records,
        positive_share=positive_share,
        seed=seed,
        signal=signal,
        topics=topics,
        min_user_records=min_user_records,
    )
    rows = zip(log.users.tolist(), log.items.tolist(), log.ratings.tolist(), log.times.tolist())
    text = "".join(
        f"SYNU{user:06},SYNI{item:06},{rating}.0,{at}\n" for user, item, rating, at in rows
    )
    with atomic_write(path) as stream:
        stream.write(text)
    return log


def make_log(
    users: int,
    items: int,
    records: int,
    positive_share: float,
    seed: int,
    signal: float = 1.0,
    topics: Optional[int] = None,
    min_user_records: int = 10,
    times: Optional[Callable[[Any, np.ndarray], np.ndarray]] = None,
) -> SyntheticLog:
    """The log that `generate_ratings` writes, as arrays.

    Args:
      users, items, records: exact totals; every user has ``min_user_records`` records or
        more and every item one.
      positive_share: share of the records with a rating above 3.
      seed: of the one generator all draws come from.
      signal: share of the planted structure in [0, 1], see `planted`.
      topics: number of item topics, 6 or more; by default one for 12 items, at most 10 (the more
        there are, the easier a planted move is told from chance without the labels).
      min_user_records: fewest records of a user.
      times: function (generator, counts of each user's records) -> [n] times not falling within a user;
        unix seconds of whole days by default.

    Returns:
      SyntheticLog of ``users``, ``items``, ``labels`` (1 positive), ``ratings`` (1 to 5) and
      ``times``, each an integer array of n records in order of time, and
      ``item_topics``, the topic of each item number.

    Raises:
      UserError: if no log of that shape exists.
    """
    if topics is None:
        topics = int(np.clip(items // 12, 6, 10))
    _check_shape(users, items, records, positive_share, signal, topics, min_user_records)
    rng = np.random.RandomState(seed)
    counts = _record_counts(rng, users, records, min_user_records, items // 2)
    # Longest user first: the users that still have a record at step t are then a prefix.
    starts = np.cumsum(counts) - counts
    labels = label_chains(rng, counts, starts, positive_share, signal)
    numbers = rng.permutation(items)  # hides topic and popularity from the item's number
    item_topics = np.arange(items) % topics
    drawn = draw_items(rng, counts, starts, labels, items, topics, signal)
    drawn = use_every_item(rng, drawn, item_topics)
    owners = np.repeat(rng.permutation(users), counts)
    drawn_times = (times or _day_times)(rng, counts)
    ratings = np.where(
        labels == 1,
        rng.choice([4, 5], size=records, p=[0.27, 0.73]),
        rng.choice([1, 2, 3], size=records, p=[0.17, 0.23, 0.60]),
    )
    # Real files list users interleaved. Stable by time keeps each user's own order on equal days.
    order = np.argsort(drawn_times, kind="mergesort")
    topic_of_number = np.empty(items, np.int64)
    topic_of_number[numbers] = item_topics
    return SyntheticLog(
        users=owners[order],
        items=numbers[drawn][order],
        labels=labels[order],
        ratings=ratings[order],
        times=drawn_times[order],
        item_topics=topic_of_number,
    )


def _check_shape(users, items, records, positive_share, signal, topics, min_user_records):
    problems = [
        (users < 1 or items < 1 or min_user_records < 1, "users, items and min_user_records >= 1"),
        (topics < 6 or topics > items, "6 <= topics <= items"),
        (not 0 <= positive_share <= 1, "0 <= positive_share <= 1"),
        (not 0 <= signal <= 1, "0 <= signal <= 1"),
        (records < items, "records >= items, every item has one"),
        (records < users * min_user_records, "records >= users * min_user_records"),
        (records > users * (items // 2), "records <= users * items / 2, no item twice for a user"),
    ]
    for broken, rule in problems:
        if broken:
            raise UserError(
                f"no synthetic log with users={users}, items={items}, records={records}, "
                f"positive_share={positive_share}, signal={signal}, topics={topics}, "
                f"min_user_records={min_user_records}: expected {rule}"
            )


def _record_counts(rng, users, records, least, most):
    """[U] records of each user, descending: a long tail above ``least``, summing to ``records``."""
    counts = np.full(users, least, np.int64)
    weights = rng.lognormal(0.0, 0.9, users)
    left = records - counts.sum()
    while left > 0:
        open_weights = np.where(counts < most, weights, 0.0)
        counts += rng.multinomial(left, open_weights / open_weights.sum())
        counts = np.minimum(counts, most)
        left = records - counts.sum()
    return np.sort(counts)[::-1]


def _day_times(rng, counts):
    """[n] unix seconds, whole days, not decreasing within a user."""
    records = int(counts.sum())
    starts = np.cumsum(counts) - counts
    gaps = np.ceil(rng.lognormal(2.5, 1.7, records))
    gaps[rng.random_sample(records) < SAME_DAY] = 0
    gaps[starts] = 0
    days = np.cumsum(gaps)
    days -= np.repeat(days[starts], counts)
    # Compress histories that are longer than the log, then start each where it still fits.
    spans = days[starts + counts - 1]
    room = LAST_DAY - FIRST_DAY
    days = np.floor(days * np.repeat(np.minimum(1.0, room / np.maximum(spans, 1.0)), counts))
    slack = room - days[starts + counts - 1]
    begin = np.floor(rng.beta(3.0, 1.0, len(counts)) * slack)
    return ((FIRST_DAY + np.repeat(begin, counts) + days) * DAY).astype(np.int64)
