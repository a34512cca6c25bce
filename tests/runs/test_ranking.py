"""Whole-catalogue ranking of a run: files, figures from the files alone, and what is refused."""

import csv
import dataclasses
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from small import call, learnt_run

import dfar_tf
from dfar_tf.runs.folder import REPORTING
from dfar_tf.runs.observed import observed_auc, observed_line, observed_table
from recommenders_utils.dataset.store import Instances
from recommenders_utils.dataset.training import training_counts
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import catalogue_figures
from recommenders_utils.evaluation.lists import list_figures
from recommenders_utils.evaluation.observed import calibration, observed_figures
from recommenders_utils.evaluation.rank_files import read_lists, read_ranks
from recommenders_utils.evaluation.targets import Targets, all_test_targets, most_candidates
from recommenders_utils.files import read_json

CUTOFFS = [1, 5, 10, 20]
FULL = ("--ranking=full", "--ranking_cutoffs=1,5,10,20")


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    """A copy of the session's run, ranked: its folder, what was printed, and the run opened."""
    folder = tmp_path_factory.mktemp("ranked") / "a run"
    shutil.copytree(str(learnt_run(tmp_path_factory).folder), str(folder))
    done = call("evaluate", f"--run_dir={folder}", *FULL)
    assert done.status == 0, done.err
    with dfar_tf.load(str(folder)) as run:
        yield folder, done.out, run


def scores_before(run, targets):
    """Logits [N, I] of all items by the model's own ``score``, and the histories' items."""
    store, vocabulary = run.store, run.vocabulary
    histories, logits = [], []
    for user, end in zip(targets.users, targets.ends):
        start = store.user_offsets[user]
        histories.append(np.asarray(store.items[start:end]) - 1)
        raw, labels = store.item_ids[histories[-1]], np.asarray(store.labels[start:end])
        given = vocabulary.made(raw, labels, np.zeros(len(raw), int), 1, np.array([user]))
        state = run.scorer.encode(vocabulary.arrays(given))
        logits.append(run.scorer.score(state, vocabulary.model_ids[None, 1:])[0])
    return np.array(logits), histories


def test_every_test_target_has_its_rank_among_all_but_its_history(ranked):
    folder, _, run = ranked
    ranks, store = pd.read_csv(str(folder / "ranks_test.csv")), run.store
    targets = all_test_targets(store)
    liked = len(store.splits["test"].ends)
    # Leave one out: each user's last record is a target, liked or not.
    assert len(ranks) == store.num_users > liked > 0
    assert list(ranks["instance"]) == list(range(len(ranks)))
    assert (ranks["label"][:liked] == 1).all() and (ranks["label"][liked:] == 0).all()
    assert np.array_equal(ranks["user"], store.user_ids[targets.users])
    assert np.array_equal(ranks["item"], store.item_ids[store.items[targets.ends] - 1])
    some = np.arange(0, len(ranks), 7)
    logits, histories = scores_before(run, targets.take(some))
    for number, row, seen in zip(some, logits, histories):
        own = store.items[targets.ends[number]] - 1
        others = np.delete(np.arange(store.num_items), np.union1d(seen, own))
        assert ranks["candidates"][number] == len(others) + 1
        gap = row[others] - row[own]
        assert 1 + (gap > 1e-5).sum() <= ranks["rank"][number] <= 1 + (gap > -1e-5).sum()
    assert ranks["candidates"].max() == most_candidates(store, targets)


def test_lists_are_the_best_items_outside_the_history(ranked):
    folder, _, run = ranked
    lists = pd.read_csv(str(folder / "lists_test.csv"))
    targets = all_test_targets(run.store)
    assert list(lists.columns) == ["instance", "user", "place", "item", "score"]
    for number in range(0, len(targets.ends), 31):
        own = lists[lists["instance"] == number]
        assert list(own["place"]) == list(range(1, 11))
        logits, (seen,) = scores_before(run, targets.take([number]))
        target = run.store.items[targets.ends[number]] - 1
        logits = logits[0]
        logits[np.setdiff1d(seen, target)] = -np.inf
        rows = run.vocabulary.item_rows(own["item"].to_numpy())
        np.testing.assert_allclose(logits[rows], np.sort(logits)[::-1][:10], atol=1e-5)


