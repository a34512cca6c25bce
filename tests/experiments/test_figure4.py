"""Figure 4: what is accumulated, against a count record by record; one user's history."""

import csv
import json

import numpy as np
import pytest
from dfar_case import Case, batch, hparams
from graph import Bench, close
from small import call, learnt_run, other_run, results_in

from dfar_tf.experiments.figure4 import (
    Attention,
    accumulate,
    check_model,
    grouped,
    share,
)
from dfar_tf.runs.folder import open_run
from dfar_tf.runs.steps import prepare_data
from recommenders_utils.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, hyper-parameters, store) of a trained DFAR."""
    folder = str(learnt_run(tmp_path_factory).folder)
    hp = open_run(folder)
    store, hp = prepare_data(hp, hp.values(), lambda line: None)
    return folder, hp, store


def test_weights_of_every_map_sum_to_one():
    """So that only what the label mask lets pass can tell something."""
    with Bench() as bench:
        case = Case(bench, hparams())
        history = {k: v for k, v in case.features.items() if k.startswith("history")}
        case.outputs()
        weights = case.model.head_attention(history)
        bench.randomize(case.model.weights)
        weights = case.run(weights, batch())
    assert weights.shape == (5, 2, 2, 6, 6)
    close(weights.sum(-1), np.ones([5, 2, 2, 6]))


def test_what_is_accumulated_is_a_count_of_pairs(run):
    folder, hp, store = run
    found = accumulate(store, hp, folder)
    pairs, transitions = np.zeros([2, 2]), np.zeros([2, 2])
    part = store.splits["test"]
    for user, end in zip(part.users, part.ends):
        start = max(store.user_offsets[user], end - hp.max_seq_length)
        labels = store.labels[start:end]
        for i, first in enumerate(labels):
            for second in labels:
                pairs[first, second] += 1
            if i + 1 < len(labels):
                transitions[first, labels[i + 1]] += 1
    close(found["pairs"], pairs)
    close(found["transitions"], transitions)
    # Each query's weights on all keys sum to 1, so on those of one feedback to less.
    assert found["attention"].shape == (2, 2) and np.all(found["attention"] > 0)
    queries = np.sum([np.sum(pairs, 1)], 0)
    assert np.all(found["attention"].sum(1) < queries)


def test_the_sums_are_those_of_the_weights(run):
    """Record by record: the weight of (i, j) in the map of heads that stand for y_i and y_j."""
    folder, hp, store = run
    attention, total = Attention(store, hp, folder), np.zeros([2, 2])
    for arrays in attention.iterator.eval_batches("test", 50):
        weights = attention.of(arrays)
        for row, count in enumerate(arrays["history_mask"].sum(1).astype(int)):
            labels = arrays["history_labels"][row]
            for i in range(count):
                for j in range(count):
                    total[labels[i], labels[j]] += weights[row, labels[i], labels[j], i, j]
    close(accumulate(store, hp, folder)["attention"], total, 1e-4)


def test_heads_are_grouped_by_halves():
    matrix = np.arange(16.0).reshape(4, 4)
    close(grouped(matrix), [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9 + 12 + 13, 10 + 11 + 14 + 15]])
    assert share(matrix).sum() == pytest.approx(1)


def test_figure4_of_a_run(run, tmp_path):
    folder, _, _ = run
    outcome = call("figure4", f"--run_dir={folder}", f"--output={tmp_path}")
    assert outcome.status == 0, outcome.err
    (name,) = results_in(tmp_path, ".csv")
    assert name.startswith("figure4-") and "SYNTHETIC" in name
    text = (tmp_path / name).read_text().splitlines()
    rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    assert [(r["query h1"], r["key h2"]) for r in rows] == [
        (a, b) for a in ("negative", "positive") for b in ("negative", "positive")
    ]
    for column in ("attention", "share of pairs", "share of transitions"):
        assert sum(float(r[column]) for r in rows) == pytest.approx(1)
    for r in rows:
        ratio = float(r["attention"]) / float(r["share of pairs"])
        assert float(r["attention / share"]) == pytest.approx(ratio)
    assert sorted(n.rsplit(".", 1)[1] for n in results_in(tmp_path)) == [
        "csv",
        "json",
        "md",
        "png",
        "svg",
    ]


def test_one_users_history(run, tmp_path):
    folder, hp, store = run
    part = store.splits["test"]
    user, end = store.user_ids[part.users[3]], int(part.ends[3])
    outcome = call("figure4", f"--run_dir={folder}", f"--output={tmp_path}", f"--user={user}")
    assert outcome.status == 0, outcome.err
    (name,) = results_in(tmp_path, ".json")
    record = json.loads((tmp_path / name).read_text())
    items = store.item_ids[store.items[end - len(record["rows"]) : end] - 1]
    assert [row[1] for row in record["rows"]] == items.tolist()
    assert len(record["rows"]) == min(hp.max_seq_length, end - store.user_offsets[part.users[3]])
    attention = np.array(record["attention"])
    assert attention.shape == (len(items), len(items)) and np.all(attention > 0)
    close([row[3] for row in record["rows"]], attention.mean(0))


def test_other_models_and_users_are_refused(run, tmp_path, tmp_path_factory):
    folder, _, _ = run
    with_mha = other_run(tmp_path_factory).folder
    for arguments, message in (
        ([f"--run_dir={with_mha}"], "ablation: 'fha' removes the label mask"),
        ([f"--run_dir={folder}", "--user=nobody"], "--user=nobody: no such user"),
        ([f"--run_dir={tmp_path / 'none'}"], "it holds no finished run"),
    ):
        outcome = call("figure4", *arguments, f"--output={tmp_path}")
        assert outcome.status == 2 and message in outcome.err and "Traceback" not in outcome.err
    with pytest.raises(UserError, match="has no head pairs"):
        check_model(open_run(folder).replace(model_type="gru4rec"))
