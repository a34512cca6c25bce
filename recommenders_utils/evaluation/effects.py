"""Differences between models with intervals over users and seeds, and Holm's correction of p-values.

Users are resampled with replacement, the same for all models, and so are each model's seeds. A
difference of one pair thus varies with who the users are and with how a training begins.
"""

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import pandas as pd
from scipy import sparse

from recommenders_utils.evaluation.catalogue import gains
from recommenders_utils.evaluation.metrics import group_metrics

METRICS = ("auc", "gauc", "mrr@10", "ndcg@10")
RESAMPLES = 2000
LEVEL = 0.95
BLOCK = 64  # resamples that are weighted together


class Effect(NamedTuple):
    """One model minus another.

    Attributes:
      difference: of their means over seeds.
      low, high: ends of the 95 % interval (percentiles of the resampled differences).
      p: two-sided: twice the smaller share of resampled differences on one side of 0, at least
        2 / (resamples + 1); NaN if no difference was ever other than 0.
      users: how many were resampled.
    """

    difference: float
    low: float
    high: float
    p: float
    users: int


class Resampled:
    """Figures of several models on the same rows, under resampled users and seeds.

    Args:
      runs: model -> its predictions, one DataFrame a seed: ``instance``, ``user``, ``label``, ``score``.
      metrics: among auc, gauc, mrr@k, ndcg@k, hit@k, and with ``ranks`` full_hr@k, full_ndcg@k and
        full_mrr@k of the liked targets.
      resamples: how many.
      seed: of the resampling.
      ranks: model -> its ranks in the whole catalogue, one DataFrame a seed: ``user``, ``label``, ``rank``.

    Raises:
      ValueError: the rows of two frames differ.
    """

    def __init__(
        self,
        runs: Mapping[str, Sequence[pd.DataFrame]],
        metrics: Sequence[str] = METRICS,
        resamples: int = RESAMPLES,
        seed: int = 0,
        ranks: Optional[Mapping[str, Sequence[pd.DataFrame]]] = None,
    ) -> None:
        first = next(iter(runs.values()))[0]
        for frames in runs.values():
            for frame in frames:
                _check_same(frame, first)
        self._names, self._codes = np.unique(
            first["user"].to_numpy().astype(str), return_inverse=True
        )
        self.users, random = len(self._names), np.random.RandomState(seed)
        drawn = random.multinomial(self.users, np.full(self.users, 1 / self.users), size=resamples)
        # The first line counts each user once: the figure itself.
        self._weights = np.concatenate([np.ones([1, self.users]), drawn])
        self._figures: Dict[Tuple[str, str], np.ndarray] = {}
        for name, frames in runs.items():
            picks = random.randint(0, len(frames), [resamples, len(frames)])
            for metric in metrics:
                own = (ranks or {})[name] if metric.startswith("full_") else frames
                values = np.stack([self._of_frame(frame, metric) for frame in own], axis=1)
                mean = np.take_along_axis(values[1:], picks, axis=1).mean(1)
                self._figures[name, metric] = np.append(values[0].mean(), mean)

    def effect(self, first: str, second: str, metric: str) -> Effect:
        """``first`` minus ``second`` by a metric."""
        return self._effect(self._figures[first, metric] - self._figures[second, metric])

    def figure(self, name: str, metric: str) -> Effect:
        """A model's own figure in place of the difference, with its interval."""
        return self._effect(self._figures[name, metric])

    def _effect(self, values):
        gaps = values[1:]
        tail = 50 * (1 - LEVEL)
        low, high = np.percentile(gaps, [tail, 100 - tail])
        side = min(np.sum(gaps <= 0), np.sum(gaps >= 0))
        p = min(1.0, 2 * (1 + side) / (1 + len(gaps))) if np.any(gaps) else math.nan
        return Effect(float(values[0]), float(low), float(high), float(p), self.users)

    def _of_frame(self, frame, metric):
        """[1 + resamples]: a run's figure under each weighting of the users."""
        if metric.startswith("full_"):
            kind, k = metric[len("full_") :].split("@")
            liked = frame[frame["label"] == 1]
            owners = np.searchsorted(self._names, liked["user"].to_numpy().astype(str))
            values = gains(kind, int(k), liked["rank"].to_numpy(float))
            return self._of_values(owners, values, np.ones(len(values)))
        labels, scores = frame["label"].to_numpy(), frame["score"].to_numpy()
        if metric == "auc":
            return self._auc(labels, scores)
        if metric == "gauc":
            values = group_metrics(labels, scores, self._codes, ["group_auc"])["group_auc"]
            owners = _in_order(self._codes)[0]
            counts = np.bincount(self._codes, minlength=self.users)[owners].astype(float)
        else:
            instances = frame["instance"].to_numpy()
            values = group_metrics(labels, scores, instances, [metric])[metric]
            owners = self._codes[_in_order(instances)[1]]
            counts = np.ones(len(values))
        return self._of_values(owners, values, counts)

    def _of_values(self, owners, values, counts):
        """[1 + resamples]: the weighted mean of values that users own."""
        there = ~np.isnan(values)
        sums = np.bincount(owners[there], (values * counts)[there], minlength=self.users)
        sizes = np.bincount(owners[there], counts[there], minlength=self.users)
        with np.errstate(invalid="ignore"):
            return (self._weights @ sums) / (self._weights @ sizes)

    def _auc(self, labels, scores):
        """The AUC is a sum over pairs, each weighted by the product of its users' weights."""
        liked, users = labels == 1, self._codes
        steps, step = np.unique(scores[liked], return_inverse=True)
        # Between two steps, or on one, of which half counts as lower.
        places = sum(np.searchsorted(steps, scores[~liked], side) for side in ("left", "right"))
        own = self._counts(step, users[liked], len(steps))
        other = self._counts(places, users[~liked], 2 * len(steps) + 1)
        found = []
        for start in range(0, len(self._weights), BLOCK):
            weights = np.ascontiguousarray(self._weights[start : start + BLOCK].T)
            above = (own @ weights).T  # [block, steps]
            # Copied, since a sum along the rows of a transposed array takes three times as long.
            lower = np.cumsum(np.ascontiguousarray((other @ weights).T), axis=1)
            won = (above * (lower[:, :-1:2] + lower[:, 1::2])).sum(1) / 2
            with np.errstate(invalid="ignore"):
                found.append(won / (above.sum(1) * lower[:, -1]))
        return np.concatenate(found)

    def _counts(self, rows, users, size):
        """[size, users]: how many rows of each kind a user has."""
        return sparse.csr_matrix((np.ones(len(rows)), (rows, users)), (size, self.users))


def holm(p_values: Sequence[Optional[float]]) -> List[float]:
    """Holm's step-down adjustment of p-values for the number of comparisons.

    The k-th smallest of m is multiplied by m - k + 1; none is smaller than one before it, none is
    above 1. A comparison without a p-value (None or NaN) stays NaN and is not counted.

    Source: S. Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    values = np.array([math.nan if p is None else p for p in p_values], float)
    there = np.flatnonzero(~np.isnan(values))
    order = there[np.argsort(values[there], kind="stable")]
    factors = len(order) - np.arange(len(order))
    values[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return values.tolist()


def _in_order(groups) -> Tuple[Any, Any]:
    """(values, places of their first rows) of groups in the order of these rows."""
    found, firsts = np.unique(groups, return_index=True)
    order = np.argsort(firsts)
    return found[order], firsts[order]


def _check_same(frame, first):
    for name in ("instance", "label", "user"):
        if not np.array_equal(frame[name].to_numpy(), first[name].to_numpy()):
            raise ValueError("the predictions have different rows")
