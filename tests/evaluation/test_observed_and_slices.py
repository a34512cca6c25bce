"""Observed feedback against scikit-learn; slices against filters by loops."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss, roc_auc_score
from untrained_case import random_store, training_rows

from recommenders_utils.dataset.training import disliked_test_targets, training_counts
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import catalogue_figures
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.observed import calibration, observed_figures
from recommenders_utils.evaluation.places import rank_of_targets
from recommenders_utils.evaluation.slices import (
    candidate_slices,
    catalogue_slices,
    edge_names,
    popularity_groups,
    slicings,
)


def observed(seed, count=97):
    random = np.random.RandomState(seed)
    scores = random.rand(count)
    labels = (random.rand(count) < scores).astype(int)
    return pd.DataFrame({"user": random.randint(0, 17, count), "label": labels, "score": scores})


@pytest.mark.parametrize("seed", range(3))
def test_observed_is_sklearns(seed):
    frame = observed(seed)
    figures = observed_figures(frame)
    assert figures["auc"] == pytest.approx(roc_auc_score(frame.label, frame.score))
    assert figures["logloss"] == pytest.approx(log_loss(frame.label, frame.score))
    both = [part for _, part in frame.groupby("user") if part.label.nunique() == 2]
    aucs = [roc_auc_score(part.label, part.score) for part in both]
    assert figures["gauc"] == pytest.approx(np.average(aucs, weights=[len(p) for p in both]))
    assert figures["gauc_excluded_users"] == frame.user.nunique() - len(both)
    assert figures["targets"] == 97 and figures["share_liked"] == frame.label.mean()
    table = calibration(frame.label, frame.score)
    filled = table[table["count"] > 0]
    liked, mean = calibration_curve(frame.label, frame.score, n_bins=10)
    np.testing.assert_allclose(filled.share_liked, liked)
    np.testing.assert_allclose(filled.mean_score, mean)
    gap = (np.abs(liked - mean) * filled["count"]).sum() / 97
    assert figures["ece"] == pytest.approx(gap) and gap > 0


def test_bins_hold_their_lower_edge_and_the_last_one_both():
    scores = np.append(np.arange(10) / 10, 1.0)
    table = calibration(np.zeros(11), scores)
    assert table["count"].tolist() == [1] * 9 + [2]
    assert table.low.tolist() == (np.arange(10) / 10).tolist() and table.high.iloc[-1] == 1
    table = calibration([1, 0], [0.31, 0.33], bins=4)
    assert table["count"].tolist() == [0, 2, 0, 0] and math.isnan(table.share_liked[0])


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_observed_needs_liked_and_disliked_targets(labels):
    frame = {"user": range(len(labels)), "label": labels, "score": [0.5] * len(labels)}
    with pytest.raises(UserError, match="targets=observed: the test targets hold no"):
        observed_figures(frame)


def test_bad_observed_input():
    with pytest.raises(UserError, match="probability"):
        observed_figures({"user": [1, 2], "label": [0, 1], "score": [0.5, 1.5]})
    with pytest.raises(UserError, match="probability"):
        calibration([0, 1], [0.5, math.nan])
    with pytest.raises(UserError, match="0 bins"):
        calibration([0], [0.5], bins=0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=15), st.randoms(use_true_random=False))
def test_popularity_groups_by_loops(counts, random):
    found = popularity_groups(np.array(counts))
    for count, group in zip(counts, found):
        before = sum(c for c in counts if c > count) / max(sum(counts), 1)
        want = 0 if before < 1 / 3 else 1 if before < 2 / 3 else 2
        assert group == (want if count else 3)
    order = random.sample(range(len(counts)), len(counts))
    np.testing.assert_array_equal(popularity_groups(np.array(counts)[order]), found[order])


def sliced(method="leave_one_out"):
    """A store, its liked then disliked test targets, and the cuts of them."""
    store = random_store(11, users=61, items=97, method=method, lengths=(2, 13))
    test, disliked = store.splits["test"], disliked_test_targets(store)
    users = np.append(test.users, disliked.users)
    ends = np.append(test.ends, disliked.ends)
    return store, users, ends, slicings(store, users, ends, [2, 5, 6, 9], [0.5, 1, 3])


def test_groups_by_loops():
    store, users, ends, cuts = sliced()
    first = {}
    for rows in training_rows(store):
        for item, _, when in rows:
            first[item] = min(first.get(item, when), when)
    group = popularity_groups(training_counts(store))
    for k, (user, end) in enumerate(zip(users, ends)):
        names = {cut.name: cut.groups[cut.number[k]] for cut in cuts}
        length, item = end - store.user_offsets[user], store.items[end]
        wanted = "<= 2", "3 to 5", "6", "7 to 9", "> 9"
        assert names["history length"] == wanted[sum(length > edge for edge in (2, 5, 6, 9))]
        popularity = ("head", "middle", "tail", "never trained")[group[item - 1]]
        assert names["target popularity"] == popularity
        if item not in first:
            age = "no training record"
        else:
            days = (store.times[end] - first[item]) / 86400
            ages = "<= 0.5 days", "0.5 to 1 days", "1 to 3 days", "> 3 days"
            age = (
                ages[sum(days > edge for edge in (0.5, 1, 3))] if days >= 0 else "before its first"
            )
        assert names["target age"] == age
    for cut in cuts:
        assert len(np.unique(cut.number)) > 2, cut.name


def test_slices_are_the_figures_of_filtered_rows():
    store, users, ends, cuts = sliced()
    random, liked = np.random.RandomState(0), len(store.splits["test"])
    predictions = pd.DataFrame(
        {
            "instance": np.repeat(np.arange(liked), 4),
            "user": np.repeat(users[:liked], 4),
            "label": np.tile([1, 0, 0, 0], liked),
            "score": random.rand(4 * liked),
        }
    )
    rank, ties, candidates = rank_of_targets(
        random.randint(0, 7, (len(ends), 97)), store.items[ends] - 1
    )
    ranks = pd.DataFrame(
        {
            "instance": np.arange(len(ends)),
            "label": store.labels[ends],
            "rank": rank,
            "ties": ties,
            "candidates": candidates,
        }
    )
    metrics = ["auc", "mrr@10", "ndcg@2"]
    found = pd.concat(
        [candidate_slices(predictions, cuts, metrics), catalogue_slices(ranks, cuts, [1, 5])]
    )
    assert list(found) == ["ranking", "slice", "group", "targets", "metric", "value"]
    checked = 0
    for row in found.itertuples():
        cut = next(cut for cut in cuts if cut.name == row.slice)
        inside = np.flatnonzero(cut.number == cut.groups.index(row.group))
        rows = predictions if row.ranking == "candidates" else ranks
        part = rows[rows.instance.isin(inside)].reset_index(drop=True)
        assert row.targets == part.instance.nunique()
        if not len(part):
            assert math.isnan(row.value)
            continue
        if row.ranking == "candidates":
            want = evaluate_predictions(part, [row.metric])[row.metric]
        else:
            want = catalogue_figures(part, [1, 5])[row.metric]
        assert row.value == pytest.approx(want, nan_ok=True)
        checked += not math.isnan(row.value)
    assert checked > 100
    per_cut = found[(found.metric == "full_hr@5")].groupby("slice").targets.sum()
    assert (per_cut == len(ends)).all() and len(per_cut) == 3


def test_bad_slices():
    store, users, ends, cuts = sliced()
    for edges in ([], [3, 3], [5, 2]):
        with pytest.raises(UserError, match=r"length_groups: .*ascending"):
            slicings(store, users, ends, edges)
        with pytest.raises(UserError, match=r"age_groups: .*ascending"):
            slicings(store, users, ends, [3], edges)
    frame = pd.DataFrame({"instance": [len(ends)], "user": [1], "label": [1], "score": [0.5]})
    with pytest.raises(UserError, match="but the data have"):
        candidate_slices(frame, cuts)


def test_edge_names():
    assert edge_names([10, 15, 18, 20]) == ("<= 10", "11 to 15", "16 to 18", "19 to 20", "> 20")
    assert edge_names([3]) == ("<= 3", "> 3") and edge_names([3, 4])[1] == "4"
