"""An untrained model's scores of a store's instances: of their stored candidates, of the whole catalogue.

Letters: H instances, n candidates in all, I items of the catalogue.
"""

import typing

import numpy as np

from recommenders_utils.dataset.store import Instances, SequenceStore
from recommenders_utils.untrained.base import Untrained, squashed
from recommenders_utils.untrained.histories import of_instances


def split_predictions(
    model: Untrained, store: SequenceStore, split: str
) -> typing.Dict[str, np.ndarray]:
    """The stored candidates of a split, one row each, in instance order.

    Returns:
      instance, user (row of the store), item (id from 1), label and score (``squashed``, float64), each [n].
    """
    part = store.splits[split]
    candidates = np.asarray(part.candidates)
    real = candidates > 0
    scores = model.candidate_scores(of_instances(store, part), candidates)
    rows = np.nonzero(real)[0]
    return {
        "instance": rows,
        "user": np.asarray(part.users)[rows],
        "item": candidates[real],
        "label": np.asarray(part.labels)[real],
        "score": squashed(scores[real]),
    }


def catalogue_scores(
    model: Untrained, store: SequenceStore
) -> typing.Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The function that ``rank_targets`` takes: (users [H], ends [H]) -> scores float64 [H, I]."""
    return lambda users, ends: model.scores(of_instances(store, Instances(users=users, ends=ends)))


def record_scores(
    model: Untrained, store: SequenceStore
) -> typing.Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Function of (users [H], ends [H]) that gives ``squashed`` scores [H] of these records."""

    def score(users, ends):
        histories = of_instances(store, Instances(users=users, ends=ends))
        items = np.asarray(store.items)[ends]
        return squashed(model.candidate_scores(histories, items[:, None])[:, 0])

    return score
