"""Metrics against scikit-learn, by brute force, by hand, and against the released figures."""

import gzip
import itertools
import json
import math
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import CHECKOUT
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.metrics import (
    cal_metric,
    cal_weighted_metric,
    evaluate_predictions,
    group_metrics,
)
from recommenders_utils.evaluation.names import expand
from recommenders_utils.evaluation.predictions import evaluate_file
from recommenders_utils.evaluation.ranking import positive_ranks

ROOT = str(CHECKOUT)
SHARED = os.environ.get("DFAR_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
ALL = ["auc", "gauc", "mrr", "mrr@2", "ndcg@2", "ndcg", "hit@1", "hit@3", "group_auc", "logloss"]
CSV = """\
instance,user,item,label,score,history_length
0,u1,5,1,0.75,3
0,u1,6,0,0.5,3
1,u2,7,0,0.25,9
"""


def shared(*parts):
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        pytest.skip(f"needs {'/'.join(parts)} of the shared development material (DFAR_SHARED)")
    return path


# Rows of (group, label, score) with few distinct scores, so that ties abound.
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
    min_size=1,
    max_size=24,
)


def columns(rows):
    groups, labels, scores = map(np.array, zip(*rows))
    return groups, labels, scores


def by_group(groups, *arrays):
    """Each group's part of the arrays, in order of the groups' first rows."""
    for group in dict.fromkeys(groups.tolist()):
        yield tuple(array[groups == group] for array in arrays)


def mean_or_nan(values):
    return np.mean(values) if len(values) else math.nan


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.2])), min_size=1, max_size=5))
def test_expected_rank_is_the_mean_over_all_orders(rows):
    labels, scores = map(np.array, zip(*rows))
    ranks = []
    for order in itertools.permutations(range(len(rows))):
        ranked = sorted(order, key=lambda row: -scores[row])  # stable: keeps the order among equals
        ranks.append([place + 1 for place, row in enumerate(ranked) if labels[row]])
    groups, got = positive_ranks(labels, scores, np.zeros(len(rows), int))
    assert len(groups) == labels.sum()
    np.testing.assert_allclose(got, np.mean(ranks, axis=0))


def brute_force(groups, labels, scores):
    """MRR, MRR@2, hit@1, hit@3 by a loop: the best positive's rank, half a place a tied negative."""
    ranks = []
    for y, s in by_group(groups, labels, scores):
        if y.any():
            best = s[y == 1].max()
            positives = ((s == best) & (y == 1)).sum()
            negatives = ((s == best) & (y == 0)).sum()
            ranks.append((s > best).sum() + 1 + negatives / (positives + 1))
    ranks = np.array(ranks)
    return {
        "mrr": mean_or_nan(1 / ranks),
        "mrr@2": mean_or_nan((ranks <= 2) / ranks),
        "hit@1": mean_or_nan(ranks <= 1),
        "hit@3": mean_or_nan(ranks <= 3),
    }


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_against_brute_force_and_sklearn(rows):
    groups, labels, scores = columns(rows)
    got = cal_metric(labels, scores, ALL, groups=groups, users=groups)
    want = brute_force(groups, labels, scores)
    parts = list(by_group(groups, labels, scores))
    both = [(roc_auc_score(y, s), len(y)) for y, s in parts if 0 < y.sum() < len(y)]
    want["group_auc"] = mean_or_nan([auc for auc, _ in both])
    total = sum(n for _, n in both)
    want["gauc"] = sum(auc * n for auc, n in both) / total if both else math.nan
    two = 0 < labels.sum() < len(labels)
    want["auc"] = roc_auc_score(labels, scores) if two else math.nan
    want["logloss"] = log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7), labels=[0, 1])
    for name, value in want.items():
        assert got[name] == pytest.approx(value, nan_ok=True), name


