"""A run opened from Python: any model scores and recommends what its graph gives."""

import os
import subprocess
import sys

import numpy as np
import pytest
from graph import close
from serving_case import ITEMS, T, folder_of_runs, made_run, opened, path_of, ratings_file, text_of

import dfar_tf
from dfar_tf.estimator.training import best_checkpoint, predict
from dfar_tf.models import model_names
from dfar_tf.runs.folder import open_run
from dfar_tf.runs.steps import prepare_data
from recommenders_utils.errors import UserError


@pytest.fixture(scope="module")
def dfar(tmp_path_factory):
    return opened(tmp_path_factory, "dfar")


@pytest.mark.parametrize("model", model_names())
def test_every_model_ranks_the_catalogue_as_it_scores_it(tmp_path_factory, model):
    run = opened(tmp_path_factory, model)
    user = str(run.store.user_ids[9])
    scores = run.score(user, run.store.item_ids)
    assert scores.dtype == np.float32 and len(np.unique(scores)) > 3
    found = run.recommend(user, k=7, exclude_seen=False, exclude_disliked=False)
    order = np.argsort(-scores, kind="stable")[:7]
    close(found["score"].to_numpy(), scores[order], 1e-6)
    assert list(found["rank"]) == list(range(1, 8))
    by_id = dict(zip(run.store.item_ids, scores))
    close(np.array([by_id[item] for item in found["item"]]), found["score"].to_numpy(), 1e-6)


@pytest.mark.parametrize("model", ["dfar", "caser", "dfar_released"])
def test_the_scores_are_those_of_the_evaluation(tmp_path_factory, model):
    run = opened(tmp_path_factory, model)
    checkpoint = best_checkpoint(path_of(tmp_path_factory, model))
    flat = predict(run.hparams, run.store, "test", checkpoint)
    part = run.store.splits["test"]
    for row in range(len(part)):
        mine = flat["instance"] == row
        history = run.vocabulary.parsed(
            [text_of(run, part.users[row], part.ends[row])], part.users[row : row + 1]
        )
        state = run.scorer.encode(run.vocabulary.arrays(history))
        candidates = run.vocabulary.candidates(flat["item"][mine] - 1)
        logits = run.scorer.score(state, candidates[None])[0]
        close(1 / (1 + np.exp(-logits)), flat["score"][mine], 1e-6)


def test_a_history_is_a_user_or_a_list_of_pairs(dfar):
    items = list(dfar.store.item_ids[[3, 1]])
    pairs = [record.rsplit(":", 1) for record in text_of(dfar, 8).split(",")]
    assert len(pairs) > T
    of_user = dfar.score(str(dfar.store.user_ids[8]), items)
    close(dfar.score(pairs, items), of_user, 1e-7)
    close(dfar.score(pairs[-T:], items), of_user, 1e-7)
    assert np.abs(dfar.score(pairs[: -T + 2], items) - of_user).max() > 1e-4


def test_unknown_items_have_no_score_and_are_passed_over_in_a_history(dfar):
    one, two = map(str, dfar.store.item_ids[[5, 2]])
    with pytest.warns(UserWarning) as told:
        scores = dfar.score([("nobody's", 1), (one, 0)], [two, "nobody's"])
    assert [str(each.message) for each in told] == [
        "1 candidate without a score: the run's data do not have the item (\"nobody's\")",
        "1 record of the history left out: the run's data do not have the item (\"nobody's\")",
    ]
    close(scores[:1], dfar.score([(one, 0)], [two]), 1e-7)
    assert np.isnan(scores[1])
    assert np.isfinite(dfar.score([], [one, two])).all()
    assert list(dfar.score([], [])) == []


def test_ids_may_be_numbers(tmp_path):
    lines = ["user,item,rating,time"]
    lines += [
        f"{1 + u},{10 + (u + k) % 7},{1 + 4 * (k % 2)},{k}" for u in range(5) for k in range(4)
    ]
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    with dfar_tf.load(made_run(tmp_path, "gru4rec")) as run:
        history, text = [(11, 1), (np.int64(12), 0), (13.0, 1)], [("11", 1), ("12", 0), ("13", 1)]
        assert list(run.score(history, [14, np.int32(15), 10.0])) == list(
            run.score(text, ["14", "15", "10"])
        )
        assert list(run.recommend(history)["logit"]) == list(run.recommend(text)["logit"])
        assert list(run.score(3, [14])) == list(run.score("3", [" 14 "]))
        assert list(run.score(text, [14])) != list(run.score([], [14]))


def test_the_seen_are_left_out_the_old_ones_too(dfar):
    user = str(dfar.store.user_ids[11])
    seen = {record.rsplit(":", 1)[0] for record in text_of(dfar, 11).split(",")}
    found = dfar.recommend(user, k=100)
    assert set(found["item"]) == set(dfar.store.item_ids) - seen
    everything = dfar.recommend(user, k=100, exclude_seen=False, exclude_disliked=False)
    assert len(everything) == ITEMS


def test_the_disliked_do_not_come_back_unless_asked_for(dfar):
    history = [("i:1", 1), ("i:4", 0), ("i:2", 1), ("i:2", 0)]
    of = {
        flags: set(dfar.recommend(history, 100, flags[0], exclude_disliked=flags[1])["item"])
        for flags in ((True, True), (True, False), (False, True), (False, False))
    }
    everything = set(dfar.store.item_ids)
    assert of[True, True] == of[True, False] == everything - {"i:1", "i:4", "i:2"}
    assert of[False, True] == everything - {"i:4", "i:2"} and of[False, False] == everything


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ("nobody", "user 'nobody' is not in ratings; one that exists is 'user 0'. Give a user"),
        (
            [("i:1", 2)],
            "history: a label is neither 1 (liked) nor 0 (disliked). Give one of the two.",
        ),
        (["i:1"], "history: ['i:1'] is neither the id of a user nor a list of (item, label) pairs"),
        (7.5, "history: 7.5 is neither the id of a user nor a list of (item, label) pairs"),
        (7, "user '7' is not in ratings"),
        ([("i:1", 0.5)], "history: a label is neither 1 (liked) nor 0 (disliked)"),
        ([("i:1", 10**400)], "is neither the id of a user nor a list of (item, label) pairs"),
    ],
)
def test_a_history_that_is_none(dfar, history, words):
    with pytest.raises(UserError) as error:
        dfar.score(history, ["i:1"])
    assert words in str(error.value)


def test_what_a_run_may_not_be_opened_with(tmp_path_factory, tmp_path):
    path = path_of(tmp_path_factory, "dfar")
    with pytest.raises(UserError, match="hidden_size: a finished run is served as it was trained"):
        dfar_tf.load(path, hidden_size=4)
    with pytest.raises(UserError, match="it holds no finished run"):
        dfar_tf.load(str(tmp_path))
    with open(ratings_file(folder_of_runs(tmp_path_factory))) as stream:
        lines = stream.read().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join(lines[:-1]) + "\n")
    hparams = open_run(path).replace(ratings=str(other), cache_dir=str(tmp_path))
    prepared = prepare_data(hparams, hparams.values(), lambda line: None)[0].items.filename
    with pytest.raises(UserError, match="holds a run on other data"):
        dfar_tf.load(path, prepared=os.path.dirname(prepared))


def test_k_is_one_or_more(dfar):
    with pytest.raises(UserError, match="k: 0, expected 1 or more"):
        dfar.recommend("user 2", k=0)


def test_importing_is_cheap():
    code = "import sys, dfar_tf; assert callable(dfar_tf.load); assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
