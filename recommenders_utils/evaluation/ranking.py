"""Ranks and AUCs of many groups at once: one sort, no loop over groups."""

from typing import Tuple

import numpy as np


def positive_ranks(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, ties: str = "expected"
) -> Tuple[np.ndarray, np.ndarray]:
    """Rank of every positive row within its group; 1 is the best.

    Among equal scores, ``expected`` gives the rank a random order would give on average: the j-th
    of p positives tied with m negatives stands j (p + m + 1) / (p + 1) places below the better
    rows. For a single positive that is 1 + better + tied / 2. ``released`` takes numpy's heapsort
    order, reversed (RELEASED "Metrics").

    Args:
      labels: 0/1 [n].
      scores: float [n], no NaN.
      groups: int [n], group of each row, 0 to G - 1.
      ties: ``expected`` or ``released``.

    Returns:
      (groups, ranks): int and float [positives], ascending in group, then rank.
    """
    if ties == "released":
        order = _heapsort_order(scores, groups)
        ranks = _place_in_block(_starts(groups[order])) + 1.0
    else:
        # Positives first within a tie, so that a row's place in it numbers the tied positives.
        order = np.lexsort((-labels, -scores, groups))
        group_start = _starts(groups[order])
        tie_start = group_start | _starts(scores[order])
        block = np.cumsum(tie_start) - 1
        size = np.bincount(block)[block]
        positives = np.bincount(block, weights=labels[order])[block]
        better = _place_in_block(group_start) - _place_in_block(tie_start)
        ranks = better + (_place_in_block(tie_start) + 1) * (size + 1) / (positives + 1)
    hit = labels[order] == 1
    return groups[order][hit], ranks[hit]


def group_auc(
    labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, num_groups: int
) -> Tuple[np.ndarray, np.ndarray]:
    """AUC of each group by average ranks (a tie counts one half).

    Args:
      labels: 0/1 [n].
      scores: float [n], no NaN.
      groups: int [n], group of each row, 0 to G - 1.
      num_groups: G.

    Returns:
      (auc, rows): float [G], NaN where a group has one class only; int [G].
    """
    order = np.lexsort((scores, groups))
    group_start = _starts(groups[order])
    tie_start = group_start | _starts(scores[order])
    block = np.cumsum(tie_start) - 1
    worse = _place_in_block(group_start) - _place_in_block(tie_start)
    ranks = worse + (np.bincount(block)[block] + 1) / 2
    rows = np.bincount(groups, minlength=num_groups)
    positives = np.bincount(groups, weights=labels, minlength=num_groups)
    rank_sum = np.bincount(groups[order], weights=ranks * labels[order], minlength=num_groups)
    pairs = positives * (rows - positives)
    above = rank_sum - positives * (positives + 1) / 2
    return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan), rows


def _starts(values):
    """Whether each element begins a run of equal values, [n]."""
    return np.concatenate([[True], values[1:] != values[:-1]])


def _place_in_block(starts):
    """Distance of each element from the start of its run, [n]."""
    index = np.arange(len(starts))
    return index - np.maximum.accumulate(np.where(starts, index, 0))


def _heapsort_order(scores, groups):
    """Rows by group, then in the released order of scores; [n].

    Heapsort is not stable, so its order among equals depends on the group's whole content, in the
    rows' given order. Groups of one size are sorted together, as the rows of a matrix.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 0]):
        places = starts[sizes == size][:, None] + np.arange(size)
        rows = order[places]
        within = np.argsort(scores[rows], axis=1, kind="heapsort")[:, ::-1]
        order[places] = np.take_along_axis(rows, within, axis=1)
    return order