@settings(max_examples=80, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 5))
def test_ndcg_against_sklearn_without_ties(rows, random, k):
    groups, labels, _ = columns(rows)
    scores = np.array(random.sample(range(100), len(rows))) / 100.0
    want = [
        ndcg_score([y], [s], k=k) if len(y) > 1 else 1.0  # scikit-learn refuses a single row
        for y, s in by_group(groups, labels, scores)
        if y.any()
    ]
    got = cal_metric(labels, scores, [f"ndcg@{k}"], groups=groups)
    assert got[f"ndcg@{k}"] == pytest.approx(mean_or_nan(want), nan_ok=True)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_and_names_of_groups_do_not_matter(rows, random):
    groups, labels, scores = columns(rows)
    want = cal_metric(labels, scores, ALL, groups=groups, users=groups)
    order = random.sample(range(len(rows)), len(rows))
    names = np.array(["d", "b", "a", "c"])[groups][order]
    got = cal_metric(labels[order], scores[order], ALL, groups=names, users=names)
    for name in ALL:
        assert got[name] == pytest.approx(want[name], nan_ok=True), name


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(1, 5))
def test_rank_metrics_lie_in_0_1_and_all_ties_among_positives_are_perfect(rows, k):
    groups, labels, scores = columns(rows)
    names = ["mrr", f"ndcg@{k}", f"hit@{k}"]
    for value in cal_metric(labels, scores, names, groups=groups).values():
        assert math.isnan(value) or 0 <= value <= 1 + 1e-12
    if labels.any():
        perfect = cal_metric(labels, labels, names, groups=groups)
        assert list(perfect.values()) == pytest.approx([1, 1, 1])


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_released_order_is_numpys_heapsort_reversed(rows):
    groups, labels, scores = columns(rows)
    want = []
    for y, s in by_group(groups, labels, scores):
        ranked = y[np.argsort(s, kind="heapsort")[::-1]]
        if y.any():
            want.append((ranked / (np.arange(len(y)) + 1)).sum() / y.sum())
    got = cal_metric(labels, scores, ["mean_mrr"], groups=groups, ties="released")
    assert got["mean_mrr"] == pytest.approx(mean_or_nan(want), nan_ok=True)


def test_by_hand():
    # Group 0: the positive third of three. Group 1: the first, tied with one of two. Group 2: none.
    labels = [0, 1, 0, 1, 0, 0, 0]
    scores = [0.9, 0.1, 0.5, 0.6, 0.6, 0.2, 0.4]
    groups = [0, 0, 0, 1, 1, 1, 2]
    values = group_metrics(labels, scores, groups, ["mrr", "mrr@2", "ndcg", "ndcg@1", "hit@2"])
    nan = math.nan
    np.testing.assert_allclose(values["mrr"], [1 / 3, 1 / 1.5, nan])
    np.testing.assert_allclose(values["mrr@2"], [0, 1 / 1.5, nan])
    np.testing.assert_allclose(values["ndcg"], [1 / 2, 1 / np.log2(2.5), nan])
    np.testing.assert_allclose(values["ndcg@1"], [0, 0, nan])
    np.testing.assert_allclose(values["hit@2"], [0, 1, nan])
    means = cal_metric(labels, scores, ["mrr", "hit@2"], groups=groups)
    assert means == {"mrr": pytest.approx(0.5), "hit@2": 0.5}


def test_constant_scores_are_chance():
    labels, scores = [1] + [0] * 9, [0.3] * 10
    got = cal_metric(labels, scores, ALL, groups=[0] * 10, users=[0] * 10)
    assert got["auc"] == got["gauc"] == 0.5
    assert got["mrr"] == pytest.approx(1 / 5.5) and got["hit@1"] == 0


def test_gauc_weighs_users_by_rows_and_leaves_out_one_class():
    # AUC 1 over 2 rows, 0.5 over 3 (one of two negatives above), one class over 4.
    users = ["a"] * 2 + ["b"] * 3 + ["c"] * 4
    labels = [1, 0] + [0, 1, 0] + [1] * 4
    preds = [0.9, 0.1] + [0.9, 0.5, 0.1] + [0.5] * 4
    assert cal_weighted_metric(users, preds, labels, ["wauc"])["wauc"] == pytest.approx(3.5 / 5)
    released = cal_weighted_metric(users, preds, labels, ["gauc"], ties="released")
    assert released == {"gauc": 1.0}  # each has fewer than 10 rows
    more = cal_weighted_metric(
        users + ["d"] * 10, preds + [0.2] * 10, labels + [1] + [0] * 9, ["gauc"], ties="released"
    )
    assert more["gauc"] == pytest.approx((9 + 0.5 * 10) / 19)


def test_nested_labels_are_groups():
    labels, preds = [[1, 0], [0, 1, 0]], [[0.2, 0.1], [0.3, 0.2, 0.1]]
    assert cal_metric(labels, preds, ["mean_mrr", "hit@1;2"]) == {
        "mean_mrr": 0.75,
        "hit@1": 0.5,
        "hit@2": 1.0,
    }
    assert cal_metric(np.eye(3), np.eye(3), ["group_auc"]) == {"group_auc": 1.0}


def test_plain_metrics():
    got = cal_metric([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.0], ["acc", "f1", "rmse"])
    assert got["acc"] == 0.75 and got["f1"] == pytest.approx(0.8)
    assert got["rmse"] == pytest.approx(math.sqrt((0.01 + 0.36 + 0.25) / 4))


def test_logloss_is_finite_where_a_probability_is_0_or_1():
    assert cal_metric([0], [1.0], ["logloss"])["logloss"] == pytest.approx(-math.log(1e-7))
    assert cal_metric([1], [1.0], ["logloss"])["logloss"] == pytest.approx(1e-7)
    assert cal_metric([0], [1.0], ["logloss"], ties="released")["logloss"] == pytest.approx(
        -math.log(1e-11), rel=1e-5
    )


