"""How training draws negatives from the catalogue, and how often it can be expected to draw each item.

Letters: N targets of a batch, K negatives, I items of the catalogue.
"""

from typing import Optional, Sequence

import numpy as np

from recommenders_utils.errors import UserError

NEGATIVES = ("in_batch", "uniform", "popularity", "mixed")


class NegativeSampler:
    """Draws item ids with replacement, and knows the expected count of each.

    * ``in_batch``: from the batch's targets, so by popularity.
    * ``uniform``: each item of the catalogue is as likely.
    * ``popularity``: in proportion to how often an item is a training target.
    * ``mixed``: one half as ``in_batch``, the other as ``uniform`` (Yang et al., WWW 2020 companion).

    Args:
      kind: one of ``NEGATIVES``.
      count: K, negatives a target, or of the whole batch.
      target_counts: int [I], how often each item is a training target.

    Raises:
      UserError: more negatives than the catalogue has other items.
    """

    def __init__(self, kind: str, count: int, target_counts: np.ndarray) -> None:
        self.kind, self.count = kind, count
        self.num_items = len(target_counts)
        if count >= self.num_items:
            raise UserError(
                f"train_num_ngs: {count:,} negatives, but the catalogue has {self.num_items:,} items, of "
                f"which one is the target; expected at most {self.num_items - 1:,}. Lower train_num_ngs, or "
                "give --loss=full_softmax, which takes every item once."
            )
        self._share = target_counts / max(1, target_counts.sum())  # [I]
        self._cumulated = np.cumsum(self._share)

    def draw(
        self,
        random: np.random.RandomState,
        targets: np.ndarray,
        shape: Sequence[int],
    ) -> np.ndarray:
        """Ids of any shape whose last axis has K places; an id may be a target's.

        Args:
          random: ``numpy.random.RandomState``.
          targets: [N] the batch's targets.
          shape: of the result, [..., K].
        """
        if self.kind == "mixed":
            first = shape[-1] // 2
            parts = (
                self._drawn("in_batch", random, targets, [*shape[:-1], first]),
                self._drawn("uniform", random, targets, [*shape[:-1], shape[-1] - first]),
            )
            return np.concatenate(parts, -1)
        return self._drawn(self.kind, random, targets, shape)

    def _drawn(self, kind, random, targets, shape):
        if kind == "uniform":
            return random.randint(1, self.num_items + 1, size=shape, dtype=np.int32)
        if kind == "in_batch":
            return targets[random.randint(len(targets), size=shape)].astype(np.int32)
        found = np.searchsorted(self._cumulated, random.random_sample(shape), side="right")
        # Rounding may leave the last sum below 1.
        return np.minimum(found + 1, self.num_items).astype(np.int32)

    def log_expected(self, ids: Optional[np.ndarray] = None) -> np.ndarray:
        """log of how often each of ``ids`` (all items: [I]) is expected among K draws.

        An item that is never drawn has the value of one that is drawn once in 10^12 times.
        """
        uniform = np.full(self.num_items, 1.0 / self.num_items)
        share = {"uniform": uniform, "mixed": None}.get(self.kind, self._share)
        if share is None:
            first = self.count // 2
            expected = first * self._share + (self.count - first) * uniform
        else:
            expected = self.count * share
        logs = np.log(np.maximum(expected, 1e-12)).astype(np.float32)
        return logs if ids is None else logs[np.asarray(ids) - 1]
