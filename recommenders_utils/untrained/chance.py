"""Scores by chance: what any figure is worth."""

import typing
from typing import Any

import numpy as np

from recommenders_utils.untrained.base import Untrained


class Random(Untrained):
    """score(h, i) uniform in [0, 1): a hash of the seed, the history's items and the item.

    The same pair scores the same in every call, whatever is scored with it. Settings: ``seed``.
    """

    name = "random"
    feedback = "none"
    DEFAULTS: typing.ClassVar[dict] = {"seed": 0}

    @classmethod
    def _fit(cls, store, settings):
        return {}

    def scores(self, histories: Any) -> np.ndarray:
        """See ``Untrained``."""
        return self._uniform(histories, np.arange(1, self.num_items + 1)[None])

    def candidate_scores(self, histories: Any, candidates: np.ndarray) -> np.ndarray:
        """See ``Untrained``."""
        return np.where(candidates > 0, self._uniform(histories, candidates), -np.inf)

    def _uniform(self, histories, items):
        places = np.arange(len(histories.items)) - np.repeat(
            histories.offsets[:-1], np.diff(histories.offsets)
        )
        mixed = _mix(_mix(histories.items.astype(np.uint64)) ^ (places + 1).astype(np.uint64))
        # Sums wrap around; a leading 0 lets an empty history sum to nothing.
        sums = np.append(np.uint64(0), np.cumsum(mixed, dtype=np.uint64))[histories.offsets]
        keys = _mix((sums[1:] - sums[:-1]) ^ _mix(np.array([self.settings["seed"]], np.uint64)))
        bits = _mix(keys[:, None] ^ _mix(items.astype(np.uint64)))
        return (bits >> np.uint64(11)) * 2.0**-53


def _mix(values):
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014), elementwise; uint64."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