def test_figures_follow_from_the_files_alone(ranked):
    folder, printed, run = ranked
    results = read_json(str(folder / "results.json"))
    ranks = read_ranks(str(folder / "ranks_test.csv"))
    lists = read_lists(str(folder / "lists_test.csv"), run.store.item_ids, 10)
    wanted = {
        **catalogue_figures(ranks, CUTOFFS),
        **list_figures(lists, training_counts(run.store)),
    }
    assert results["ranking"] == wanted
    assert np.isfinite(list(wanted.values())).all()
    # The run learnt something: far above ten of sixty by chance.
    assert wanted["full_hr@10"] > 0.3
    assert "test, whole catalogue" in printed and "HR_p - HR_n" in printed
    row = [cells for cells in map(str.split, printed.splitlines()) if cells[:1] == ["10"]]
    keys = [f"full_{kind}@10{end}" for end in ("", "_n") for kind in ("hr", "ndcg", "mrr")]
    keys += ["full_hr@10_p-n", "full_ndcg@10_p-n"]
    assert row == [["10", *(f"{wanted[key]:.4f}" for key in keys)]]
    assert f"Gini {wanted['gini@10']:.4f}" in printed
    assert (
        f"HR@10 {wanted['full_hr@10_all']:.4f}, NDCG@10 {wanted['full_ndcg@10_all']:.4f}" in printed
    )
    with open(str(folder / "results.csv"), newline="") as stream:
        stored = {row["metric"]: row["ours"] for row in csv.DictReader(stream)}
    assert {name: float(stored[name]) for name in wanted} == wanted


def older(folder):
    """Takes the keys of this evaluation out of a run's record, as a run of an earlier version."""
    path = folder / "hparams.yaml"
    lines = path.read_text().splitlines()
    kept = [line for line in lines if line.strip().split(":")[0] not in REPORTING]
    assert len(kept) == len(lines) - len(REPORTING)
    path.write_text("\n".join(kept) + "\n")


def test_a_run_without_the_keys_is_evaluated_and_resumed(ranked, tmp_path, tmp_path_factory):
    folder, learnt = tmp_path / "a run", learnt_run(tmp_path_factory)
    shutil.copytree(str(learnt.folder), str(folder))
    older(folder)
    os.remove(str(folder / "checksums.json"))  # nor had it these
    arguments = [a for a in learnt.arguments if not a.startswith("--run_dir")]
    done = call(*arguments, f"--run_dir={folder}", "--resume", *FULL)
    assert done.status == 0, done.err
    expected = read_json(str(ranked[0] / "results.json"))["ranking"]
    assert read_json(str(folder / "results.json"))["ranking"] == expected
    done = call("evaluate", f"--run_dir={folder}", "--ranking=full", "--ranking_cutoffs=3")
    assert done.status == 0, done.err
    figures = read_json(str(folder / "results.json"))["ranking"]
    assert figures["gini@10"] == expected["gini@10"] and "full_hr@3" in figures
    # Scored again without ranking, the run keeps what it knows of its whole-catalogue slices.
    kept = pd.read_csv(str(folder / "slices.csv"))
    assert call("evaluate", f"--run_dir={folder}").status == 0
    again = pd.read_csv(str(folder / "slices.csv"))
    assert set(again["ranking"]) == set(kept["ranking"]) == {"candidates", "full"}
    assert read_json(str(folder / "results.json"))["ranking"] == figures


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--ranking_cutoffs=0,5"], "must be list of int >= 1, got 0 (int)"),
        (["--ranking_cutoffs=-3"], "must be list of int >= 1"),
        (["--ranking_cutoffs="], "ranking_cutoffs: none is given, expected whole numbers from 1"),
        (["--ranking_cutoffs=1,61"], "ranking_cutoffs: 61 is more than the 5"),
        (["--ranking=whole"], "'ranking' cannot be"),
    ],
)
def test_what_is_refused_before_anything_is_written(ranked, flags, words, tmp_path_factory):
    before = (ranked[0] / "ranks_test.csv").read_bytes()
    for command in (
        ["evaluate", f"--run_dir={ranked[0]}"],
        [a for a in learnt_run(tmp_path_factory).arguments if not a.startswith("--run_dir")],
    ):
        done = call(*command, "--ranking=full", *flags)
        assert done.status == 2 and words in done.err, done.err
        assert len(done.err.splitlines()) == 1
    assert (ranked[0] / "ranks_test.csv").read_bytes() == before


def test_a_run_without_test_targets_is_refused(ranked):
    store = ranked[2].store
    empty = Instances(np.zeros(0, np.int64), np.zeros(0, np.int64))
    # Every target is one of validation's.
    parts = [store.splits["valid"], all_test_targets(store)]
    valid = Instances(*(np.concatenate([p[k] for p in map(of, parts)]) for k in (0, 1)))
    splits = {**store.splits, "valid": valid, "test": empty}
    with pytest.raises(UserError, match="there are no test targets to rank; choose a split"):
        all_test_targets(dataclasses.replace(store, splits=splits))


