"""Which records of a store belong to training, and what follows from them for items.

Letters: n records, U users, I items of the catalogue.
"""

import numpy as np

from recommenders_utils.dataset.store import Instances, SequenceStore


def training_records(store: SequenceStore) -> np.ndarray:
    """Whether each record belongs to training: bool [n].

    A user's training records are the training targets and the records before them: what a trained model
    sees. It follows from the training split alone, so it holds for every split rule and for imported
    files. With ``leave_one_out`` it is all but the last two records, whether the last is liked (a test
    target) or disliked (in no split). A user without a training target has none.
    """
    last = np.full(store.num_users, -1, np.int64)
    part = store.splits["train"]
    np.maximum.at(last, part.users, part.ends)
    return np.arange(len(store.items)) <= np.repeat(last, np.diff(store.user_offsets))


def training_counts(store: SequenceStore, liked_only: bool = False) -> np.ndarray:
    """How often each item is a training target: int64 [I].

    A user's first record has no history, is no target and does not count.

    Args:
      store: the sequences.
      liked_only: count liked targets only.
    """
    ends = np.asarray(store.splits["train"].ends)
    if liked_only:
        ends = ends[np.asarray(store.labels)[ends] == 1]
    return np.bincount(store.items[ends] - 1, minlength=store.num_items)


def first_training_times(store: SequenceStore) -> np.ndarray:
    """Time of each item's first training record: float64 [I], seconds; infinity where it has none."""
    kept = training_records(store)
    first = np.full(store.num_items, np.inf)
    np.minimum.at(first, store.items[kept] - 1, store.times[kept].astype(np.float64))
    return first


def disliked_test_targets(store: SequenceStore) -> Instances:
    """The test targets that their users disliked, in order of users and records, without candidates.

    The test split keeps liked targets only. Every other record with a history is in a split, so those
    in none are the disliked ones. Imported released files have none, unless ``test_data_neg`` is there.
    """
    free = np.ones(len(store.items), bool)
    free[store.user_offsets[:-1]] = False
    for part in store.splits.values():
        free[part.ends] = False
    ends = np.flatnonzero(free & (np.asarray(store.labels) == 0))
    users = np.searchsorted(store.user_offsets, ends, side="right") - 1
    return Instances(users=users.astype(np.int32), ends=ends)
