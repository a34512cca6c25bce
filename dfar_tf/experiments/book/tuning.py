"""Equal tuning: for every model as many random points, the same share of the epochs, as many finalists."""

import hashlib
import itertools
import json
import math

import numpy as np

from dfar_tf.estimator.state import LOWER_IS_BETTER


def draws(model, keys, values, count, seed):
    """Points of a model's random search, each at most once.

    Args:
      model: its name, which the draw depends on.
      keys: names of the hyper-parameters that the model has.
      values: ``{key: its values}``.
      count: how many points; fewer if there are no more.
      seed: of the draw.

    Returns:
      A list of ``{key: value}``.
    """
    axes = {key: values[key] for key in values if key in keys}
    points = [dict(zip(axes, chosen)) for chosen in itertools.product(*axes.values())]
    digest = hashlib.sha256(f"{seed}-{model}".encode()).digest()
    order = np.random.RandomState(int.from_bytes(digest[:4], "big")).permutation(len(points))
    return [points[place] for place in order[:count]]


def first_epochs(epochs, share):
    """How many epochs a draw is trained for."""
    return max(1, math.ceil(epochs * share))


def validation_score(results, metric, epochs=None):
    """The best validation figure of a run, higher better; -inf if it has none.

    Args:
      results: its ``results.json``.
      metric: of early stopping.
      epochs: count only so many; all if None.
    """
    seen = results.get("epochs", [])[:epochs]
    found = [epoch["validation"].get(metric) for epoch in seen]
    if not found:
        found = [results.get("valid", {}).get(metric)]
    sign = -1 if metric in LOWER_IS_BETTER else 1
    found = [sign * value for value in found if value is not None and value == value]
    return max(found, default=-math.inf)


def finalists(scores, count):
    """Numbers of the best draws, best first; of equals the earlier.

    Args:
      scores: one a draw; None for one that failed.
      count: how many.
    """
    there = [number for number, score in enumerate(scores) if score is not None]
    return sorted(there, key=lambda number: (-scores[number], number))[:count]


def told(point):
    """A point in words: ``learning_rate 0.003, dropout 0.2``."""
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in point.items()
    )
