"""Untrained models as runs: a run folder without TensorFlow, evaluated, scored, served, refused."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from small import MODEL, cache_dir, call, ratings_file, tree

import dfar_tf
from dfar_tf.models import untrained_names
from dfar_tf.runs.untrained import CHECKSUM, FITTED
from recommenders_utils.dataset.store import Instances, SequenceStore
from recommenders_utils.evaluation.catalogue import catalogue_figures
from recommenders_utils.evaluation.predictions import evaluate_file
from recommenders_utils.evaluation.rank_files import read_ranks
from recommenders_utils.evaluation.targets import all_test_targets
from recommenders_utils.files import read_json
from recommenders_utils.untrained import registry
from recommenders_utils.untrained.base import squashed
from recommenders_utils.untrained.histories import from_lists, of_instances

# A longer history than a trained model of these flags reads.
LIMIT = 4
TOWER = (
    "--tower_layers",
    "--train_targets",
)  # not among an untrained model's keys, or without effect
FLAGS = [flag for flag in MODEL if not flag.startswith(TOWER)]
_made = {}


def run_of(factory, model, *more):
    """(folder, outcome) of the session's run of a model."""
    if (model, more) not in _made:
        folder = factory.mktemp("untrained") / "a run"
        arguments = (
            f"--ratings={ratings_file(factory)}",
            f"--cache_dir={cache_dir(factory)}",
            f"--run_dir={folder}",
            *FLAGS,
            *more,
        )
        outcome = call("amazon", f"--model={model}", *arguments)
        assert outcome.status == 0, outcome.err
        _made[model, more] = folder, outcome
    return _made[model, more]


def store_of(factory):
    (folder,) = cache_dir(factory).glob("synthetic_small-*")
    return SequenceStore.load(str(folder))


@pytest.mark.parametrize("model", untrained_names())
def test_a_run_folder_like_any_other(tmp_path_factory, model):
    folder, outcome = run_of(tmp_path_factory, model)
    top = {name for name in tree(folder) if os.sep not in name}
    expected = {"hparams.yaml", "run.json", "run.log", "results.json", "results.csv"}
    expected |= {"data.npz", "checksums.json"}
    assert top == expected | {"predictions_valid.csv", "predictions_test.csv", "slices.csv"}
    assert {FITTED, CHECKSUM} <= set(tree(folder))
    record, results = (read_json(str(folder / name)) for name in ("run.json", "results.json"))
    assert "numpy" in record["versions"] and "tensorflow" not in record["versions"]
    assert results["model"] == model and results["parameters"] == 0 and results["loss"] == "none"
    assert "train_targets" not in results["protocol"]
    assert "histories of any length" in " ".join(outcome.out.split())
    again = evaluate_file(
        str(folder / "predictions_test.csv"), ["auc", "ndcg@10", "hit@1"], "expected"
    )
    assert {name: results["test"][name] for name in ("auc", "ndcg@10", "hit@1")} == {
        name: again[name] for name in ("auc", "ndcg@10", "hit@1")
    }


@pytest.mark.parametrize("model", untrained_names())
def test_predictions_are_the_models_scores_of_whole_histories(tmp_path_factory, model):
    folder, _ = run_of(tmp_path_factory, model)
    store = store_of(tmp_path_factory)
    seed = {"seed": 2023} if model == "random" else {}
    fitted = registry.fit(model, store, **seed)
    for split in ("valid", "test"):
        part = store.splits[split]
        assert store.history_lengths(split).max() > LIMIT
        candidates = np.asarray(part.candidates)
        scores = fitted.candidate_scores(of_instances(store, part), candidates)
        frame = pd.read_csv(str(folder / f"predictions_{split}.csv"), float_precision="round_trip")
        # To the last bit: rounding would make ties of close scores.
        assert np.array_equal(frame["score"], squashed(scores[candidates > 0]))
        items = store.item_ids[candidates[candidates > 0] - 1]
        assert np.array_equal(frame["item"], items)


