"""ItemKNN: items that the same users have."""

import typing
from typing import Any

import numpy as np
from scipy import sparse

from recommenders_utils.dataset.training import training_records
from recommenders_utils.untrained.base import Untrained
from recommenders_utils.untrained.neighbours import (
    dense,
    history_weights,
    looked_up,
    neighbour_count,
    packed,
    pieces,
    stack,
    strongest,
    unpacked,
)

CHUNK = 512  # histories scored together against candidates
PRODUCTS = 1 << 30  # of all users together: about a minute


class Neighbourhood(Untrained):
    """An untrained model whose scores are sparse, [H, I]: ``_sparse`` gives them."""

    def scores(self, histories: Any) -> np.ndarray:
        """See ``Untrained``."""
        return dense(self._sparse(histories))

    def candidate_scores(self, histories: Any, candidates: np.ndarray) -> np.ndarray:
        """See ``Untrained``."""
        candidates = np.asarray(candidates)
        found = np.empty(candidates.shape)
        for start in range(0, histories.count, CHUNK):
            stop = min(start + CHUNK, histories.count)
            some = self._sparse(histories.part(start, stop))
            found[start:stop] = looked_up(some, candidates[start:stop])
        return found

    def _sparse(self, histories):
        raise NotImplementedError


class ItemKNN(Neighbourhood):
    """Cosine of items over users, with shrinkage (Sarwar et al., WWW 2001).

        sim(j, i) = n_ij / (sqrt(c_i c_j) + shrinkage), i not j
        score(h, i) = sum over the newest records a = 1 .. recent of decay^(a - 1) w_a sim(h_a, i)

    n_ij users have both items among their training records, c_i users item i; w_a is 1, or
    ``disliked_weight`` for a disliked record. The default ``recent`` and ``decay`` are those that give
    the recorded table of untrained scores on the released Toys rows.

    Settings:
      shrinkage: added to the denominator; it damps what few users say.
      recent, decay, disliked_weight: see above; with disliked_weight=1 labels do not matter.
      neighbours: the N strongest similarities of an item are kept, equal ones by item id; 0 means as
        many as ``ENTRIES`` allows, I x N entries of 12 bytes, which is all of them up to 4,096 items. The
        table is made in blocks of rows, so memory is bounded.
      newest_records: of a longer user the newest so many training records count, which bounds the
        work: n_u^2 products a user; fewer where all users together need more than ``PRODUCTS``.
    """

    name = "itemknn"
    paper = "Sarwar et al., WWW 2001"
    feedback = "disliked_weight: what a disliked record counts"
    DEFAULTS: typing.ClassVar[dict] = {
        "shrinkage": 10.0,
        "recent": 8,
        "decay": 0.6,
        "disliked_weight": 1.0,
        "neighbours": 0,
        "newest_records": 500,
    }

    @classmethod
    def _fit(cls, store, settings):
        table = similarities(
            store, settings["shrinkage"], settings["neighbours"], settings["newest_records"]
        )
        return packed("similarity", table)

    def _sparse(self, histories):
        table = unpacked("similarity", self.arrays, self.num_items)
        decay = self.settings["decay"]
        weights = history_weights(
            histories,
            self.num_items,
            self.settings["recent"],
            lambda ages: decay ** (ages - 1.0),
            self.settings["disliked_weight"],
        )
        return weights @ table


def similarities(store: Any, shrinkage: float, neighbours: int, newest_records: int) -> Any:
    """The sparse table sim(j, i) [I, I] of ``ItemKNN``."""
    count = neighbour_count(neighbours, store.num_items)
    users, items = _training_pairs(store, newest_records)
    shape = (store.num_users, store.num_items)
    # float32 counts exactly up to 16,777,216 users.
    by_user = sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape)
    by_user.data[:] = 1  # a repeated item counts once
    by_item = by_user.T.tocsr()
    counts = np.diff(by_item.indptr).astype(np.float64)
    work = by_item.astype(np.float64) @ np.diff(by_user.indptr).astype(np.float64)
    blocks = []
    for start, stop in pieces(work.astype(np.int64)):
        block = (by_item[start:stop] @ by_user).astype(np.float64)
        row = np.repeat(np.arange(start, stop, dtype=np.int32), np.diff(block.indptr))
        block.data /= np.sqrt(counts[row] * counts[block.indices]) + shrinkage
        block.data[row == block.indices] = 0  # itself
        block.eliminate_zeros()
        blocks.append(strongest(block, count))
    return stack(blocks, store.num_items)


def _training_pairs(store, newest_records):
    """(users, item rows) of the training records, of each user the newest so many that are affordable."""
    kept = training_records(store)
    users = np.repeat(np.arange(store.num_users, dtype=np.int32), np.diff(store.user_offsets))[kept]
    items = np.asarray(store.items)[kept] - 1
    lengths = np.bincount(users, minlength=store.num_users)
    newest_records = affordable(lengths, newest_records)
    recent = np.cumsum(lengths)[users] - np.arange(len(users)) <= newest_records
    return users[recent], items[recent]


def affordable(lengths: np.ndarray, newest_records: int) -> int:
    """The most records of a user, at most ``newest_records``, with which ``PRODUCTS`` are not exceeded.

    Args:
      lengths: int [U], training records of each user.
      newest_records: the setting.
    """
    low, high = 1, newest_records
    while low < high:
        middle = (low + high + 1) // 2
        if (np.minimum(lengths, middle).astype(np.float64) ** 2).sum() <= PRODUCTS:
            low = middle
        else:
            high = middle - 1
    return low
