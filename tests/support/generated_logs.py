"""Shapes of small generated logs, and what a plain count finds in one."""

import numpy as np

# Dense enough that a small model learns the planted signal in seconds.
SMALL_SHAPE = {"users": 500, "items": 144, "records": 8000, "positive_share": 0.7}
TINY_SHAPE = {"users": 200, "items": 96, "records": 2600, "positive_share": 0.7}


def transition_frequencies(users, labels):
    """How often each feedback follows each, within users.

    Args:
      users: [n] user of each record, records of a user in order of time (users may interleave).
      labels: [n] feedback, 0 or 1.

    Returns:
      float64 [2, 2]: entry (a, b) is the share of b among the records right after an a (NaN where
      nothing follows an a).
    """
    order = np.argsort(users, kind="mergesort")
    users, labels = np.asarray(users)[order], np.asarray(labels, np.int64)[order]
    follows = users[1:] == users[:-1]
    pairs = 2 * labels[:-1][follows] + labels[1:][follows]
    table = np.bincount(pairs, minlength=4).reshape(2, 2).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return table / table.sum(axis=1, keepdims=True)