def test_undefined_is_nan():
    got = cal_metric([0, 0], [0.1, 0.2], ALL, groups=[0, 1], users=[5, 5])
    assert [name for name in ALL if math.isnan(got[name])] == [n for n in ALL if n != "logloss"]
    assert math.isnan(cal_metric([], [], ["auc"])["auc"])
    assert math.isnan(cal_metric([], [], ["mrr"], groups=[])["mrr"])


def test_scores_need_not_be_probabilities_where_only_ranks_count():
    assert cal_metric([1, 0], [-3.0, -4.0], ["auc"]) == {"auc": 1.0}
    with pytest.raises(UserError, match=r"row 0: score must be a probability in \[0, 1\].*-3"):
        cal_metric([1, 0], [-3.0, 0.1], ["logloss"])


@pytest.mark.parametrize(
    "change, part",
    [
        ({"metrics": ["acu"]}, "unknown metric 'acu'; did you mean auc"),
        ({"metrics": ["ndcg@0"]}, "k from 1"),
        ({"metrics": ["hit"]}, "unknown metric 'hit'"),
        ({"metrics": ["NDCG@10"]}, "did you mean ndcg@10"),
        ({"metrics": ["mrr"]}, "'mrr' needs groups"),
        ({"metrics": ["gauc"]}, "'gauc' needs users"),
        ({"labels": [1, 2]}, "row 1: label must be 0 or 1, got 2"),
        ({"labels": [1, math.nan]}, "row 1: label must be a finite number"),
        ({"labels": [1, "x"]}, "label: not all"),
        ({"preds": [0.1, math.nan]}, "row 1: score must be a finite number"),
        ({"preds": [0.1, math.inf]}, "row 1: score must be a finite number, got inf"),
        ({"preds": [0.1]}, "2 labels but 1 scores"),
        ({"groups": [1], "metrics": ["mrr"]}, "2 labels but 1 groups"),
        ({"users": [1, None], "metrics": ["gauc"]}, "an id is missing"),
        ({"ties": "random"}, "expected or released, got 'random'"),
        ({"labels": [[1, 0], [1]], "preds": [[1], [1, 0]]}, "groups differ in size"),
    ],
)
def test_bad_input(change, part):
    arguments = {"labels": [1, 0], "preds": [0.2, 0.1], "metrics": ["auc"], **change}
    with pytest.raises(UserError) as caught:
        cal_metric(**arguments)
    assert part in str(caught.value).replace("k a number from 1", "k from 1")


def test_names():
    assert expand(["ndcg@2;4;10", "auc"]) == ["ndcg@2", "ndcg@4", "ndcg@10", "auc"]
    assert expand("wauc") == ["wauc"]
    with pytest.raises(UserError, match="not a mean over groups"):
        group_metrics([1], [1], [1], ["auc"])


def test_evaluate_counts_what_is_left_out():
    table = {
        "instance": [0, 0, 1, 2, 2],
        "user": [7, 7, 7, 9, 9],
        "label": [1, 0, 0, 0, 0],
        "score": [0.8, 0.2, 0.4, 0.6, 0.1],
    }
    for predictions in (table, pd.DataFrame(table)):
        assert evaluate_predictions(predictions, ["gauc", "mrr@10"]) == {
            "gauc": 1.0,
            "mrr@10": 1.0,
            "rows": 5,
            "instances": 3,
            "users": 2,
            "gauc_excluded_users": 1,
            "groups_without_positive": 2,
        }
    with pytest.raises(UserError, match="column 'user' is missing"):
        evaluate_predictions({k: v for k, v in table.items() if k != "user"}, ["auc"])
    with pytest.raises(UserError, match="no rows"):
        evaluate_predictions({k: [] for k in table}, ["auc"])


def test_a_predictions_file_may_call_the_user_as_a_log_does(tmp_path):
    rows = "1,007,1,0.5\n1,007,0,0.25\n2,7,0,0.75\n2,7,1,0.5\n"
    for user in ("user", "user_id:token", "userId"):
        (tmp_path / "p.csv").write_text(f"instance,{user},label:float,score\n" + rows)
        found = evaluate_file(str(tmp_path / "p.csv"), ["auc", "gauc"])
        assert (found["users"], found["gauc"]) == (2, 0.5)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_evaluate_file_reads_scores_exactly(tmp_path, suffix):
    rng = np.random.RandomState(3)
    scores = rng.rand(40).astype(np.float32).astype(float)
    labels, users, instances = np.arange(40) % 5 == 0, np.arange(40) // 10, np.arange(40) // 5
    lines = ["instance,user,item,label,score,history_length"]
    lines += [
        f"{i},{u},3,{y:d},{s!r},2" for i, u, y, s in zip(instances, users, labels, scores.tolist())
    ]
    path = str(tmp_path / ("predictions.csv" + suffix))
    with (gzip.open if suffix else open)(path, "wt") as stream:
        stream.write("\n".join(lines) + "\n")
    want = cal_metric(labels, scores, ALL, groups=instances, users=users)
    got = evaluate_file(path, ALL)
    assert {name: got[name] for name in ALL} == want
    assert (got["rows"], got["instances"], got["users"]) == (40, 8, 4)