def of(part):
    return part.users, part.ends


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run of two epochs that stops by the whole catalogue and scores observed feedback."""
    folder = tmp_path_factory.mktemp("stopped") / "a run"
    learnt = learnt_run(tmp_path_factory)
    arguments = [a for a in learnt.arguments if not a.startswith(("--run_dir", "--epochs"))]
    flags = ["--early_stop_metric=full_ndcg@10", "--ranking_sample=40", "--targets=observed"]
    arguments += [f"--run_dir={folder}", "--epochs=2", *flags, *FULL]
    done = call(*arguments)
    assert done.status == 0, done.err
    return folder, arguments, done.out


def test_early_stop_ranks_a_stored_sample_in_the_training_session(stopped):
    folder, arguments, printed = stopped
    sample = pd.read_csv(str(folder / "ranking_sample.csv"))
    results = read_json(str(folder / "results.json"))
    with dfar_tf.load(str(folder)) as run:
        store = run.store
        part, records = store.splits["valid"], sample["record"].to_numpy()
        assert len(sample) == 40 and (np.diff(records) > 0).all()
        assert np.isin(records, part.ends).all() and (store.labels[records] == 1).all()
        assert np.array_equal(sample["item"], store.item_ids[store.items[records] - 1])
        epoch = results["epochs"][results["best_epoch"] - 1]["validation"]
        # The best checkpoint gives what its epoch had recorded.
        users = part.users[np.searchsorted(part.ends, records)]
        targets = Targets(users, records, np.ones(40, np.int8))
        logits, histories = scores_before(run, targets)
        gains = []
        for row, seen, record in zip(logits, histories, records):
            own = store.items[record] - 1
            rank = 1 + (np.delete(row, np.union1d(seen, own)) > row[own]).sum()
            gains.append((rank <= 10) / np.log2(rank + 1))
        assert epoch["full_ndcg@10"] == pytest.approx(np.mean(gains), abs=0.01)
        best = max(results["epochs"], key=lambda e: e["validation"]["full_ndcg@10"])
        assert best["epoch"] == results["best_epoch"]
    assert "full_hr@10" in epoch and "auc" in epoch and "full_ndcg@10" in printed
    other = [a for a in arguments if not a.startswith("--ranking_sample")]
    done = call(*other, "--resume", "--ranking_sample=41")
    assert done.status == 2 and "ranking_sample was 40, is now 41" in done.err
    before = (folder / "ranking_sample.csv").read_bytes()
    assert call(*other, "--resume", "--ranking_sample=40").status == 0
    assert (folder / "ranking_sample.csv").read_bytes() == before


def test_observed_targets_are_scored_with_their_labels(stopped):
    folder, _, printed = stopped
    frame = pd.read_csv(str(folder / "predictions_observed.csv"), float_precision="round_trip")
    figures = read_json(str(folder / "results.json"))["observed"]
    assert len(frame) == figures["targets"] == len(pd.read_csv(str(folder / "ranks_test.csv")))
    assert set(frame["label"]) == {0, 1}
    assert figures["auc"] == pytest.approx(roc_auc_score(frame["label"], frame["score"]), abs=1e-12)
    assert figures["logloss"] == pytest.approx(log_loss(frame["label"], frame["score"]), abs=1e-9)
    # A liked target's score is that of its row among the candidates.
    stored = pd.read_csv(str(folder / "predictions_test.csv"))
    stored = stored[stored["label"] == 1]["score"].to_numpy()
    np.testing.assert_allclose(frame["score"][: len(stored)], stored, atol=1e-5)
    bins = pd.read_csv(str(folder / "calibration.csv"))
    assert len(bins) == 10 and bins["count"].sum() == len(frame)
    for _, each in bins[bins["count"] > 0].iterrows():
        inside = frame[(frame["score"] >= each["low"]) & (frame["score"] < each["high"])]
        assert len(inside) == each["count"]
        assert inside["label"].mean() == pytest.approx(each["share_liked"])
        assert inside["score"].mean() == pytest.approx(each["mean_score"])
    assert "test, observed feedback" in printed and "mean score" in printed
    assert "Trained with train_targets=positive, where every target has label 1" in printed


def test_every_result_has_the_auc_of_liked_against_disliked_targets(stopped):
    """In test what targets=observed gives by another way, in validation by the stored predictions."""
    folder, _, printed = stopped
    results = read_json(str(folder / "results.json"))
    found = results["observed_auc"]
    assert found["test"] == pytest.approx(results["observed"]["auc"], abs=1e-4)
    valid = pd.read_csv(str(folder / "predictions_valid.csv"))
    targets = valid.groupby("instance").first()  # a disliked one stands alone
    assert set(targets["label"]) == {0, 1}
    assert found["valid"] == pytest.approx(roc_auc_score(targets["label"], targets["score"]))
    line = f"{found['valid']:.4f} validation, {found['test']:.4f} test"
    assert f"observed feedback, AUC of liked against disliked targets: {line}" in printed
    rows = pd.read_csv(str(folder / "results.csv")).set_index(["split", "metric"])["ours"]
    assert rows["test", "observed_auc"] == pytest.approx(found["test"], abs=1e-12)  # csv digits
    # The rows of disliked test targets stay out of the test predictions.
    assert (
        results["test"]["instances"]
        == pd.read_csv(str(folder / "predictions_test.csv"))["instance"].nunique()
    )


def test_targets_of_one_kind_have_no_observed_auc(ranked):
    store = ranked[2].store
    part = store.splits["valid"]
    flat = {
        "instance": np.arange(len(part)),
        "user": np.asarray(part.users),
        "score": np.random.RandomState(0).rand(len(part)),
    }
    labels = np.asarray(store.labels)[part.ends]
    expected = roc_auc_score(labels, flat["score"])
    assert observed_auc(flat, store, "valid") == pytest.approx(expected)
    liked = dataclasses.replace(store, labels=np.ones_like(store.labels))
    assert observed_auc(flat, liked, "valid") is None and observed_line({}) == ""


def test_a_model_of_feedback_needs_no_warning():
    results = {"model": "dfar", "data": "x", "synthetic": False}
    bins = calibration([0, 1], [0.2, 0.9]).to_dict("records")
    figures = {**observed_figures({"user": [1, 1], "label": [0, 1], "score": [0.2, 0.9]})}
    figures["calibration"] = bins
    for kind in ("feedback", "all"):
        text = observed_table(figures, {**results, "protocol": {"train_targets": kind}})
        assert ("Trained with train_targets=all" in text) == (kind == "all")


def test_slices_add_up_to_the_whole(stopped):
    folder, _, _ = stopped
    slices, results = (
        pd.read_csv(str(folder / "slices.csv")),
        read_json(str(folder / "results.json")),
    )
    assert set(slices["ranking"]) == {"candidates", "full"}
    assert set(slices["slice"]) == {"history length", "target popularity", "target age"}
    sizes = {"candidates": results["test"]["instances"], "full": results["observed"]["targets"]}
    for (ranking, _), part in slices.groupby(["ranking", "slice"]):
        groups = part.drop_duplicates("group")
        assert groups["targets"].sum() == sizes[ranking]
        if ranking == "candidates":  # one positive an instance: the mean of the groups
            own = part[part["metric"] == "ndcg@10"].dropna()
            whole = np.average(own["value"], weights=own["targets"])
            assert whole == pytest.approx(results["test"]["ndcg@10"], abs=1e-9)
    metrics = set(slices["metric"])
    assert {"auc", "gauc", "logloss", "full_hr@10", "full_ndcg@20_n", "full_mrr@1"} <= metrics


def test_observed_needs_disliked_targets(monkeypatch, ranked):
    liked = all_test_targets(ranked[2].store)
    liked = liked.take(liked.labels == 1)
    monkeypatch.setattr("dfar_tf.runs.observed.all_test_targets", lambda store: liked)
    done = call("evaluate", f"--run_dir={ranked[0]}", "--targets=observed")
    assert done.status == 2
    assert "targets=observed: the test targets hold no disliked one" in done.err
    assert "imported released files need test_data_neg" in done.err


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        (
            {"train_targets": "feedback", "train_num_ngs": 9},
            "Trained with drawn negatives of label 0",
        ),
        (
            {"train_targets": "all", "train_num_ngs": 0},
            "feedback and train_num_ngs=0\nto predict that",
        ),
        ({"train_targets": "feedback", "train_num_ngs": 0}, None),
    ],
)
def test_observed_scores_say_what_their_training_was_for(trained, said):
    figures = observed_figures(
        {"label": [1, 0, 1], "score": [0.9, 0.2, 0.4], "user": ["a", "b", "b"]}
    )
    figures["calibration"] = calibration([1, 0, 1], [0.9, 0.2, 0.4]).fillna(0).to_dict("records")
    results = {"model": "dfar", "data": "d", "synthetic": False, "protocol": trained}
    text = observed_table(figures, results)
    assert said in text if said else "Trained" not in text
