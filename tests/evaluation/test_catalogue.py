"""Whole-catalogue ranks, figures and lists: by brute force, under random tie-breaking, by oracles."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recommenders_utils.errors import UserError
from recommenders_utils.evaluation import places
from recommenders_utils.evaluation.catalogue import (
    catalogue_figures,
    checked_cutoffs,
    figure_title,
    gains,
)
from recommenders_utils.evaluation.lists import list_figures
from recommenders_utils.evaluation.orders import kendall
from recommenders_utils.evaluation.places import Excluded, RankCounts, TopK, rank_of_targets, top_k
from recommenders_utils.evaluation.rank_files import read_ranks, write_lists, write_ranks


def case(seed, count=11, items=17, levels=5):
    """Scores with many ties, targets and ragged exclusions with repeats, some naming the target."""
    random = np.random.RandomState(seed)
    scores = random.randint(0, levels, (count, items)) / 4.0
    targets = random.randint(0, items, count)
    lengths = random.randint(0, 6, count)
    offsets = np.append(0, np.cumsum(lengths))
    return scores, targets, Excluded(offsets, random.randint(0, items, offsets[-1]))


def rivals_of(row, targets, excluded):
    out = excluded.items[excluded.offsets[row] : excluded.offsets[row + 1]]
    return lambda item: item != targets[row] and item not in out


@pytest.mark.parametrize("cells", [1, 40, 10**6])
@pytest.mark.parametrize("block", [1, 4, 17])
@pytest.mark.parametrize("seed", range(4))
def test_ranks_and_lists_by_loops(seed, block, cells, monkeypatch):
    monkeypatch.setattr(places, "CELLS", cells)
    scores, targets, excluded = case(seed)
    rows = np.arange(len(targets))
    counts, best = (
        RankCounts(scores[rows, targets], targets, excluded),
        TopK(len(rows), 6, excluded),
    )
    for start in range(0, 17, block):
        counts.add(scores[:, start : start + block], start)
        best.add(scores[:, start : start + block], start)
    rank, ties, candidates = counts.result()
    for whole, part in zip(rank_of_targets(scores, targets, excluded), (rank, ties, candidates)):
        np.testing.assert_array_equal(whole, part)
    items, values = best.result()
    for whole, part in zip(top_k(scores, 6, excluded), (items, values)):
        np.testing.assert_array_equal(whole, part)
    for row in rows:
        is_rival = rivals_of(row, targets, excluded)
        others = [scores[row, k] for k in range(17) if is_rival(k)]
        own = scores[row, targets[row]]
        assert ties[row] == others.count(own) and candidates[row] == len(others) + 1
        assert rank[row] == 1 + sum(s > own for s in others) + others.count(own) / 2
        out = excluded.items[excluded.offsets[row] : excluded.offsets[row + 1]]
        order = sorted(set(range(17)) - set(out), key=lambda k: (-scores[row, k], k))[:6]
        assert items[row].tolist() == order
        np.testing.assert_array_equal(values[row], scores[row, order])
    assert (ties > 0).any()


def test_a_short_list_is_padded_and_nan_is_refused():
    items, values = top_k(np.array([[0.5, 0.25, 0.75]]), 4, Excluded(np.array([0, 2]), [1, 1]))
    assert items.tolist() == [[2, 0, -1, -1]]
    assert values.tolist() == [[0.75, 0.5, -math.inf, -math.inf]]
    for scores in ([[math.nan, 1.0]], [[1.0, math.nan]]):
        with pytest.raises(ValueError, match="not a number"):
            rank_of_targets(np.array(scores), np.array([0]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_permuting_items_changes_nothing(seed):
    scores, targets, excluded = case(seed, levels=3)
    order = np.random.RandomState(seed).permutation(17)
    place = np.argsort(order)
    moved = rank_of_targets(
        scores[:, order], place[targets], Excluded(excluded.offsets, place[excluded.items])
    )
    for ours, theirs in zip(rank_of_targets(scores, targets, excluded), moved):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(1, 6))
def test_gains_are_means_over_every_order_of_equal_scores(scores, k):
    """The target is the first item; ties are broken in every possible way."""
    ranks = []
    for jitter in itertools.permutations(range(len(scores))):
        keys = sorted(range(len(scores)), key=lambda i: (-scores[i], jitter[i]))
        ranks.append(keys.index(0) + 1)
    ranks = np.array(ranks)
    rank, ties, _ = rank_of_targets(np.array([scores], float), np.array([0]))
    assert rank[0] == pytest.approx(ranks.mean())
    inside = ranks <= k
    for kind, values in (
        ("hr", inside),
        ("ndcg", inside / np.log2(ranks + 1)),
        ("mrr", inside / ranks),
    ):
        assert gains(kind, k, rank, ties)[0] == pytest.approx(values.mean()), kind


def frame_of(seed, count=23):
    random = np.random.RandomState(seed)
    scores = random.randint(0, 9, (count, 31))
    rank, ties, candidates = rank_of_targets(scores, random.randint(0, 31, count))
    columns = {
        "instance": np.arange(count),
        "user": [f"u{k % 5}" for k in range(count)],
        "item": ["NA"] * count,
        "label": random.randint(0, 2, count),
        "rank": rank,
        "candidates": candidates,
        "ties": ties,
    }
    return pd.DataFrame(columns)


def test_figures_by_loops():
    frame = frame_of(1)
    figures = catalogue_figures(frame, [3, 1, 31], ties="mean")
    for k, (labels, end) in itertools.product(
        (1, 3, 31), (((1,), ""), ((0,), "_n"), ((0, 1), "_all"))
    ):
        hr, ndcg, mrr = [], [], []
        for row in frame[frame.label.isin(labels)].itertuples():
            at = [row.rank - row.ties / 2 + step for step in range(row.ties + 1)]
            hr.append(np.mean([r <= k for r in at]))
            ndcg.append(np.mean([(r <= k) / math.log2(r + 1) for r in at]))
            mrr.append(np.mean([(r <= k) / r for r in at]))
        for kind, values in (("hr", hr), ("ndcg", ndcg), ("mrr", mrr)):
            assert figures[f"full_{kind}@{k}{end}"] == pytest.approx(np.mean(values))
    for kind in ("hr", "ndcg"):
        gap = figures[f"full_{kind}@3"] - figures[f"full_{kind}@3_n"]
        assert figures[f"full_{kind}@3_p-n"] == gap
    assert figures["full_hr@31"] == pytest.approx(1)
    assert figures["full_targets"] + figures["full_targets_n"] == 23
    liked = catalogue_figures(frame[frame.label == 1], [3], ties="mean")
    assert liked["full_hr@3"] == figures["full_hr@3"]
    assert math.isnan(liked["full_hr@3_n"]) and math.isnan(liked["full_hr@3_p-n"])


def test_by_default_a_tied_target_counts_by_its_expected_rank_and_six_columns_do():
    frame = frame_of(1).drop(columns="ties")
    liked = frame[frame.label == 1]["rank"].to_numpy()
    figures = catalogue_figures(frame, [5])
    assert figures == catalogue_figures(frame_of(1), [5])
    hit = liked <= 5
    assert figures["full_hr@5"] == hit.mean()
    assert figures["full_ndcg@5"] == pytest.approx(np.mean(hit / np.log2(liked + 1)))
    assert figures["full_mrr@5"] == pytest.approx(np.mean(hit / liked))
    assert (liked % 1 > 0).any() and figures["full_hr@5"] != catalogue_figures(
        frame_of(1), [5], ties="mean"
    )["full_hr@5"]
    with pytest.raises(UserError, match="needs the column 'ties'"):
        catalogue_figures(frame, [5], ties="mean")
    with pytest.raises(UserError, match="expected or mean, got 'random'"):
        catalogue_figures(frame, [5], ties="random")


def without_ties(seed, users=13, items=19):
    random = np.random.RandomState(seed)
    scores = random.rand(users, items)
    return scores, random.randint(0, items, users)


@pytest.mark.parametrize("k", [1, 4, 19])
def test_ndcg_is_sklearns(k):
    scores, targets = without_ties(3)
    rank, ties, _ = rank_of_targets(scores, targets)
    truth = np.eye(19)[targets]
    assert gains("ndcg", k, rank, ties).mean() == pytest.approx(ndcg_score(truth, scores, k=k))


def test_figures_and_coverage_are_those_of_microsoft_recommenders():
    theirs = pytest.importorskip(
        "recommenders.evaluation.python_evaluation",
        reason="recommenders 0.7.0 is an oracle under TensorFlow 1.15 alone",
    )
    scores, targets = without_ties(5)
    users, items = np.indices(scores.shape)
    truth = pd.DataFrame({"userID": np.arange(13), "itemID": targets, "rating": 1.0})
    predicted = pd.DataFrame(
        {"userID": users.ravel(), "itemID": items.ravel(), "prediction": scores.ravel()}
    )
    rank, ties, _ = rank_of_targets(scores, targets)
    for k in (1, 5, 19):
        assert gains("ndcg", k, rank, ties).mean() == pytest.approx(
            theirs.ndcg_at_k(truth, predicted, k=k)
        )
        assert gains("hr", k, rank, ties).mean() == pytest.approx(
            theirs.recall_at_k(truth, predicted, k=k)
        )
    # With one target a user, the mean average precision is the mean reciprocal rank.
    assert gains("mrr", 19, rank, ties).mean() == pytest.approx(
        theirs.map_at_k(truth, predicted, k=19)
    )
    lists, _ = top_k(scores, 2)
    catalogue = pd.DataFrame({"userID": -1, "itemID": np.arange(19)})
    listed = pd.DataFrame({"userID": np.repeat(np.arange(13), 2), "itemID": lists.ravel()})
    coverage = list_figures(lists, np.ones(19, int))["coverage@2"]
    assert coverage == pytest.approx(theirs.catalog_coverage(catalogue, listed))


@pytest.mark.parametrize("seed", range(3))
def test_list_figures_by_loops(seed):
    random = np.random.RandomState(seed)
    counts, lists = random.randint(0, 4, 29), random.randint(-1, 12, (7, 3))
    flat = [item for row in lists.tolist() for item in row if item >= 0]
    shown = [flat.count(item) for item in range(29)]
    percentile = [
        (np.mean(counts < counts[i]) + np.mean(counts <= counts[i])) / 2 for i in range(29)
    ]
    gaps = sum(abs(a - b) for a in shown for b in shown)  # half the relative mean difference
    assert list_figures(lists, counts) == {
        "coverage@3": pytest.approx(len(set(flat)) / 29),
        "popularity@3": pytest.approx(np.mean([percentile[i] for i in flat])),
        "gini@3": pytest.approx(gaps / (2 * 29 * sum(shown))),
    }


def test_lists_that_are_even_or_all_the_same():
    even = list_figures(np.arange(12).reshape(6, 2), np.full(12, 3))
    assert even == {"coverage@2": 1, "popularity@2": 0.5, "gini@2": 0}
    same = list_figures(np.zeros((6, 1), int), np.arange(12))
    assert same["gini@1"] == pytest.approx(11 / 12) and same["coverage@1"] == 1 / 12
    with pytest.raises(UserError, match="there are none"):
        list_figures(np.full((3, 2), -1), np.ones(4))


@pytest.mark.parametrize(
    "change, cutoffs, part",
    [
        ({}, [0], "ranking_cutoffs: 0, expected whole numbers from 1"),
        ({}, [2.5], "ranking_cutoffs: 2.5, expected whole numbers"),
        ({}, ["5"], "ranking_cutoffs: '5', expected whole numbers"),
        ({}, [True], "ranking_cutoffs: True, expected whole numbers"),
        ({}, [], "none is given"),
        ({}, [32], "32 is more than the 31 items"),
        ({"label": 2}, [1], "row 4: label must be 0 or 1"),
        ({"rank": 0.0, "ties": 0}, [1], "row 4: rank - ties / 2 must be whole, from 1"),
        ({"rank": 2.5, "ties": 0}, [1], "row 4: rank - ties / 2 must be whole, from 1"),
        ({"rank": 32.0, "ties": 0}, [1], "row 4: rank + ties / 2 must be at most"),
        ({"rank": math.nan}, [1], "row 4: rank - ties / 2"),
        ({"ties": -1}, [1], "row 4: ties must be whole, from 0"),
        ({"candidates": 0}, [1], "row 4: candidates must be whole, from 1"),
    ],
)
def test_bad_input(change, cutoffs, part):
    frame = frame_of(2)
    for name, value in change.items():
        frame[name] = [value if k == 4 else kept for k, kept in enumerate(frame[name])]
    with pytest.raises(UserError) as caught:
        catalogue_figures(frame, cutoffs)
    assert part in str(caught.value)


def test_no_targets_and_no_column():
    with pytest.raises(UserError, match="no test targets"):
        catalogue_figures(frame_of(0).iloc[:0], [1])
    with pytest.raises(UserError, match="column 'rank' is missing"):
        catalogue_figures(frame_of(0).drop(columns="rank"), [1])
    assert checked_cutoffs(7) == (7,) and checked_cutoffs([9, 2, 2]) == (2, 9)


def test_titles():
    names = ("full_hr@10", "full_ndcg@5_n", "full_hr@10_p-n", "full_hr@9_all")
    titles = ["HR@10", "NDCG_n@5", "HR_p - HR_n @10", "HR_all@9"]
    assert [figure_title(n) for n in names] == titles


def test_files(tmp_path):
    path, frame = str(tmp_path / "ranks_test.csv"), frame_of(3)
    write_ranks(path, frame)
    again = read_ranks(path)
    assert catalogue_figures(again, [1, 5]) == catalogue_figures(frame, [1, 5])
    assert again["item"].tolist() == frame["item"].tolist()  # "NA" is an id
    write_ranks(path, frame)
    six = pd.read_csv(path, keep_default_na=False).drop(columns="ties")
    six.to_csv(tmp_path / "six.csv", index=False)
    figures = catalogue_figures(read_ranks(str(tmp_path / "six.csv")), [1, 5])
    assert figures == catalogue_figures(frame, [1, 5])
    text = (tmp_path / "ranks_test.csv").read_text()
    header = text.splitlines()[0]
    assert header == "instance,user,item,label,rank,candidates,ties"
    for content, part in (
        ("", "the file is empty"),
        (header + "\n", "no test targets"),
        (header.replace(",rank", "") + "\n", "no column rank"),
        (header + "\n0,u,i,1,x,5,0\n", ":2: rank must be a number, got 'x'"),
        (header + "\n0,u,i,1,2.0,5,0\n0,u,i,1,9.0,5,0\n", ":3: rank + ties / 2 must be at most"),
    ):
        (tmp_path / "ranks_test.csv").write_text(content)
        with pytest.raises(UserError) as caught:
            read_ranks(path)
        assert part in str(caught.value)
    with pytest.raises(UserError, match="no such file"):
        read_ranks(str(tmp_path / "none.csv"))


def test_list_file(tmp_path):
    path = str(tmp_path / "lists_test.csv")
    items, scores = np.array([[2, 0], [1, -1]]), np.array([[0.75, 0.1], [0.3, -np.inf]])
    write_lists(path, [4, 9], ["a", "b"], items, np.array(["x", "y", "z"]), scores)
    assert pd.read_csv(path).values.tolist() == [
        [4, "a", 1, "z", 0.75],
        [4, "a", 2, "x", 0.1],
        [9, "b", 1, "y", 0.3],
    ]


def test_kendall_by_pairs():
    first = {"a": 0.1, "b": 0.4, "c": 0.3, "d": 0.9, "e": None, "f": 0.2}
    second = {"a": 0.5, "b": 0.7, "c": 0.8, "d": 0.9, "e": 0.1, "g": 0.3, "f": math.nan}
    signs = [
        np.sign(first[x] - first[y]) * np.sign(second[x] - second[y])
        for x, y in itertools.combinations("abcd", 2)
    ]
    found = kendall(first, second)
    assert found.tau == pytest.approx(np.mean(signs)) and found.models == 4
    assert kendall(first, first).tau == pytest.approx(1)
    assert math.isnan(kendall({"a": 1.0}, {"a": 2.0}).tau)