def test_a_user_may_be_called_anything(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(CSV.replace("u1", "NA").replace("u2", "007"))
    assert evaluate_file(str(path), ["mrr"])["users"] == 2
    path.write_text(CSV.replace("u1", "7").replace("u2", "007"))
    assert evaluate_file(str(path), ["mrr"])["users"] == 2


@pytest.mark.parametrize(
    "text, part",
    [
        ("", "the file is empty"),
        (CSV.splitlines()[0] + "\n", "no row"),
        (CSV.replace("score", "sc"), "no column score"),
        (CSV.replace("0.5", "nan"), ":3: score must be a number, got 'nan'"),
        (CSV.replace("0.5", ""), ":3: score must be a number, got ''"),
        (CSV.replace("0.5", "1.5"), ":3: score must be a probability"),
        (CSV.replace("6,0,", "6,2,"), ":3: label must be 0 or 1, got 2"),
        (CSV.replace("6,0,", "6,x,"), ":3: label must be a number, got 'x'"),
        (CSV.replace("u2", ""), ":4: user must be an id"),
        (CSV.replace("1,u2", ",u2"), ":4: instance must be a number"),
        (CSV[:-7], ":4: score must be a number"),
        (CSV + "1,u2,7,0,0.25,9,9,9\n", "not a CSV file"),
        (CSV.replace("\n", ",\n").replace(",\n", "\n", 1), "more fields than the header"),
        (CSV.replace("0.5", "inf"), ":3: score must be a finite number, got inf"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
    ],
)
def test_bad_files(tmp_path, text, part):
    path = tmp_path / "predictions.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        evaluate_file(str(path), ["auc", "logloss"])
    assert part in str(caught.value) and "predictions.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UserError, match="no such file"):
            evaluate_file(str(path), ["auc"])


@pytest.mark.parametrize("case", ["plain", "ties"])
def test_released_figures(case):
    with open(shared("golden", "metrics.json")) as stream:
        recorded = json.load(stream)[case]
    labels, preds = recorded["labels"], recorded["preds"]
    figures = recorded["released_rounded"]
    # Its user-weighted MRR, hit and NDCG are used in no table of the paper and are left out.
    names = [name for name in figures if not name.startswith(("wmrr", "whit", "wndcg"))]
    assert len(names) == 18
    users = recorded["users"]
    got = cal_metric(labels, preds, [name for name in names if name != "wauc"], ties="released")
    got.update(cal_weighted_metric(users, np.ravel(preds), np.ravel(labels), ["wauc"], "released"))
    # It takes the root of the rounded mean square.
    got["rmse"] = math.sqrt(round(got["rmse"] ** 2, 4))
    assert abs(got.pop("rmse") - figures["rmse"]) < 1e-7
    assert {name: round(value, 4) for name, value in got.items()} == {
        name: figures[name] for name in names if name != "rmse"
    }
    groups = np.repeat(np.arange(40), 10)
    names = list(recorded["per_group_unrounded"])
    values = group_metrics(np.ravel(labels), np.ravel(preds), groups, names, "released")
    for name in names:
        np.testing.assert_allclose(values[name], recorded["per_group_unrounded"][name], rtol=1e-12)


def test_released_gauc_of_small_users():
    with open(shared("golden", "metrics.json")) as stream:
        recorded = json.load(stream)["wauc_small_users"]
    columns = [recorded[name] for name in ("users", "preds", "labels")]
    got = cal_weighted_metric(*columns, ["wauc"], "released")["wauc"]
    assert round(got, 4) == recorded["released_rounded"]["wauc"]


def test_released_run():
    """The whole released run's test predictions give its recorded figures."""
    frame = pd.read_csv(
        shared("released_run_toys", "predictions_test_dataA.csv.gz"), float_precision="round_trip"
    )
    with open(shared("released_run_toys", "metrics.json")) as stream:
        recorded = json.load(stream)["test"]
    columns = {
        "instance": np.arange(len(frame)) // 10,
        "user": frame["user_index"],
        "label": frame["label"],
        "score": frame["prediction"],
    }
    got = evaluate_predictions(columns, list(recorded), ties="released")
    assert {name: round(got[name], 4) for name in recorded} == recorded
