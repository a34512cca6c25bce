"""The catalogue's scores by products that are kept are those of ``score``, for every model."""

import numpy as np
import pytest
from every_model import each_model
from graph import close
from serving_case import ITEMS, USERS, made_run, opened

import dfar_tf
from dfar_tf.estimator import catalogue as catalogues
from dfar_tf.estimator.catalogue import Catalogue

VARIANTS = [
    ("dfar", {"tower_norm": "layer"}),
    ("dfar", {"aggregation_layers": [7, 5], "activation": "tanh", "tower_norm": "none"}),
    ("dfar", {"aggregation_layers": [], "tower_norm": "none"}),
    ("dfar", {"aggregation_layers": [], "scorer": "dot", "dot_residual": True}),
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
        monkeypatch.setattr(catalogues, "BLOCK", block)
        monkeypatch.setattr(run.scorer.model, "pairs", pairs)
        catalogue = Catalogue(run.scorer, run.vocabulary.model_ids[1:])
        for _ in range(2):  # by products that are not kept, then by kept ones
            (found, wanted), (of_none, wanted_of_none) = scores_of(run, catalogue)
            assert found.dtype == np.float32 and found.shape == wanted.shape
            assert wanted.std() > 1e-3
            close(found, wanted, 2e-5)
            close(of_none, wanted_of_none, 2e-5)


@pytest.mark.parametrize("model", each_model())
def test_kept_products_give_the_scores_of_score(tmp_path_factory, monkeypatch, model):
    check(opened(tmp_path_factory, model), monkeypatch)


@pytest.mark.parametrize("model, changed", VARIANTS, ids=str)
def test_they_do_whatever_the_layers(tmp_path, monkeypatch, model, changed):
    with dfar_tf.load(made_run(tmp_path, model, **changed)) as run:
        check(run, monkeypatch)


def spied(run, monkeypatch, name, calls):
    """Notes (name, how many items) at each call of a function of the scorer."""
    original = getattr(run.scorer, name)

    def called(*given):
        last = given[-1]
        calls.append((name, len(next(iter(last.values())) if isinstance(last, dict) else last)))
        return original(*given)

    monkeypatch.setattr(run.scorer, name, called)


@pytest.mark.parametrize("kept", [0, 14, 1000])
def test_products_are_made_once_from_the_second_call_on(tmp_path_factory, monkeypatch, kept):
    run, calls = opened(tmp_path_factory, "dfar"), []
    state = run.scorer.encode(run.vocabulary.arrays(run.vocabulary.stored([3, 5])))
    ids = run.vocabulary.model_ids[1:]
    made = run.scorer.products(ids[:1])
    wanted = run.scorer.score(state, ids[None])
    for name in ("products", "score_once", "score_products"):
        spied(run, monkeypatch, name, calls)
    monkeypatch.setattr(catalogues, "BLOCK", 6)
    monkeypatch.setattr(catalogues, "MADE", 10)
    monkeypatch.setattr(catalogues, "KEPT", kept * sum(values.nbytes for values in made.values()))
    monkeypatch.setattr(run.scorer.model, "pairs", 12)
    catalogue = Catalogue(run.scorer, ids)
    blocks = [min(6, ITEMS - start) for start in range(0, ITEMS, 6)]
    close(catalogue.scores(state), wanted, 2e-5)
    assert calls == [("score_once", size) for size in blocks]
    calls.clear()
    for _ in range(3):
        close(catalogue.scores(state), wanted, 2e-5)
    of_kept = {0: 0, 14: 2, 1000: len(blocks)}[kept]
    names = ["score_products"] * of_kept + ["score_once"] * (len(blocks) - of_kept)
    assert [call for call in calls if call[0] != "products"] == list(zip(names, blocks)) * 3
    making = {0: 1, 14: 2, 1000: -(-ITEMS // 10)}[kept]
    assert sum(call[0] == "products" for call in calls) == making


@pytest.mark.parametrize("users, long, block", [(4, False, 8), (1, False, 32), (4, True, 2)])
def test_few_histories_meet_more_items_in_a_call_and_long_ones_fewer(
    tmp_path_factory, monkeypatch, users, long, block
):
    run, calls = opened(tmp_path_factory, "dfar"), []
    spied(run, monkeypatch, "score_once", calls)
    state = run.scorer.encode(run.vocabulary.arrays(run.vocabulary.stored(np.arange(users))))
    for name, value in (("BLOCK", 2), ("ALIGNED", 1)):
        monkeypatch.setattr(catalogues, name, value)
    longest = max(values.shape[1] for values in state.values() if values.ndim == 3)
    monkeypatch.setattr(catalogues, "RECORDS", longest * (1 if long else 32))
    monkeypatch.setattr(run.scorer.model, "pairs", 32)
    Catalogue(run.scorer, run.vocabulary.model_ids[1:]).scores(state)
    sizes = [min(block, ITEMS - start) for start in range(0, ITEMS, block)]
    assert [size for _, size in calls] == [size for size in sizes for _ in range(4 if long else 1)]


def test_what_is_fed_is_aligned():
    for shape, dtype in (([1, 3], np.float32), ([7, 3], np.float32), ([128], np.int32)):
        array = catalogues._aligned(shape, dtype)
        assert array.shape == tuple(shape) and array.dtype == dtype
        assert array.ctypes.data % catalogues.ALIGNED == 0


def test_items_of_one_id_have_one_score(tmp_path_factory, monkeypatch):
    run = opened(tmp_path_factory, "dfar")
    monkeypatch.setattr(catalogues, "BLOCK", 3)
    ids = np.array([4, 0, 2, 0, 9, 4, 1, 0])
    state = run.scorer.encode(run.vocabulary.arrays(run.vocabulary.stored([3, 5])))
    found = Catalogue(run.scorer, ids).scores(state)
    close(found, run.scorer.score(state, ids[None]), 2e-5)
    for same in ([0, 5], [1, 3, 7]):
        assert all(len(set(row[same])) == 1 for row in found)
