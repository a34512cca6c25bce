"""The signal in a SYNTHETIC log: labels and items whose order carries information.

What is planted (``signal=1``), after the paper's reading of Figure 4 (section 4.4):

* Items fall into topics on a ring; inside a topic their popularity is a mild Zipf law. A user likes
  a few topics and dislikes a few.
* Feedback is a two-state Markov chain: after a negative record the next one is far more likely
  negative (e-commerce in Figure 4).
* After a *liked* record on topic k the next one tends to stay on k or to move to k's successor;
  after a *disliked* one the user leaves k for the far side of the ring. So the same items
  with flipped labels imply other next items, and a model must read items and labels together.
* Some moves are the user's own taste: a liked topic if the next record is positive, a disliked one
  if it is negative.

With ``signal=0`` items are drawn by popularity and labels independently: only the rule that a user
meets an item once can be learned. Values between mix the two, record by record.
"""

from typing import Any

import numpy as np

LIKED_TOPICS = 3  # of each user
DISLIKED_TOPICS = 2
PERSISTENCE = 0.3  # correlation of successive labels; Table 1's share gives P(neg | neg) = 0.42
STAY, SUCCEED = 0.40, 0.42  # liked, then liked: same topic, successor, else the user's taste
LEAVE = 0.85  # disliked, then liked: the ring's far side, else the user's taste
BEFORE_DISLIKE = 0.5  # share of the moves above that hold when the next record is disliked
ZIPF_EXPONENT, ZIPF_OFFSET = 1.0, 3.0


def label_chains(
    rng: Any, counts: np.ndarray, starts: np.ndarray, positive_share: float, signal: float
) -> np.ndarray:
    """[n] labels, users one after the other: Markov chains with an exact number of positives."""
    records = int(counts.sum())
    negative_share = 1.0 - positive_share
    persistence = PERSISTENCE * signal
    # The two-state chain with this stationary share and this correlation of neighbours.
    negative_after = np.array(
        [negative_share + persistence * positive_share, negative_share * (1.0 - persistence)]
    )
    uniform = rng.random_sample(records)
    labels = np.empty(records, np.int64)
    labels[starts] = uniform[starts] >= negative_share
    for step, active in _steps(counts):
        rows = starts[:active] + step
        labels[rows] = uniform[rows] >= negative_after[labels[rows - 1]]
    # Chance is off by a few per thousand; flip that many records for the exact total.
    surplus = int(labels.sum()) - round(records * float(positive_share))
    pool = np.flatnonzero(labels == (1 if surplus > 0 else 0))
    labels[rng.choice(pool, size=abs(surplus), replace=False)] ^= 1
    return labels


def _steps(counts):
    """Yields (step, number of users with a record at that step) for steps 1, 2, ...; counts descending."""
    for step in range(1, int(counts[0])):
        yield step, int(np.searchsorted(-counts, -step, side="left"))


def draw_items(
    rng: Any,
    counts: np.ndarray,
    starts: np.ndarray,
    labels: np.ndarray,
    items: int,
    topics: int,
    signal: float,
) -> np.ndarray:
    """[n] items (item i is of topic i % topics), no item twice in a user's ``counts`` records."""
    users = len(counts)
    catalogue = _Catalogue(rng, items, topics)
    taste = np.argsort(rng.random_sample((users, topics)), axis=1)
    taste = taste[:, : LIKED_TOPICS + DISLIKED_TOPICS]
    history = np.full((users, int(counts[0])), -1, np.int32)
    topic = _own_topic(rng, taste, labels[starts])
    drawn = np.empty(len(labels), np.int64)
    for step, active in [(0, users), *_steps(counts)]:
        rows = starts[:active] + step
        if step:
            previous = history[:active, step - 1] % topics
            own = _own_topic(rng, taste[:active], labels[rows])
            topic = _next_topic(rng, previous, labels[rows - 1], labels[rows], own, topics)
        planted = rng.random_sample(active) < signal
        topic = np.where(planted, topic, rng.randint(topics, size=active))
        chosen = catalogue.draw(topic, history[:active, :step])
        history[:active, step] = chosen
        drawn[rows] = chosen
    return drawn