@pytest.mark.parametrize("model", ["transitions", "leastpop"])
def test_ranked_in_the_whole_catalogue_and_observed(tmp_path_factory, model):
    folder, outcome = run_of(tmp_path_factory, model, "--ranking=full", "--targets=observed")
    store, fitted = store_of(tmp_path_factory), registry.load(str(folder / FITTED))
    ranks = read_ranks(str(folder / "ranks_test.csv"))
    targets = all_test_targets(store)
    assert len(ranks) == len(targets.ends) and set(ranks["label"]) == {0, 1}
    instances = Instances(users=targets.users, ends=targets.ends)
    scores = fitted.scores(of_instances(store, instances))
    for row in (0, 7, len(ranks) - 1):
        target = store.items[targets.ends[row]] - 1
        part = slice(store.user_offsets[targets.users[row]], targets.ends[row])
        rivals = np.setdiff1d(np.arange(store.num_items), np.append(store.items[part] - 1, target))
        own, others = scores[row, target], scores[row, rivals]
        assert ranks["rank"][row] == 1 + (others > own).sum() + (others == own).sum() / 2
        assert ranks["candidates"][row] == len(rivals) + 1
    results = read_json(str(folder / "results.json"))
    again = catalogue_figures(ranks, (1, 5, 10, 20, 50))
    assert results["ranking"]["full_ndcg@10"] == again["full_ndcg@10"]
    # The line's figures are computed apart from the run's.
    assert results["untrained"][model]["ranking"] == pytest.approx(results["ranking"], nan_ok=True)
    assert "; whole catalogue: " in outcome.out[outcome.out.index("\nuntrained: ") :]
    frame = pd.read_csv(str(folder / "predictions_observed.csv"), float_precision="round_trip")
    items = np.asarray(store.items)[targets.ends] - 1
    assert np.array_equal(frame["score"], squashed(scores[np.arange(len(items)), items]))
    assert "Untrained: its score ranks and is no probability" in outcome.out


def test_evaluate_gives_the_same_again(tmp_path_factory):
    folder, first = run_of(tmp_path_factory, "itemknn")
    files = ("predictions_test.csv", "predictions_valid.csv", "results.json", "results.csv")
    before = {name: (folder / name).read_bytes() for name in files}
    outcome = call("evaluate", f"--run_dir={folder}")
    assert outcome.status == 0, outcome.err
    assert {name: (folder / name).read_bytes() for name in files} == before
    table = first.out[first.out.index("itemknn on SYNTHETIC_small, test") :]
    assert table in outcome.out


def test_settings_are_flags_and_change_the_scores(tmp_path_factory):
    folder, _ = run_of(tmp_path_factory, "itemknn")
    other, _ = run_of(tmp_path_factory, "itemknn", "--recent=1", "--shrinkage=0.5")
    texts = [(each / "predictions_test.csv").read_text() for each in (folder, other)]
    assert texts[0] != texts[1]
    store = store_of(tmp_path_factory)
    fitted = registry.fit("itemknn", store, recent=1, shrinkage=0.5)
    part = store.splits["test"]
    scores = fitted.candidate_scores(of_instances(store, part), np.asarray(part.candidates))
    found = pd.read_csv(str(other / "predictions_test.csv"), float_precision="round_trip")
    assert np.array_equal(found["score"], squashed(scores.ravel()))


@pytest.mark.parametrize("model", untrained_names())
def test_predict_scores_whole_stored_histories(tmp_path_factory, tmp_path, model):
    folder, _ = run_of(tmp_path_factory, model)
    store = store_of(tmp_path_factory)
    users, items = store.user_ids[[3, 3, 9, 3]], [*store.item_ids[[5, 7, 1]], "nobody's"]
    rows = tmp_path / "rows.csv"
    pd.DataFrame({"user": users, "item": items}).to_csv(str(rows), index=False)
    outcome = call(
        "predict", f"--run_dir={folder}", f"--input={rows}", f"--output={tmp_path / 'o.csv'}"
    )
    assert outcome.status == 0, outcome.err
    found = pd.read_csv(str(tmp_path / "o.csv"), float_precision="round_trip")["score"]
    fitted = registry.load(str(folder / FITTED))
    for row, (user, item) in enumerate([(3, 5), (3, 7), (9, 1)]):
        part = slice(store.user_offsets[user], store.user_offsets[user + 1])
        assert part.stop - part.start > LIMIT
        history = from_lists([store.items[part]], [store.labels[part]])
        assert found[row] == squashed(fitted.scores(history))[0, item]
    assert np.isnan(found[3])


@pytest.mark.parametrize("model", untrained_names())
def test_recommend_gives_the_first_of_a_full_sort(tmp_path_factory, model):
    folder, _ = run_of(tmp_path_factory, model)
    store = store_of(tmp_path_factory)
    fitted = registry.load(str(folder / FITTED))
    user = 11
    part = slice(store.user_offsets[user], store.user_offsets[user + 1])
    scores = fitted.scores(from_lists([store.items[part]], [store.labels[part]]))[0]
    order = np.argsort(-scores, kind="stable")
    with dfar_tf.load(str(folder)) as run:
        every = {"exclude_seen": False, "exclude_disliked": False}
        found = run.recommend(str(store.user_ids[user]), k=9, **every)
        assert list(found["item"]) == list(store.item_ids[order[:9]])
        assert np.array_equal(found["logit"], scores[order[:9]])
        assert np.array_equal(found["score"], squashed(scores[order[:9]]))
        seen = set(store.items[part] - 1)
        unseen = [item for item in order if item not in seen]
        rest = run.recommend(str(store.user_ids[user]), k=1000)
        assert list(rest["item"]) == list(store.item_ids[unseen])
        given = [(str(store.item_ids[2]), 1), (str(store.item_ids[4]), 0)]
        assert np.array_equal(
            run.score(given, store.item_ids[:5]),
            squashed(fitted.scores(from_lists([[3, 5]], [[1, 0]])))[0, :5],
        )
        assert len(run.score([], store.item_ids[:5])) == 5  # an empty history


