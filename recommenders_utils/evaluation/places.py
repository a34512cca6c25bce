"""Places in the whole catalogue: where a target stands among all items, and the best K.

Both take scores in blocks of items, so that [H, I] need not exist. Letters: H instances, I items of
the catalogue, B items of a block, K places. Items are rows, 0-based: item id minus 1.
"""

import typing

import numpy as np

CELLS = 1 << 21  # scores compared at a time


class Excluded(typing.NamedTuple):
    """Items that each instance leaves out, repeats allowed; e items in all.

    Attributes:
      offsets: int64 [H + 1], instance h leaves out the items ``[h]`` to ``[h + 1]``.
      items: int [e], item rows.
    """

    offsets: np.ndarray
    items: np.ndarray


class RankCounts:
    """Counts, block by block, how many items stand above each target and how many are level with it.

    Args:
      target_scores: float [H], from the same arithmetic as the blocks, or ties come apart.
      targets: int [H], item rows; a target is never among its own rivals, nor left out.
      excluded: what else is no candidate, or None.
    """

    def __init__(
        self,
        target_scores: np.ndarray,
        targets: np.ndarray,
        excluded: typing.Optional[Excluded] = None,
    ):
        self._scores = np.asarray(target_scores)
        if np.isnan(self._scores).any():
            raise ValueError("a target's score is not a number")
        count = len(self._scores)
        rows = np.arange(count)
        targets = np.asarray(targets, np.int64)
        # The target is taken out like any excluded item: once each.
        if excluded is not None:
            rows = np.append(rows, np.repeat(rows, np.diff(excluded.offsets)))
            targets = np.append(targets, np.asarray(excluded.items, np.int64))
        order = np.lexsort((rows, targets))
        rows, targets = rows[order], targets[order]
        new = np.ones(len(rows), bool)
        new[1:] = (rows[1:] != rows[:-1]) | (targets[1:] != targets[:-1])
        self._out_rows, self._out_items = rows[new], targets[new]
        self._above = np.zeros(count, np.int64)
        self._level = np.zeros(count, np.int64)
        self._seen = np.zeros(count, np.int64)

    def add(self, scores: np.ndarray, start: int = 0) -> None:
        """Counts the items ``start`` to ``start + B``: scores float [H, B], each item once."""
        size = max(1, CELLS // max(1, scores.shape[1]))
        for first in range(0, len(scores), size):
            part = slice(first, first + size)
            own = self._scores[part, None]
            if np.isnan(scores[part]).any():
                raise ValueError("a score is not a number")
            above = np.count_nonzero(scores[part] > own, axis=1)
            level = np.count_nonzero(scores[part] == own, axis=1)
            self._above[part] += above
            self._level[part] += level
        bounds = np.searchsorted(self._out_items, [start, start + scores.shape[1]])
        rows = self._out_rows[bounds[0] : bounds[1]]
        out = scores[rows, self._out_items[bounds[0] : bounds[1]] - start]
        count = len(self._scores)
        self._above -= np.bincount(rows[out > self._scores[rows]], minlength=count)
        self._level -= np.bincount(rows[out == self._scores[rows]], minlength=count)
        self._seen += scores.shape[1] - np.bincount(rows, minlength=count)

    def result(self) -> typing.Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(rank float64, ties int64, candidates int64), each [H].

        rank = 1 + items above + ties / 2, its mean under random order of equal scores; ties are the other
        candidates with the target's score; candidates count the target.
        """
        return 1 + self._above + self._level / 2, self._level, self._seen + 1


def rank_of_targets(
    scores: np.ndarray, targets: np.ndarray, excluded: typing.Optional[Excluded] = None
) -> typing.Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranks of one target an instance among the whole catalogue.

    Args:
      scores: float [H, I].
      targets: int [H], item rows.
      excluded: items that are no candidates; the target stays one even if it is listed.

    Returns:
      (rank, ties, candidates), see ``RankCounts.result``.

    Raises:
      ValueError: a score that is not a number.
    """
    scores, targets = np.asarray(scores), np.asarray(targets)
    counts = RankCounts(scores[np.arange(len(scores)), targets], targets, excluded)
    counts.add(scores)
    return counts.result()


class TopK:
    """The best K items of each instance, by a merge over blocks of items; ties by item row.

    Args:
      count: H.
      k: K.
      excluded: items that are left out, or None.
    """

    def __init__(self, count: int, k: int, excluded: typing.Optional[Excluded] = None):
        self._k = k
        self._items = np.full((count, k), -1, np.int64)
        self._scores = np.full((count, k), -np.inf)
        rows = items = np.zeros(0, np.int64)
        if excluded is not None:
            rows = np.repeat(np.arange(count), np.diff(excluded.offsets))
            items = np.asarray(excluded.items, np.int64)
        order = np.argsort(items, kind="stable")
        self._out_rows, self._out_items = rows[order], items[order]

    def add(self, scores: np.ndarray, start: int = 0) -> None:
        """Merges the items ``start`` to ``start + B``: scores float [H, B]; blocks in ascending order."""
        bounds = np.searchsorted(self._out_items, [start, start + scores.shape[1]])
        rows = self._out_rows[bounds[0] : bounds[1]]
        columns = self._out_items[bounds[0] : bounds[1]] - start
        by_row = np.argsort(rows, kind="stable")
        rows, columns = rows[by_row], columns[by_row]
        size = max(1, CELLS // max(1, scores.shape[1]))
        for first in range(0, len(scores), size):
            part = slice(first, min(first + size, len(scores)))
            some = np.array(scores[part], np.float64)
            low, high = np.searchsorted(rows, [part.start, part.stop])
            some[rows[low:high] - first, columns[low:high]] = -np.inf
            places = _best(some, self._k)
            found = np.take_along_axis(some, places, axis=1)
            items = np.where(np.isneginf(found), -1, places + start)
            # Earlier blocks have smaller rows: a stable sort keeps ties in order.
            all_scores = np.concatenate([self._scores[part], found], axis=1)
            all_items = np.concatenate([self._items[part], items], axis=1)
            order = np.argsort(-all_scores, axis=1, kind="stable")[:, : self._k]
            self._scores[part] = np.take_along_axis(all_scores, order, axis=1)
            self._items[part] = np.take_along_axis(all_items, order, axis=1)

    def result(self) -> typing.Tuple[np.ndarray, np.ndarray]:
        """(items int64, scores float64), each [H, K]; item -1, score minus infinity where there are fewer."""
        return self._items, self._scores


def top_k(
    scores: np.ndarray, k: int, excluded: typing.Optional[Excluded] = None
) -> typing.Tuple[np.ndarray, np.ndarray]:
    """The best K of scores float [H, I], see ``TopK.result``; the same as of a full stable sort."""
    best = TopK(len(scores), k, excluded)
    best.add(np.asarray(scores))
    return best.result()


def _best(scores, k):
    """Columns [H, min(k, B)] of each row's largest, ascending; of equal ones the first."""
    width = scores.shape[1]
    if width <= k:
        return np.broadcast_to(np.arange(width), scores.shape)
    least = np.partition(scores, width - k, axis=1)[:, width - k, None]
    chosen = scores > least
    open_places = k - np.count_nonzero(chosen, axis=1)
    rows, columns = np.nonzero(scores == least)
    starts = np.searchsorted(rows, np.arange(len(scores)))
    kept = np.arange(len(rows)) - starts[rows] < open_places[rows]
    chosen[rows[kept], columns[kept]] = True
    return np.nonzero(chosen)[1].reshape(len(scores), k)
