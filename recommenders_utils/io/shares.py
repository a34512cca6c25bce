"""Epochs that are a share of the training rows, so that a large log is validated more often than once a pass.

Rounds follow each other: each is all rows in an order of its own, and an epoch is the next k rows. Letters: N
rows of a round, k rows of an epoch.
"""

import numpy as np


def share_size(rows: int, share: float) -> int:
    """Rows k of an epoch that takes a share of ``rows``: at least 1, all of them if ``share`` is 1."""
    return rows if share >= 1 else max(1, round(share * rows))


def epoch_rows(rows: int, share: float, seed: int, epoch: int) -> np.ndarray:
    """The rows of one epoch in their order: int [k], none twice.

    Every row is in an epoch once before any is a second time. With ``share`` 1 this is the permutation by
    (seed, epoch).

    Args:
      rows: N.
      share: of N, above 0 and at most 1.
      seed: of the run; round r is in the order drawn by (seed, r).
      epoch: number of the epoch, from 0.
    """
    size = share_size(rows, share)
    if size == rows:
        return _drawn(rows, seed, epoch)
    first, begin = divmod(epoch * size, rows)
    last = ((epoch + 1) * size - 1) // rows
    order, rounds = None, []
    for number in range(last + 1):
        order = _following(order, _drawn(rows, seed, number), number * rows % size, size)
        if number >= first:
            rounds.append(order)
    return np.concatenate(rounds)[begin : begin + size].copy()


def _drawn(rows, seed, number):
    return np.random.RandomState([seed, number]).permutation(rows)


def _following(before, order, tail, size):
    """``order`` of a round whose first epoch began with the last ``tail`` rows of the round ``before``.

    The rest of that epoch is taken from the other rows, in their order.
    """
    if not tail:
        return order
    again = np.zeros(len(order), bool)
    again[before[-tail:]] = True
    head = np.flatnonzero(~again[order])[: size - tail]
    rest = np.ones(len(order), bool)
    rest[head] = False
    return np.concatenate([order[head], order[rest]])
