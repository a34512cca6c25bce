"""The best untrained score under every results table: which, of which rows, kept how."""

import json

import numpy as np
import pytest
from small import MODEL, call, ratings_file

from dfar_tf.runs import baselines
from dfar_tf.runs.baselines import closing_lines, untrained_figures
from dfar_tf.runs.steps import prepare_data
from dfar_tf.settings import merge_hparams
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.untrained import registry
from recommenders_utils.untrained.histories import of_instances

FIGURES = {
    "newest": {"test": {"auc": 0.9, "ndcg@10": 0.6326, "rows": 9}},
    "random": {"test": {"auc": 0.5, "ndcg@10": 0.45, "rows": 9}},
}
FULL = {
    "newest": {**FIGURES["newest"], "ranking": {"full_hr@10": 0.0, "full_ndcg@10": 0.0}},
    "transitions": {
        "test": {"auc": 0.6, "ndcg@10": 0.55},
        "ranking": {
            "full_ndcg@1": 0.9,
            "full_ndcg@10_n": 0.8,
            "full_hr@10": 0.08,
            "full_ndcg@10": 0.047,
        },
    },
}


def test_the_best_by_ndcg_at_ten():
    assert closing_lines(FIGURES) == ["untrained: newest NDCG@10 .633"]
    assert closing_lines(FULL) == [
        "untrained: newest NDCG@10 .633; whole catalogue: transitions NDCG@10 .047"
    ]


def test_a_model_that_does_not_exceed_it_gets_a_warning():
    above = ("dfar", {"test": {"ndcg@10": 0.64}, "ranking": {"full_ndcg@10": 0.05}})
    below = ("DIN", {"test": {"ndcg@10": 0.6326}, "ranking": {"full_ndcg@10": 0.05}})
    neither = ("Caser", {"test": {"ndcg@10": 0.2}, "ranking": {"full_ndcg@10": 0.01}})
    assert len(closing_lines(FULL, [above])) == 1
    assert closing_lines(FULL, [above, below, neither])[1:] == [
        "WARNING: DIN does not exceed the best untrained score: NDCG@10 .633.",
        "WARNING: Caser does not exceed the best untrained score: NDCG@10 .200; "
        "whole catalogue, NDCG@10 .010.",
    ]
    # A model without the figure is not compared.
    assert len(closing_lines(FULL, [("SINE", {"test": {"auc": 0.1}})])) == 1


@pytest.mark.parametrize(
    ("metrics", "line"),
    [
        ({"auc": 0.7, "mrr@10": 0.5, "ndcg@5": 0.25}, "untrained: x NDCG@5 .250"),
        ({"auc": 0.7, "mrr@10": 0.5}, "untrained: x MRR@10 .500"),
        ({"auc": 0.7, "gauc": 1.0}, "untrained: x GAUC 1.000"),
        ({"auc": 0.7, "ndcg@10": float("nan")}, "untrained: x AUC .700"),
        ({"logloss": 0.7}, None),  # it says nothing of scores that are no probabilities
        ({}, None),
    ],
)
def test_what_decides_is_what_was_measured(metrics, line):
    assert closing_lines({"x": {"test": metrics}}) == ([line] if line else [])


def test_none_asked_for_none_shown():
    assert closing_lines({}) == []


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """(store, hparams) of the small log, with a cache of its own."""
    given = dict(flag[2:].split("=") for flag in MODEL if "records" in flag)
    hparams = merge_hparams(
        "amazon",
        ratings=str(ratings_file(tmp_path_factory)),
        cache_dir=str(tmp_path_factory.mktemp("baselines")),
        metrics="auc,ndcg@10,gauc",
        **given,
    )
    return prepare_data(hparams, given, lambda line: None)


def test_figures_are_those_of_the_stored_candidates(data):
    store, hparams = data
    found = untrained_figures(store, hparams, lambda line: None)
    assert list(found) == list(registry.NAMES)
    part = store.splits["test"]
    candidates = np.asarray(part.candidates)
    rows = np.nonzero(candidates)[0]
    for name in ("mostpop", "transitions"):
        scores = registry.fit(name, store).candidate_scores(of_instances(store, part), candidates)
        frame = {
            "instance": rows,
            "user": np.asarray(part.users)[rows],
            "label": np.asarray(part.labels)[candidates > 0],
            "score": scores[candidates > 0],
        }
        expected = evaluate_predictions(frame, ["auc", "ndcg@10", "gauc"])
        for metric in ("auc", "ndcg@10", "gauc", "rows"):
            assert found[name]["test"][metric] == pytest.approx(expected[metric], nan_ok=True)


def test_figures_are_computed_once_for_the_same_data_and_question(data, monkeypatch):
    store, hparams = data
    first = untrained_figures(store, hparams, lambda line: None)
    fitted = []
    fit = registry.fit
    monkeypatch.setattr(
        baselines.registry, "fit", lambda name, *a, **k: fitted.append(name) or fit(name, *a, **k)
    )
    assert json.dumps(untrained_figures(store, hparams)) == json.dumps(first) and not fitted
    untrained_figures(store, hparams.replace(metrics="mrr@10"), print, ["newest"])
    untrained_figures(store, hparams, print, ["itemknn"], {"recent": "2", "seed": "9"})
    assert fitted == ["newest", "itemknn"]
    meta = dict(store.meta)
    try:
        store.meta["fingerprint"] = "another"
        untrained_figures(store, hparams, print, ["newest"])
    finally:
        store.meta.clear()
        store.meta.update(meta)
    assert fitted == ["newest", "itemknn", "newest"]


def test_a_damaged_or_unwritable_cache_is_no_error(data, tmp_path):
    store, hparams = data
    other = hparams.replace(cache_dir=str(tmp_path / "cache"))
    first = untrained_figures(store, other, print, ["newest"])
    (path,) = (tmp_path / "cache" / ".untrained").iterdir()
    path.write_text("{")
    assert json.dumps(untrained_figures(store, other, print, ["newest"])) == json.dumps(first)
    assert json.loads(path.read_text()) == json.loads(json.dumps(first["newest"]))
    (tmp_path / "file").write_text("")
    blocked = hparams.replace(cache_dir=str(tmp_path / "file"))
    assert json.dumps(untrained_figures(store, blocked, print, ["newest"])) == json.dumps(first)


def test_amazon_prints_the_line_and_the_warning(tmp_path_factory, tmp_path):
    """One epoch with a step size of nothing: scores by chance, which counting exceeds."""
    flags = [f for f in MODEL if not f.startswith("--learning_rate")]
    outcome = call(
        "amazon",
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={tmp_path}",
        f"--run_dir={tmp_path / 'run'}",
        "--epochs=1",
        "--learning_rate=1e-12",
        *flags,
    )
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    best = max(results["untrained"], key=lambda n: results["untrained"][n]["test"]["ndcg@10"])
    value = results["untrained"][best]["test"]["ndcg@10"]
    line = f"untrained: {best} NDCG@10 {value:.3f}".replace(" 0.", " .")
    place = lines.index(line)
    own = f"{results['test']['ndcg@10']:.3f}".replace("0.", ".")
    assert lines[place + 2] == (
        f"WARNING: dfar does not exceed the best untrained score: NDCG@10 {own}."
    )
    assert " s to train 1 epoch, " in outcome.out
    assert lines[place + 4].startswith("AT CHANCE: dfar AUC 0.")
    quiet = call("evaluate", f"--run_dir={tmp_path / 'run'}", "--untrained=")
    assert quiet.status == 0 and "untrained:" not in quiet.out
