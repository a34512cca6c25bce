"""Test targets ranked in the whole catalogue, for any function that scores it.

Letters: N targets, H of them at a time, I items of the catalogue, K places of a list.
"""

import typing

import numpy as np
from tqdm import tqdm

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.dataset.training import disliked_test_targets
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.places import Excluded, rank_of_targets, top_k

TOGETHER = 128  # targets ranked at a time
CELLS = 1 << 24  # scores held at a time: 64 MiB


class Targets(typing.NamedTuple):
    """N observed records, each with the history before it.

    Attributes:
      users: int [N], rows of the store's users.
      ends: int64 [N], flat index of the record (see ``store.Instances``).
      labels: int8 [N], 1 liked, 0 disliked.
    """

    users: np.ndarray
    ends: np.ndarray
    labels: np.ndarray

    def take(self, rows: typing.Any) -> "Targets":
        """Some of them, by index, slice or mask."""
        return Targets(*(np.asarray(values)[rows] for values in self))


class Ranked(typing.NamedTuple):
    """Where N targets stand, and what is recommended in their places.

    Attributes:
      rank, ties, candidates: each [N], see ``places.RankCounts.result``.
      items: int64 [N, K] item rows of the best K, -1 where there are fewer.
      scores: float64 [N, K].
    """

    rank: np.ndarray
    ties: np.ndarray
    candidates: np.ndarray
    items: np.ndarray
    scores: np.ndarray


def all_test_targets(store: SequenceStore) -> Targets:
    """All test targets, the liked ones in the store's order, then the disliked ones.

    Raises:
      UserError: there are none.
    """
    liked, disliked = store.splits["test"], disliked_test_targets(store)
    users = np.concatenate([liked.users, disliked.users])
    ends = np.concatenate([liked.ends, disliked.ends])
    if not len(ends):
        raise UserError(
            f"{store.meta.get('name')}: there are no test targets to rank; choose a split that has some"
        )
    return Targets(users, ends, np.asarray(store.labels)[ends])


def liked_valid_targets(store: SequenceStore) -> Targets:
    """The liked validation targets, in the store's order."""
    part = store.splits["valid"]
    found = Targets(part.users, part.ends, np.asarray(store.labels)[part.ends])
    return found.take(found.labels == 1)


def others_of_history(store: SequenceStore, targets: Targets) -> Excluded:
    """The items of each target's history, the target's own left out: they are no candidates."""
    starts, ends = np.asarray(store.user_offsets)[targets.users], np.asarray(targets.ends)
    counts = ends - starts
    owner = np.repeat(np.arange(len(ends)), counts)
    records = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
    items = np.asarray(store.items)[records] - 1
    kept = items != (np.asarray(store.items)[ends] - 1)[owner]
    sizes = np.bincount(owner[kept], minlength=len(ends))
    return Excluded(np.append(0, np.cumsum(sizes)), items[kept])


def most_candidates(store: SequenceStore, targets: Targets) -> int:
    """The most items that one of the targets is ranked among."""
    most = 0
    for part in _parts(len(targets.ends), 1 << 14):
        excluded = others_of_history(store, targets.take(part))
        owner = np.repeat(np.arange(len(excluded.offsets) - 1), np.diff(excluded.offsets))
        pairs = np.unique(owner * np.int64(store.num_items) + excluded.items) // store.num_items
        left = np.bincount(pairs, minlength=len(excluded.offsets) - 1)
        most = max(most, store.num_items - int(left.min()))
    return most


def rank_targets(
    score: typing.Callable[[np.ndarray, np.ndarray], np.ndarray],
    store: SequenceStore,
    targets: Targets,
    k: int = 0,
    show_progress: bool = False,
) -> Ranked:
    """Ranks each target among all items but its history's others; memory does not grow with N or I.

    Args:
      score: (users [H], ends [H]) -> float [H, I], the scores of all items by the histories before
        these records.
      store: the sequences.
      targets: what to rank.
      k: length of the lists; 0 makes none.
      show_progress: whether to show a bar.

    Raises:
      UserError: a score that is not a number.
    """
    found: typing.List[Ranked] = []
    together = max(1, min(TOGETHER, CELLS // store.num_items))
    total = len(targets.ends)
    shown = {"desc": "ranking", "unit": " targets", "leave": False, "disable": not show_progress}
    with tqdm(total=total, **shown) as bar:
        for part in _parts(total, together):
            some = targets.take(part)
            scores = score(some.users, some.ends)
            excluded = others_of_history(store, some)
            rows = np.asarray(store.items)[some.ends] - 1
            try:
                places = rank_of_targets(scores, rows, excluded)
            except ValueError as error:
                raise UserError(f"ranking: {error}; train with a lower learning_rate") from None
            lists = top_k(scores, k, excluded) if k else (np.zeros([len(rows), 0]),) * 2
            found.append(Ranked(*places, *lists))
            bar.update(len(rows))
    return Ranked(*map(np.concatenate, zip(*found)))


def _parts(total, size):
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
