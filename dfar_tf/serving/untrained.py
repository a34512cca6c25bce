"""An untrained model behind the interface of ``Scorer`` and ``Catalogue``: ``score`` counts.

A trained model reads the newest T records, because its graph has T positions. An untrained one has no such
limit and is evaluated on whole histories, so it is served with them too: ``encode`` keeps all of a history,
and the scores are the same.

Letters: H histories, C candidates, I items of the catalogue.
"""

import types

import numpy as np

from dfar_tf.serving.histories import Vocabulary
from recommenders_utils.untrained.histories import from_lists


class WholeHistories(Vocabulary):
    """A vocabulary whose ``arrays`` are whole histories, with the store's own item ids.

    Args:
      store: the run's ``SequenceStore``.
      newer: as of ``Vocabulary``.
    """

    def __init__(self, store, newer=None):
        ids = types.SimpleNamespace(ids=np.arange(store.num_items + 1))
        super().__init__(store, ids, None, newer)

    def arrays(self, histories, part=slice(None)):
        """``{"history": object [H]}``, each (item ids, labels) of a history, oldest first."""
        rows = np.arange(len(histories))[part]
        whole = np.empty(len(rows), object)
        for place, row in enumerate(rows):
            items, labels = histories.of(row)
            liked = (labels >= self.threshold).astype(labels.dtype)
            whole[place] = (items.astype(np.int64) + 1, liked)
        return {"history": whole}


class UntrainedScorer:
    """See ``Scorer`` and ``Catalogue`` of ``dfar_tf.estimator``, whose places it takes.

    Args:
      model: a fitted ``recommenders_utils.untrained.base.Untrained``.
    """

    has_towers = has_heads = False

    def __init__(self, model):
        self.model = model

    def encode(self, histories):
        """The histories as they are: what ``WholeHistories.arrays`` gave."""
        return histories

    def score(self, state, candidates):
        """Scores float64 [H, C] of candidates [H, C], or [1, C] for all; minus infinity for padding."""
        shape = (len(state["history"]), np.shape(candidates)[1])
        return self.model.candidate_scores(_whole(state), np.broadcast_to(candidates, shape))

    def scores(self, state):
        """Scores float64 [H, I] of all items."""
        return self.model.scores(_whole(state))

    def warm_up(self, explain=False):
        """Nothing has to start."""

    def close(self):
        """Nothing is open."""


def _whole(state):
    items, labels = zip(*state["history"])
    return from_lists(items, labels)
