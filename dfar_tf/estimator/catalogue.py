"""All items scored for encoded histories, in blocks, by a scorer whose weights stay as they are.

Letters: B histories, I items of the catalogue.
"""

import numpy as np

BLOCK = 1024  # items scored together for many histories; for few of them more
RECORDS = 1 << 18  # pairs of candidate and record in a call, where every record meets the candidate
MADE = 8192  # items whose products are computed together
KEPT = 128 << 20  # bytes of candidates' products kept between histories
ALIGNED = 64  # bytes; TensorFlow copies what is fed unless it starts at such a multiple


class Catalogue:
    """All items for a scorer, in blocks; what depends on an item alone is kept from call to call.

    The first call keeps nothing: fetched from the graph and fed again, products cost more than they
    save to histories that are scored together. From the second call on they are kept.

    Args:
      scorer: a ``GraphScorer`` whose weights stay as they are.
      ids: int [I], the model's id of each item. Items of one id have one score.
    """

    def __init__(self, scorer, ids):
        self.scorer = scorer
        self._ids, self._places = np.unique(ids, return_inverse=True)
        self._all_differ = np.array_equal(self._ids, ids)
        self._called, self._kept, self._products = False, 0, {}

    def scores(self, state):
        """Logits [B, I] float32 of all items against encoded histories."""
        if self._called and not self._products:
            self._keep()
        self._called = True
        rows = len(next(iter(state.values())))
        found = np.empty([rows, len(self._ids)], np.float32)
        pairs = self._pairs(state)
        block = max(min(BLOCK, pairs), pairs // rows // ALIGNED * ALIGNED)
        together = max(1, pairs // min(block, len(self._ids)))
        for start in range(0, len(self._ids), block):
            items = slice(start, start + block)
            for first in range(0, rows, together):
                some = {name: value[first : first + together] for name, value in state.items()}
                found[first : first + together, items] = self._scored(some, items)
        return found if self._all_differ else found[:, self._places]

    def _pairs(self, state):
        """Pairs of a call, fewer the longer the sequences that the candidates meet."""
        longest = max([1, *(value.shape[1] for value in state.values() if value.ndim == 3)])
        return min(self.scorer.model.pairs, max(BLOCK, RECORDS // longest))

    def _scored(self, state, items):
        if min(items.stop, len(self._ids)) > self._kept:
            return self.scorer.score_once(state, self._ids[items])
        products = {name: values[items] for name, values in self._products.items()}
        return self.scorer.score_products(state, products)

    def _keep(self):
        """Keeps the products of the first items, as many as the memory allows."""
        for start in range(0, len(self._ids), MADE):
            made = self.scorer.products(self._ids[start : start + MADE])
            if not self._products:
                each = sum(values[:1].nbytes for values in made.values())
                self._kept = min(len(self._ids), KEPT // each)
                self._products = {
                    name: _aligned([self._kept, *values.shape[1:]], values.dtype)
                    for name, values in made.items()
                }
            for name, values in made.items():
                self._products[name][start : start + MADE] = values[: max(0, self._kept - start)]
            if start + MADE >= self._kept:
                break


def _aligned(shape, dtype):
    """An array whose first number, and every ``ALIGNED``-th row, TensorFlow takes without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNED, np.uint8)
    start = -memory.ctypes.data % ALIGNED
    return memory[start : start + size].view(dtype).reshape(shape)
