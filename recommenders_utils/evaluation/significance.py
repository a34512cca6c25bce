"""Paired tests of two models on the same instances, seeds averaged first."""

from typing import Dict, NamedTuple, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from recommenders_utils.evaluation.metrics import group_metrics

RESAMPLES = 500


class PairedTest(NamedTuple):
    """One paired test.

    Attributes:
      metric: what was compared.
      difference: first minus second.
      p: two-sided p-value; NaN if nothing differs.
      n: how many pairs.
      method: which test.
    """

    metric: str
    difference: float
    p: float
    n: int
    method: str


def compare(
    first: Sequence[pd.DataFrame],
    second: Sequence[pd.DataFrame],
    metrics: Sequence[str] = ("auc", "mrr@10", "ndcg@10", "gauc"),
) -> Dict[str, PairedTest]:
    """Compares two models' predictions of the same rows.

    * ``mrr@k``, ``ndcg@k``, ``hit@k``: paired t-test over the instances with a positive.
    * ``gauc``: paired t-test over the users' AUCs, of users with both classes.
    * ``auc``: not a mean, so users are resampled (bootstrap, 500 times) and the
      p-value is twice the smaller share of differences on one side of 0, at least 2 / 501.

    Args:
      first: list of DataFrames, one a seed: ``instance``, ``user``, ``label``, ``score`` in one order.
      second: the other model's, on the same rows.
      metrics: names.

    Returns:
      dict: metric -> PairedTest.

    Raises:
      ValueError: the rows are not the same.
    """
    every = [*first, *second]
    for frame in every[1:]:
        for name in ("instance", "label"):
            if not np.array_equal(frame[name].to_numpy(), every[0][name].to_numpy()):
                raise ValueError("the predictions have different rows")
    found = {}
    for metric in metrics:
        if metric == "auc":
            found[metric] = _bootstrap(first, second)
        else:
            groups, name = ("user", "group_auc") if metric == "gauc" else ("instance", metric)
            found[metric] = _t_test(metric, *(_values(f, groups, name) for f in (first, second)))
    return found


def _values(frames, groups, name):
    values = [
        group_metrics(f["label"].to_numpy(), f["score"].to_numpy(), f[groups].to_numpy(), [name])[
            name
        ]
        for f in frames
    ]
    return np.mean(values, axis=0)


def _t_test(metric, first, second):
    there = ~(np.isnan(first) | np.isnan(second))
    first, second = first[there], second[there]
    gap = first - second
    p = float(stats.ttest_rel(first, second).pvalue) if np.ptp(gap) > 0 else float("nan")
    over = "users" if metric == "gauc" else "instances"
    return PairedTest(metric, float(gap.mean()), p, len(gap), f"paired t-test over {over}")


def _bootstrap(first, second):
    users, code = np.unique(first[0]["user"].to_numpy().astype(str), return_inverse=True)
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(len(users) + 1))
    labels = first[0]["label"].to_numpy()
    scores = [[f["score"].to_numpy() for f in frames] for frames in (first, second)]

    def gap(rows):
        ours, theirs = (np.mean([_auc(labels[rows], s[rows]) for s in each]) for each in scores)
        return ours - theirs

    random, gaps = np.random.RandomState(0), []
    for _ in range(RESAMPLES):
        drawn = random.randint(0, len(users), len(users))
        rows = np.concatenate([order[starts[u] : starts[u + 1]] for u in drawn])
        gaps.append(gap(rows))
    gaps = np.array(gaps)
    side = min(np.sum(gaps <= 0), np.sum(gaps >= 0))
    p = min(1.0, 2 * (1 + side) / (1 + RESAMPLES))
    observed = gap(np.arange(len(labels)))
    p = float("nan") if not np.any(gaps) else float(p)
    return PairedTest("auc", float(observed), p, len(users), "bootstrap over users")


def _auc(labels, scores):
    ranks = stats.rankdata(scores)
    positives = int(labels.sum())
    above = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    return above / (positives * (len(labels) - positives))
