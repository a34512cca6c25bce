"""Draws the candidates of validation and test targets, once, from a seed."""

from typing import Tuple

import numpy as np

from recommenders_utils.errors import UserError

METHODS = ("popularity", "uniform")
_ROUNDS = 30  # of redrawing collisions; the remaining rows are then drawn one at a time


def draw_candidates(
    targets: np.ndarray,
    target_labels: np.ndarray,
    num_negatives: int,
    item_counts: np.ndarray,
    sampling: str,
    random_state: np.random.RandomState,
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws negatives for the liked targets of a split.

    As released (RELEASED, data, 7): without replacement within an instance, only the target itself
    excluded (items of the history may come up), label 0 whatever the user's feedback on them. A
    target
    that the user disliked stands alone with its label 0.

    Args:
      targets: int32 [N] item ids from 1.
      target_labels: [N] 1 liked, 0 disliked.
      num_negatives: negatives per liked target, K.
      item_counts: int [I] records of item k at k - 1, each at least 1.
      sampling: ``popularity``, as if drawn from all records, or ``uniform`` over the catalogue.
      random_state: numpy RandomState (its streams are the same in every numpy).

    Returns:
      (candidates int32 [N, 1 + K], labels int8 [N, 1 + K], counts int32 [N]).

    Raises:
      UserError: a catalogue that is too small, or an unknown sampling.
    """
    targets = np.asarray(targets, np.int32)
    liked = np.asarray(target_labels) == 1
    if sampling not in METHODS:
        raise UserError(
            f"candidate_sampling: {sampling!r} is unknown, expected one of {', '.join(METHODS)}, "
            "released"
        )
    if liked.any() and len(item_counts) < num_negatives + 1:
        raise UserError(
            f"{num_negatives} candidates besides the target cannot be drawn from a catalogue of "
            f"{len(item_counts)} items; lower valid_num_ngs and test_num_ngs, or keep more items "
            "(min_item_records)"
        )
    weights = np.asarray(item_counts, np.int64)
    if sampling == "uniform":
        weights = np.ones_like(weights)
    candidates = np.zeros((len(targets), 1 + num_negatives), np.int32)
    candidates[:, 0] = targets
    candidates[liked] = _fill(candidates[liked], weights, random_state)
    labels = np.zeros(candidates.shape, np.int8)
    labels[:, 0] = liked
    counts = np.where(liked, 1 + num_negatives, 1).astype(np.int32)
    return candidates, labels, counts


def candidate_seed(seed: int, split_number: int) -> np.random.RandomState:
    """RandomState of one split's draw: another split's size does not change it.

    Raises:
      UserError: a seed that numpy cannot take.
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"candidate_seed: {seed}, expected a whole number from 0 to 4294967295")
    return np.random.RandomState([seed, split_number])


def _fill(rows, weights, random_state):
    """Fills the zeros of ``rows`` [N, C] with items drawn by weight, distinct within a row.

    Every zero is drawn at once and only collisions are drawn again: items enter a row in the order
    of one stream of draws, each unless already there, which is sequential sampling without
    replacement. Rows still open after some rounds (a catalogue hardly larger than a row, or one
    overwhelming item) are finished without rejection.
    """
    bounds = np.cumsum(weights)
    open_rows = np.arange(len(rows))
    for _ in range(_ROUNDS):
        part = rows[open_rows]
        at = np.nonzero(part == 0)
        if not len(at[0]):
            return rows
        draws = random_state.randint(0, bounds[-1], len(at[0]), dtype=np.int64)
        part[at] = np.searchsorted(bounds, draws, side="right") + 1
        rows[open_rows] = part = _first_occurrences(part)
        open_rows = open_rows[part[:, -1] == 0]
    for k in open_rows:
        rows[k] = _finish(rows[k], weights, random_state)
    return rows


def _first_occurrences(rows):
    """[N, C] each row's distinct values in order of appearance, then zeros."""
    order = np.argsort(rows, axis=1, kind="stable")
    ordered = np.take_along_axis(rows, order, axis=1)
    repeated = np.zeros(rows.shape, bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    kept = np.where(repeated, 0, rows)
    return np.take_along_axis(kept, np.argsort(repeated, axis=1, kind="stable"), axis=1)


def _finish(row, weights, random_state):
    """Fills one row's zeros: of independent clocks with rates ``weights`` the first to ring."""
    missing = np.flatnonzero(row == 0)
    rings = random_state.standard_exponential(len(weights)) / weights
    rings[row[row > 0] - 1] = np.inf
    row[missing] = np.argsort(rings, kind="stable")[: len(missing)] + 1
    return row