def _own_topic(rng, taste, labels):
    """[U] a topic of the user's taste: a liked one where the label is 1, else a disliked one."""
    liked = rng.randint(LIKED_TOPICS, size=len(labels))
    disliked = LIKED_TOPICS + rng.randint(DISLIKED_TOPICS, size=len(labels))
    return taste[np.arange(len(labels)), np.where(labels == 1, liked, disliked)]


def _next_topic(rng, previous, label, next_label, own, topics):
    """[U] the planted transition from (topic, label), given the next label and own taste."""
    uniform = rng.random_sample(len(previous))
    # Before a disliked record the rule holds less often: disliked records are where taste fails.
    uniform = np.where(next_label == 1, uniform, uniform / BEFORE_DISLIKE)
    after_liked = np.select(
        [uniform < STAY, uniform < STAY + SUCCEED], [previous, (previous + 1) % topics], own
    )
    # The far side is an arc of several topics: a single one would stand out among all moves from k,
    # and a model that ignores labels could rank it high as well.
    width = max(1, topics // 6)
    arc = rng.randint(width, size=len(previous)) - width // 2
    far = (previous + topics // 2 + arc) % topics
    after_disliked = np.where((uniform < LEAVE) | (own == previous), far, own)
    return np.where(label == 1, after_liked, after_disliked)


class _Catalogue:
    """Draws items of given topics by popularity, none that the user already has."""

    ROUNDS = 20

    def __init__(self, rng, items, topics):
        self._rng = rng
        self._items, self._topics = items, topics
        self._by_topic = np.argsort(np.arange(items) % topics, kind="mergesort")
        weights = (self._by_topic // topics + 1.0 + ZIPF_OFFSET) ** -ZIPF_EXPONENT
        topic = self._by_topic % topics
        weights /= np.bincount(topic, weights=weights)[topic]
        # Topic k owns the interval [k, k + 1): one search draws for all users at once.
        self._ends = np.cumsum(weights)
        self._last_of = np.cumsum(np.bincount(topic)) - 1
        self._ends[self._last_of] = np.arange(1, topics + 1)

    def draw(self, topic, history):
        """[U] items for [U] topics and [U, t] histories."""
        chosen = np.full(len(topic), -1, np.int64)
        waiting = np.arange(len(topic))
        for _ in range(self.ROUNDS):
            points = topic[waiting] + self._rng.random_sample(len(waiting))
            found = self._by_topic[np.searchsorted(self._ends, points, side="right")]
            taken = (history[waiting] == found[:, None]).any(axis=1)
            chosen[waiting[~taken]] = found[~taken]
            waiting = waiting[taken]
            if not len(waiting):
                break
        for (
            user
        ) in waiting:  # has most of a small topic: take a remaining item, or one of any topic
            free = np.setdiff1d(np.arange(topic[user], self._items, self._topics), history[user])
            if not len(free):
                free = np.setdiff1d(np.arange(self._items), history[user])
            chosen[user] = self._rng.choice(free)
        return chosen


def use_every_item(rng: Any, drawn: np.ndarray, item_topics: np.ndarray) -> np.ndarray:
    """Gives each item never drawn the place of a record whose item has others, same topic first.

    An item without records can go to any user without repeating a pair.
    """
    drawn = drawn.copy()
    for same_topic in (True, False):
        missing = np.flatnonzero(np.bincount(drawn, minlength=len(item_topics)) == 0)
        shuffled = rng.permutation(len(drawn))
        _, first = np.unique(drawn[shuffled], return_index=True)
        spare = np.delete(shuffled, first)  # all but one record of each item
        if same_topic:
            spare, missing = _pair_by_topic(spare, item_topics[drawn[spare]], missing, item_topics)
        drawn[spare[: len(missing)]] = missing
    return drawn


def _pair_by_topic(spare, spare_topics, missing, item_topics):
    """(records, items), equally long: as many as can be paired within a topic."""
    spare = spare[np.argsort(spare_topics, kind="mergesort")]
    spare_topics = np.sort(spare_topics)
    missing = missing[np.argsort(item_topics[missing], kind="mergesort")]
    missing_topics = item_topics[missing]
    # The r-th missing item of a topic takes that topic's r-th spare record, if there is one.
    rank = np.arange(len(missing)) - np.searchsorted(missing_topics, missing_topics)
    place = np.searchsorted(spare_topics, missing_topics) + rank
    fits = place < np.searchsorted(spare_topics, missing_topics, side="right")
    return spare[place[fits]], missing[fits]
