"""Holm's correction by hand; resampled figures against the rows written out as often as drawn."""

import math

import numpy as np
import pandas as pd
import pytest
from test_significance import C, N, frames

from recommenders_utils.evaluation.effects import Resampled, holm
from recommenders_utils.evaluation.metrics import evaluate_predictions

METRICS = ["auc", "gauc", "mrr@10", "ndcg@10"]


def test_holm_by_hand():
    # In order: .005 x 4, .01 x 3, .03 x 2, then .04 x 1, which may not be below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([]) == []
    found = holm([0.01, math.nan, 0.02, None])  # two comparisons
    assert found[0] == pytest.approx(0.02) and found[2] == pytest.approx(0.02)
    assert math.isnan(found[1]) and math.isnan(found[3])


def test_holm_rejects_what_stepping_down_rejects():
    random = np.random.RandomState(0)
    for _ in range(50):
        values = (random.rand(6) ** 3).tolist()
        rejected = set()
        for k, place in enumerate(np.argsort(values)):  # Holm's procedure as published
            if values[place] > 0.05 / (6 - k):
                break
            rejected.add(place)
        assert {i for i, p in enumerate(holm(values)) if p <= 0.05} == rejected


def test_figures_are_the_metrics_of_the_rows():
    runs = {"a": frames(1.0), "b": frames(0.4, seeds=3)}
    runs["a"][0].loc[:20, "score"] = 0.5  # ties
    found = Resampled(runs, METRICS, 20)
    for metric in METRICS:
        means = {
            name: np.mean([evaluate_predictions(f, [metric])[metric] for f in each])
            for name, each in runs.items()
        }
        effect = found.effect("a", "b", metric)
        assert effect.difference == pytest.approx(means["a"] - means["b"], abs=1e-12)
        assert effect.low <= effect.high and effect.users == N // 2
        assert found.effect("b", "a", metric).difference == pytest.approx(-effect.difference)


def test_a_resample_is_the_rows_repeated():
    (frame,) = frames(0.7, seeds=1)
    frame["score"] = frame["score"].round(1)  # many ties
    found = Resampled({"a": [frame]}, METRICS, 30)
    weights = found._weights[7].astype(int)
    users = np.unique(frame["user"])
    assert weights.sum() == len(users) and weights.max() > 1
    parts = []
    for user, count in zip(users, weights):
        for copy in range(count):
            own = frame[frame["user"] == user].copy()
            own["instance"] += 1000 * copy
            own["user"] += f" {copy}"
            parts.append(own)
    repeated = pd.concat(parts, ignore_index=True)
    for metric in METRICS:
        expected = evaluate_predictions(repeated, [metric])[metric]
        assert found._figures["a", metric][7] == pytest.approx(expected, abs=1e-12), metric


def test_a_planted_difference_is_found_and_none_is_not():
    better, worse = frames(2.0), frames(0.5)
    found = Resampled({"a": better, "b": worse, "same": better}, METRICS, 400)
    for metric in METRICS:
        effect = found.effect("a", "b", metric)
        assert effect.low > 0 and effect.p == pytest.approx(2 / 401)
    # The same runs, but which seeds count varies on its own: around 0.
    same = found.effect("a", "same", "auc")
    assert same.difference == 0 and same.low < 0 < same.high and same.p > 0.05


def test_seeds_widen_the_interval():
    alike = [frames(1.0, seeds=1)[0]] * 3
    apart = [frames(lift, seeds=1)[0] for lift in (0.2, 1.0, 1.8)]
    found = Resampled({"alike": alike, "apart": apart, "other": frames(0.0)}, ["auc"], 300)
    narrow, wide = (found.effect(name, "other", "auc") for name in ("alike", "apart"))
    assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low)


def test_ranks_in_the_catalogue_count_liked_targets():
    rank = np.arange(1, N + 1, dtype=float)
    label = (np.arange(N) % 3 > 0).astype(int)
    ranks = pd.DataFrame({"user": [f"u{k // 2}" for k in range(N)], "label": label, "rank": rank})
    found = Resampled({"a": frames(1.0, 1)}, ["full_ndcg@10"], 20, ranks={"a": [ranks]})
    inside = rank[(label == 1) & (rank <= 10)]
    expected = (1 / np.log2(inside + 1)).sum() / label.sum()
    assert found.figure("a", "full_ndcg@10").difference == pytest.approx(expected)


def test_other_rows_are_refused():
    other = frames(1.0)
    other[1]["label"] = other[1]["label"].to_numpy()[::-1].copy()
    with pytest.raises(ValueError, match="different rows"):
        Resampled({"a": frames(1.0), "b": other}, ["auc"], 20)
    assert C > 1
