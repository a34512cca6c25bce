"""The order in which the released code writes users and lines, and what a store keeps to reproduce it.

The released preparation gathers the records by item, in order of the items' first appearance in the
ratings file; a user's position is then that of its first record (seen in its recorded output).
Extras of a
``SequenceStore``, all optional:

- ``user_order`` int32 [U]: user rows in the order they are written; without it, as they are numbered.
- ``item_order`` int32 [I]: item ids by first appearance in the ratings file.
- ``disliked_users`` int32 [M], ``disliked_ends`` int64 [M], ``disliked_candidates`` int32 [M, 1 + K]: the
  instances of ``test_data_neg``, disliked last records with negatives, which nothing else uses.
- ``unknown_last`` int32 [M]: users of imported files that hold no line for their last record, because
  they disliked it.
- ``user_vocabulary``, ``item_vocabulary``, ``category_vocabulary`` unicode: imported vocabularies, the
  entry of id k at k - 1.
"""

from typing import Tuple

import numpy as np

from recommenders_utils.dataset.store import SPLITS, SequenceStore


def user_order(store: SequenceStore) -> np.ndarray:
    """User rows in the order of the released files, [U]."""
    return np.asarray(store.extras.get("user_order", np.arange(store.num_users)))


def in_file_order(store: SequenceStore, users: np.ndarray) -> np.ndarray:
    """Which of some instances comes first, second, ... in a released file.

    Args:
      store: SequenceStore.
      users: [N] user rows of instances that are in order within each user.

    Returns:
      int [N] indices into ``users``. Imported instances are in the order of their file already.
    """
    if "user_order" not in store.extras:
        return np.arange(len(users))
    return np.argsort(np.argsort(user_order(store))[users], kind="stable")


def has_last_records(store: SequenceStore) -> bool:
    """Whether every user's last record, liked or not, is in the store."""
    return len(store.extras.get("unknown_last", ())) == 0


def is_leave_one_out(store: SequenceStore) -> bool:
    """Whether the test targets are last records, so that there is a released file for each record."""
    test = store.splits["test"]
    return bool(np.all(test.ends == store.user_offsets[1:][test.users] - 1))


def line_targets(store: SequenceStore) -> Tuple[np.ndarray, np.ndarray]:
    """Targets of all lines before negatives are drawn, in the order the files are written and read.

    Test lines include the disliked ones, which are not instances.

    Returns:
      (users [n], ends [n]): user row and flat index of each line's target, train, then valid, test. An
      unknown last record (extra ``unknown_last``) has the index just past its user's records.
    """
    owners = np.repeat(np.arange(store.num_users), np.diff(store.user_offsets))
    parts = np.full(len(owners), SPLITS.index("test"))
    for number, name in enumerate(SPLITS[:2]):
        parts[store.splits[name].ends] = number
    later = np.ones(len(owners), bool)
    later[store.user_offsets[:-1]] = False  # a first record has no history and so no line
    unknown = np.asarray(store.extras.get("unknown_last", ()), np.int64)
    ends = np.concatenate([np.flatnonzero(later), store.user_offsets[unknown + 1]])
    users = np.concatenate([owners[later], unknown])
    parts = np.concatenate([parts[later], np.full(len(unknown), SPLITS.index("test"))])
    order = np.lexsort((ends, np.argsort(user_order(store))[users], parts))
    return users[order], ends[order]
