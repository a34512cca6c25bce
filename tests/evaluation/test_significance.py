"""Paired tests: against scipy, on planted differences and on none."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from recommenders_utils.evaluation.metrics import evaluate_predictions, group_metrics
from recommenders_utils.evaluation.significance import compare

N, C = 60, 5


def frames(lift, seeds=2, noise=1.0):
    """Predictions of N instances of C rows, one a user, the positive first and higher by ``lift``."""
    made = []
    for seed in range(seeds):
        scores = np.random.RandomState(seed).normal(0, noise, [N, C])
        scores[:, 0] += lift
        columns = {
            "instance": np.repeat(np.arange(N), C),
            "user": np.repeat([f"u{k // 2}" for k in range(N)], C),
            "label": np.tile([1] + [0] * (C - 1), N),
            "score": 1 / (1 + np.exp(-scores.ravel())),
        }
        made.append(pd.DataFrame(columns))
    return made


def test_a_planted_difference_is_found_and_of_the_right_size():
    better, worse = frames(2.0), frames(0.5)
    found = compare(better, worse)
    for metric, test in found.items():
        values = [
            np.mean([evaluate_predictions(f, [metric])[metric] for f in each])
            for each in (better, worse)
        ]
        assert test.p < 0.01 and test.difference > 0.05, metric
        if metric != "gauc":  # which weighs users by their rows; here all have as many
            assert test.difference == pytest.approx(values[0] - values[1], abs=1e-9)
    assert found["mrr@10"].n == N and found["gauc"].n == N // 2 == found["auc"].n
    mirrored = compare(worse, better, ["mrr@10", "auc"])
    assert mirrored["mrr@10"].p == pytest.approx(found["mrr@10"].p)
    assert mirrored["auc"].difference == pytest.approx(-found["auc"].difference)


def test_the_t_test_is_scipys():
    first, second = frames(0.6), frames(0.5, seeds=3)
    means = [
        np.mean(
            [
                group_metrics(f["label"], f["score"], f["instance"], ["ndcg@3"])["ndcg@3"]
                for f in each
            ],
            0,
        )
        for each in (first, second)
    ]
    test = compare(first, second, ["ndcg@3"])["ndcg@3"]
    assert test.p == pytest.approx(stats.ttest_rel(*means).pvalue)


def test_equal_models_differ_by_nothing():
    same = frames(1.0)
    for test in compare(same, same).values():
        assert test.difference == 0 and math.isnan(test.p)


def test_p_values_are_uniform_where_nothing_is_planted():
    """Of 60 comparisons of noise with noise about one in ten has p < 0.1, not one in two."""
    small = []
    for trial in range(60):
        random = np.random.RandomState(1000 + trial)
        made = []
        for _ in range(2):
            frame = frames(0.5, seeds=1)[0]
            made.append([frame.assign(score=random.uniform(size=len(frame)))])
        small.append(compare(*made, ["mrr@10"])["mrr@10"].p < 0.1)
    assert 0 <= np.mean(small) < 0.25


def test_the_bootstrap_is_as_wide_as_chance():
    random = np.random.RandomState(5)
    made = [[f.assign(score=random.uniform(size=len(f)))] for f in frames(0, seeds=2)]
    assert compare(*made, ["auc"])["auc"].p > 0.05


def test_other_rows_are_refused():
    first, second = frames(1.0), frames(1.0)
    second[1] = second[1].assign(label=second[1]["label"].to_numpy()[::-1])
    with pytest.raises(ValueError, match="have different rows"):
        compare(first, second)
