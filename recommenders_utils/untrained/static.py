"""Untrained models that give every history the same scores: by popularity or by novelty."""

import typing

import numpy as np

from recommenders_utils.dataset.training import first_training_times, training_counts
from recommenders_utils.untrained.base import Untrained

_DAY = 86400.0


class _Static(Untrained):
    """One score an item, ``arrays["item_scores"]`` float64 [I]."""

    def scores(self, histories):
        """See ``Untrained``; a read-only view of one row."""
        return np.broadcast_to(self.arrays["item_scores"], (histories.count, self.num_items))

    def candidate_scores(self, histories, candidates):
        """See ``Untrained``."""
        return np.append(-np.inf, self.arrays["item_scores"])[candidates]


class MostPopular(_Static):
    """score(i) = c_i, how often item i is a training target (``training_counts``).

    Settings: ``liked_only`` counts liked targets only.
    """

    name = "mostpop"
    feedback = "none; with liked_only, liked targets count"
    DEFAULTS: typing.ClassVar[dict] = {"liked_only": False}

    @classmethod
    def _fit(cls, store, settings):
        return {"item_scores": training_counts(store, settings["liked_only"]).astype(np.float64)}


class LeastPopular(_Static):
    """score(i) = -c_i: never-trained items first, all tied. Settings as ``MostPopular``."""

    name = "leastpop"
    feedback = "none; with liked_only, liked targets count"
    DEFAULTS: typing.ClassVar[dict] = {"liked_only": False}

    @classmethod
    def _fit(cls, store, settings):
        return {"item_scores": -training_counts(store, settings["liked_only"]).astype(np.float64)}


class Newest(_Static):
    """score(i) = days from the newest item's first training record to item i's, 0 or less.

    An item without a training record is newer than all and scores 1; such items are tied.
    """

    name = "newest"
    feedback = "none"

    @classmethod
    def _fit(cls, store, settings):
        first = first_training_times(store)
        known = np.isfinite(first)
        newest = first[known].max() if known.any() else 0.0
        scores = np.ones(len(first))
        scores[known] = (first[known] - newest) / _DAY
        return {"item_scores": scores}
