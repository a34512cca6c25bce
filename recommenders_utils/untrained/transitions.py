"""Transitions: what users took next, and some ItemKNN."""

import typing
from typing import Any

import numpy as np
from scipy import sparse

from recommenders_utils.dataset.training import training_records
from recommenders_utils.untrained.itemknn import ItemKNN, Neighbourhood, similarities
from recommenders_utils.untrained.neighbours import (
    WORK,
    history_weights,
    neighbour_count,
    packed,
    pieces,
    stack,
    strongest,
    unpacked,
)


class Transitions(Neighbourhood):
    """Decayed counts of steps from item to item, plus ``knn_weight`` times ItemKNN.

        T(j, i) = sum over d = 1 .. lags of 1/d x (how often i comes d records after j in training)
        score(h, i) = sum over the newest records a = 1 .. recent of w_a / a T(h_a, i)
                      + knn_weight x ItemKNN's score with its default recent and decay

    A Markov chain of first order (Rendle et al., WWW 2010, without its factors) with skips. w_a is 1, or
    ``disliked_weight`` for a disliked record.

    Settings:
      lags, recent, disliked_weight, knn_weight: see above.
      shrinkage, newest_records: ItemKNN's.
      neighbours: the N largest T of an item are kept, and the N strongest similarities; the tables are
        made in blocks of rows, so memory is bounded as ItemKNN's.
    """

    name = "transitions"
    paper = "Rendle et al., WWW 2010"
    feedback = "disliked_weight: what a disliked record counts"
    DEFAULTS: typing.ClassVar[dict] = {
        "lags": 3,
        "recent": 3,
        "disliked_weight": 1.0,
        "knn_weight": 0.1,
        "shrinkage": ItemKNN.DEFAULTS["shrinkage"],
        "neighbours": ItemKNN.DEFAULTS["neighbours"],
        "newest_records": ItemKNN.DEFAULTS["newest_records"],
    }

    @classmethod
    def _fit(cls, store, settings):
        arrays = packed("steps", steps(store, settings["lags"], settings["neighbours"]))
        if settings["knn_weight"]:
            table = similarities(
                store, settings["shrinkage"], settings["neighbours"], settings["newest_records"]
            )
            arrays.update(packed("similarity", table))
        return arrays

    def _sparse(self, histories):
        weights = history_weights(
            histories,
            self.num_items,
            self.settings["recent"],
            lambda ages: 1.0 / ages,
            self.settings["disliked_weight"],
        )
        scores = weights @ unpacked("steps", self.arrays, self.num_items)
        share = self.settings["knn_weight"]
        if share:
            own = dict(ItemKNN.DEFAULTS, disliked_weight=self.settings["disliked_weight"])
            scores = scores + share * ItemKNN(self.num_items, own, self.arrays)._sparse(histories)
        return scores


def steps(store: Any, lags: int, neighbours: int) -> sparse.csr_matrix:
    """The sparse table T(j, i) [I, I] of ``Transitions``."""
    count = neighbour_count(neighbours, store.num_items)
    kept = training_records(store)
    users = np.repeat(np.arange(store.num_users, dtype=np.int32), np.diff(store.user_offsets))[kept]
    items = np.asarray(store.items)[kept] - 1
    by_item = np.argsort(items, kind="stable")
    counts = np.bincount(items, minlength=store.num_items)
    ends = np.append(0, np.cumsum(counts))
    blocks = []
    for start, stop in pieces(counts * lags, WORK // 2):
        at = by_item[ends[start] : ends[stop]]
        table = sparse.csr_matrix((stop - start, store.num_items))
        for lag in range(1, lags + 1):
            source = at[at + lag < len(items)]
            source = source[users[source + lag] == users[source]]
            weights = np.full(len(source), 1.0 / lag)
            places = (items[source] - start, items[source + lag])
            table = table + sparse.csr_matrix((weights, places), table.shape)
        blocks.append(strongest(table, count))
    return stack(blocks, store.num_items)