def test_what_needs_a_graph_is_refused(tmp_path_factory, tmp_path):
    folder, _ = run_of(tmp_path_factory, "itemknn")
    outcome = call("export", f"--run_dir={folder}", f"--output={tmp_path / 'model'}")
    assert outcome.status == 2 and not (tmp_path / "model").exists()
    assert (
        "itemknn is untrained: it counts in numpy and has no TensorFlow graph to export"
        in outcome.err
    )
    # Its reasons need none: they are by leaving records out.
    outcome = call("recommend", f"--run_dir={folder}", "--users=all", "--k=2", "--explain")
    assert outcome.status == 0 and "\n   1. you " in outcome.out
    outcome = call("cluster", "--model=itemknn", f"--run_dir={tmp_path / 'run'}")
    assert outcome.status == 2 and "itemknn is untrained" in outcome.err


def test_a_cluster_is_refused(tmp_path_factory, tmp_path, monkeypatch):
    task = '{"cluster": {"chief": ["a:1"], "ps": ["b:1"]}, "task": {"type": "chief", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", task)
    outcome = call("amazon", "--model=newest", f"--run_dir={tmp_path / 'run'}")
    assert outcome.status == 2 and "fitted by counting, in seconds, by one process" in outcome.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model=itemknn", "--decay=0"], "decay"),
        (["--model=itemknm"], "unknown model 'itemknm'; did you mean itemknn"),
        (["--model=transitions", "--lags=0"], "lags"),
        (
            ["--model=newest", "--untrained=newst"],
            "untrained: unknown model 'newst'; did you mean newest",
        ),
        (["--untrained=newst"], "untrained: unknown model 'newst'; did you mean newest"),
        (["--model=newest", "--resume"], "--resume: give the folder of the run"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, flags, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = call("amazon", "--ratings=nowhere.csv", *flags)
    assert outcome.status == 2 and words in outcome.err and "Traceback" not in outcome.err
    assert not list(tmp_path.iterdir())


def test_damaged_tables_are_refused(tmp_path_factory, tmp_path):
    folder, _ = run_of(tmp_path_factory, "transitions", "--lags=2")
    path = folder / FITTED
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    outcome = call("evaluate", f"--run_dir={folder}")
    assert outcome.status == 2 and "differs from its checksum; fit it again" in outcome.err
    path.unlink()
    outcome = call(
        "predict", f"--run_dir={folder}", f"--input={folder / 'run.log'}", "--output=x.csv"
    )
    assert outcome.status == 2 and "no fitted model in it" in outcome.err
    (folder / CHECKSUM).write_text("[]")
    path.write_bytes(whole)
    outcome = call("evaluate", f"--run_dir={folder}")
    assert outcome.status == 2 and "not the checksum of a fitted model" in outcome.err


def test_a_run_is_not_overwritten_but_resumed(tmp_path_factory):
    folder, _ = run_of(tmp_path_factory, "newest")
    arguments = (
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={cache_dir(tmp_path_factory)}",
        f"--run_dir={folder}",
        *FLAGS,
    )
    outcome = call("amazon", "--model=newest", *arguments)
    assert outcome.status == 2 and "holds a run already" in outcome.err
    outcome = call("amazon", "--model=newest", "--resume", *arguments)
    assert outcome.status == 0, outcome.err
    assert (folder / "run.log").read_text().count("newest: fitted in") == 1


def test_tensorflow_is_not_imported(tmp_path_factory, tmp_path):
    folder, _ = run_of(tmp_path_factory, "itemknn")
    rows = tmp_path / "rows.csv"
    store = store_of(tmp_path_factory)
    rows.write_text(f"user,item\n{store.user_ids[0]},{store.item_ids[0]}\n")
    arguments = [
        "amazon", "--model=itemknn", f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={cache_dir(tmp_path_factory)}", f"--run_dir={tmp_path / 'run'}", *FLAGS,
    ]  # fmt: skip
    code = f"""
import sys
from dfar_tf.cli import main
assert main({list(map(str, arguments))!r}) == 0
assert main(["evaluate", "--run_dir={folder}"]) == 0
assert main(["predict", "--run_dir={folder}", "--input={rows}", "--output={tmp_path}/o.csv"]) == 0
assert main(["recommend", "--run_dir={folder}", "--users=all", "--output={tmp_path}/l.csv"]) == 0
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
