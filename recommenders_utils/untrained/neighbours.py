"""Sparse item-to-item tables of bounded size, and scores by them.

Letters: I items, N neighbours kept of an item, H histories, C candidates.
"""

import typing

import numpy as np
from scipy import sparse

from recommenders_utils.untrained.histories import Histories

ENTRIES = 1 << 24  # of a table by default: 200 MB
WORK = 1 << 23  # products in memory at once while a table is made
_DECIMALS = 9  # sums in another order stay ties


def strongest(table: sparse.csr_matrix, count: int) -> sparse.csr_matrix:
    """Each row's ``count`` largest entries, equal ones by column; columns ascending."""
    table.sort_indices()
    ends = table.indptr
    long = np.flatnonzero(np.diff(ends) > count)
    if not len(long):
        return table
    kept = np.ones(table.nnz, bool)
    for row in long:  # a partition each: one sort of all takes three times as long
        data = table.data[ends[row] : ends[row + 1]]
        least = np.partition(data, -count)[-count]
        chosen = data > least
        chosen[np.flatnonzero(data == least)[: count - chosen.sum()]] = True
        kept[ends[row] : ends[row + 1]] = chosen
    sizes = np.append(0, np.cumsum(kept))[ends]
    return sparse.csr_matrix((table.data[kept], table.indices[kept], sizes), table.shape)


def neighbour_count(neighbours: int, num_items: int) -> int:
    """How many entries a row may keep: ``neighbours``, or for 0 what ``ENTRIES`` allows."""
    return neighbours or max(1, ENTRIES // num_items)


def pieces(work: np.ndarray, limit: int = WORK) -> typing.Iterator[typing.Tuple[int, int]]:
    """Yields (start, stop) over ``work`` [I], each piece's sum at most ``limit`` or one item alone."""
    ends, start = np.cumsum(work, dtype=np.int64), 0
    while start < len(work):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + limit, side="right")))
        yield start, stop
        start = stop


def stack(blocks: typing.Iterable[sparse.csr_matrix], num_items: int) -> sparse.csr_matrix:
    """Blocks of rows as one table [I, I]."""
    blocks = list(blocks)
    if not blocks:
        return sparse.csr_matrix((num_items, num_items))
    return sparse.vstack(blocks, format="csr")


def packed(name: str, table: sparse.csr_matrix) -> typing.Dict[str, np.ndarray]:
    """A table as arrays to store; ``unpacked`` reads them."""
    return {
        f"{name}_indptr": table.indptr.astype(np.int64),
        f"{name}_indices": table.indices.astype(np.int32),
        f"{name}_data": table.data.astype(np.float64),
    }


def unpacked(name: str, arrays: typing.Dict[str, np.ndarray], num_items: int) -> sparse.csr_matrix:
    """The table [I, I] that ``packed`` took apart."""
    parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    return sparse.csr_matrix(parts, (num_items, num_items))


def history_weights(
    histories: Histories,
    num_items: int,
    recent: int,
    age_weight: typing.Callable[[np.ndarray], np.ndarray],
    disliked_weight: float,
) -> sparse.csr_matrix:
    """Weights [H, I] of the newest ``recent`` records' items; records of one item add up.

    A record of age a (1 the last) weighs ``age_weight(a)``, times ``disliked_weight`` if it was
    disliked. Unknown items (id 0) keep their age and weigh nothing.
    """
    rows, at, ages = histories.recent(recent)
    items = np.asarray(histories.items)[at]
    weights = age_weight(ages) * np.where(np.asarray(histories.labels)[at] == 1, 1, disliked_weight)
    known = items > 0
    triples = (weights[known], (rows[known], items[known] - 1))
    return sparse.csr_matrix(triples, (histories.count, num_items))


def dense(scores: sparse.spmatrix) -> np.ndarray:
    """Sparse scores [H, I] as float64 [H, I]."""
    full = scores.toarray()
    return np.round(full, _DECIMALS, out=full)


def looked_up(scores: sparse.spmatrix, candidates: np.ndarray) -> np.ndarray:
    """Sparse scores [H, I] at item ids [H, C] from 1: float64 [H, C]; minus infinity at id 0."""
    table = scores.tocsr()
    table.sum_duplicates()
    width = np.int64(table.shape[1])
    rows = np.repeat(np.arange(table.shape[0], dtype=np.int64), np.diff(table.indptr))
    keys = np.append(rows * width + table.indices, np.iinfo(np.int64).max)
    wanted = np.arange(len(candidates), dtype=np.int64)[:, None] * width + candidates - 1
    at = np.searchsorted(keys, wanted)
    found = np.where(keys[at] == wanted, np.append(table.data, 0)[at], 0.0)
    return np.where(candidates > 0, np.round(found, _DECIMALS), -np.inf)
