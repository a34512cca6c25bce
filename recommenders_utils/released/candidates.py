"""Draws negatives exactly as the released code does, draw for draw of Python's ``random``.

RELEASED, data, 7. One stream, seeded once: the lines of ``valid_dataA``, then those of ``test_dataA``.
Each negative is ``random.choice`` of the item column of all records in the order they are written, and
drawn again if it is the line's own item or among its negatives already. Validation lines of disliked
targets are left alone; disliked test targets get negatives as well, in their turn, and go to
``test_data_neg``, which nothing else uses but which advances the stream.
"""

import random
from typing import Optional

import numpy as np

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.released.order import in_file_order, is_leave_one_out, user_order


def draw_as_released(
    store: SequenceStore, seed: int, valid_num_ngs: int, test_num_ngs: int
) -> None:
    """Draws and stores the candidates of validation and test, and those of ``test_data_neg``.

    With the seed that was passed to ``random.seed``, the candidates are the released ones.

    Args:
      store: SequenceStore with splits; candidates, labels and counts of ``valid`` and ``test`` are set,
        and the extras ``disliked_*``.
      seed: of the stream.
      valid_num_ngs: negatives of a liked validation target.
      test_num_ngs: negatives of a test target.

    Raises:
      UserError: too few items to draw from.
    """
    most = max(valid_num_ngs, test_num_ngs)
    if store.num_items <= most:
        raise UserError(
            f"{most} candidates besides the target cannot be drawn from a catalogue of "
            f"{store.num_items} items; lower valid_num_ngs and test_num_ngs, or keep more items "
            "(min_item_records)"
        )
    draw = _Draw(store, seed)
    valid, test = store.splits["valid"], store.splits["test"]
    liked = store.labels[valid.ends] == 1
    order = in_file_order(store, valid.users)
    candidates = draw(store.items[valid.ends[order]], valid_num_ngs, liked[order])
    valid.candidates = _back(candidates, order)
    valid.counts = np.where(liked, 1 + valid_num_ngs, 1).astype(np.int32)
    valid.labels = np.zeros(valid.candidates.shape, np.int8)
    valid.labels[:, 0] = liked

    disliked_users, disliked_ends = _disliked_last(store)
    users = np.concatenate([test.users, disliked_users])
    ends = np.concatenate([test.ends, disliked_ends])
    order = in_file_order(store, users)
    both = _back(draw(store.items[ends[order]], test_num_ngs), order)
    test.candidates = both[: len(test)]
    test.counts = np.full(len(test), 1 + test_num_ngs, np.int32)
    test.labels = np.zeros(test.candidates.shape, np.int8)
    test.labels[:, 0] = 1
    in_file = in_file_order(store, disliked_users)
    store.extras["disliked_users"] = disliked_users[in_file]
    store.extras["disliked_ends"] = disliked_ends[in_file]
    store.extras["disliked_candidates"] = both[len(test) :][in_file]


def seed_of(store: SequenceStore, first: np.ndarray, limit: int = 10000) -> Optional[int]:
    """The seed, below ``limit``, that draws a recorded first row of candidates.

    Args:
      store: the prepared SequenceStore.
      first: the first liked line of ``valid_dataA`` and its negatives, item ids of the store.

    Returns:
      The seed, or None.
    """
    recorded = [int(item) for item in first]
    draw = _Draw(store, 0)
    for seed in range(limit):
        draw.random.seed(seed)
        taken = recorded[:1]
        while len(taken) < len(recorded):
            item = draw.random.choice(draw.population)
            if item not in taken:
                taken.append(item)
                if item != recorded[len(taken) - 1]:
                    break
        if taken == recorded:
            return seed
    return None


class _Draw:
    """The stream and the list from which it draws."""

    def __init__(self, store, seed):
        self.random = random.Random(seed)
        parts = [
            store.items[store.user_offsets[user] : store.user_offsets[user + 1]]
            for user in user_order(store)
        ]
        self.population = np.concatenate(parts).tolist()

    def __call__(self, targets, num_negatives, wanted=None):
        """[N, 1 + K] targets and their negatives, zeros where not wanted."""
        rows = np.zeros((len(targets), 1 + num_negatives), np.int32)
        rows[:, 0] = targets
        for k in range(len(targets)) if wanted is None else np.flatnonzero(wanted):
            taken = [int(targets[k])]
            while len(taken) <= num_negatives:
                item = self.random.choice(self.population)
                if item not in taken:
                    taken.append(item)
            rows[k] = taken
        return rows


def _back(rows, order):
    """Rows in file order, back in the order of the instances."""
    back = np.empty_like(rows)
    back[order] = rows
    return back


def _disliked_last(store):
    """(users, ends) of the last records that are disliked, if there was a file for last records."""
    if not is_leave_one_out(store):
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    lasts = store.user_offsets[1:] - 1
    single = np.diff(store.user_offsets) < 2
    users = np.flatnonzero(~single & (store.labels[lasts] != 1)).astype(np.int32)
    return users, lasts[users]
