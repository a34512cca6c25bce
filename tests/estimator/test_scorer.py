"""The catalogue's scores by products that are kept are those of ``score``, for every model."""

import numpy as np
import pytest
from graph import close
from serving_case import ITEMS, USERS, made_run, opened

import dfar_tf
from dfar_tf.estimator import scorer as scorers
from dfar_tf.estimator.scorer import Catalogue
from dfar_tf.models import model_names

VARIANTS = [
    ("dfar", {"tower_norm": "layer"}),
    ("dfar", {"aggregation_layers": [7, 5], "activation": "tanh", "tower_norm": "none"}),
    ("sasrec", {"tower_norm": "layer"}),
    ("din", {"tower_norm": "layer"}),
    ("dien", {"tower_norm": "layer"}),
    ("sine", {"adaptive": False}),
]


def scores_of(run, catalogue):
    histories = run.vocabulary.stored(np.arange(USERS))
    empty = run.vocabulary.parsed([""])  # no record at all
    for given in (histories, empty):
        state = run.scorer.encode(run.vocabulary.arrays(given))
        wanted = run.scorer.score(state, run.vocabulary.model_ids[None, 1:])
        yield catalogue.scores(state), wanted


def check(run, monkeypatch):
    for block, pairs in ((5, 12), (ITEMS, 10000)):
        monkeypatch.setattr(scorers, "BLOCK", block)
        monkeypatch.setattr(run.scorer.model, "pairs", pairs)
        catalogue = Catalogue(run.scorer, run.vocabulary.model_ids[1:])
        (found, wanted), (of_none, wanted_of_none) = scores_of(run, catalogue)
        assert found.dtype == np.float32 and found.shape == wanted.shape
        assert wanted.std() > 1e-3
        close(found, wanted, 2e-5)
        close(of_none, wanted_of_none, 2e-5)


@pytest.mark.parametrize("model", model_names())
def test_kept_products_give_the_scores_of_score(tmp_path_factory, monkeypatch, model):
    check(opened(tmp_path_factory, model), monkeypatch)


@pytest.mark.parametrize("model, changed", VARIANTS, ids=str)
def test_they_do_whatever_the_layers(tmp_path, monkeypatch, model, changed):
    with dfar_tf.load(made_run(tmp_path, model, **changed)) as run:
        check(run, monkeypatch)


def test_products_are_made_once_within_the_memory_allowed(tmp_path_factory, monkeypatch):
    run, made = opened(tmp_path_factory, "dfar"), []
    original = run.scorer.products
    monkeypatch.setattr(run.scorer, "products", lambda c: (made.append(len(c)), original(c))[1])
    monkeypatch.setattr(scorers, "BLOCK", 10)
    for kept, calls in ((1 << 20, 3), (0, 9)):
        monkeypatch.setattr(scorers, "KEPT", kept)
        catalogue = Catalogue(run.scorer, run.vocabulary.model_ids[1:])
        for _ in range(3):
            list(scores_of(run, catalogue))
        assert len(made) == (calls if kept else 2 * calls), made
        made.clear()


def test_items_of_one_id_have_one_score(tmp_path_factory, monkeypatch):
    run = opened(tmp_path_factory, "dfar")
    monkeypatch.setattr(scorers, "BLOCK", 3)
    ids = np.array([4, 0, 2, 0, 9, 4, 1, 0])
    state = run.scorer.encode(run.vocabulary.arrays(run.vocabulary.stored([3, 5])))
    found = Catalogue(run.scorer, ids).scores(state)
    close(found, run.scorer.score(state, ids[None]), 2e-5)
    for same in ([0, 5], [1, 3, 7]):
        assert all(len(set(row[same])) == 1 for row in found)
