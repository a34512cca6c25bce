"""What is recommended: how much of the catalogue, how popular, how evenly.

Computed from the lists of the best items, ``lists_test.csv``: one line a place with instance, user,
place (from 1), item, score.
"""

import typing

import numpy as np

from recommenders_utils.errors import UserError


def list_figures(items: np.ndarray, counts: np.ndarray) -> typing.Dict[str, float]:
    """Coverage, popularity and concentration of lists.

        coverage = share of the catalogue that is in at least one list
        popularity = mean over the lists' entries of the item's popularity percentile,
            p_i = (items with fewer training targets + half of those with as many) / I
        Gini = sum over items i of (2 i - I - 1) r_i / (I sum of r), r_1 <= ... <= r_I how often each
            item of the catalogue is recommended; 0 evenly, near 1 always the same few

    Args:
      items: int [N, K] item rows, 0-based; -1 where a list is shorter.
      counts: int [I], how often each item is a training target (``training_counts``).

    Returns:
      ``{"coverage@K": .., "popularity@K": .., "gini@K": ..}``, each in [0, 1].

    Raises:
      UserError: no list has an item.
    """
    items, counts = np.asarray(items), np.asarray(counts)
    k, flat = items.shape[1], items[items >= 0]
    if not len(flat):
        raise UserError("recommended lists: there are none; choose a split with test targets")
    total = len(counts)
    ascending = np.sort(counts)
    below = np.searchsorted(ascending, counts, side="left")
    level = np.searchsorted(ascending, counts, side="right") - below
    percentile = (below + level / 2) / total
    shown = np.sort(np.bincount(flat, minlength=total))
    places = 2 * np.arange(1, total + 1) - total - 1
    return {
        f"coverage@{k}": float(np.count_nonzero(shown) / total),
        f"popularity@{k}": float(percentile[flat].mean()),
        f"gini@{k}": float((places * shown).sum() / (total * shown.sum())),
    }
