"""Untrained models against loops over the training records and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics.pairwise import cosine_similarity
from untrained_case import SPLIT_RULES, random_store, training_rows

from recommenders_utils.dataset.store import Instances, SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import catalogue_figures
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.places import Excluded, rank_of_targets
from recommenders_utils.released.instances import import_released
from recommenders_utils.untrained import itemknn, neighbours, registry
from recommenders_utils.untrained.base import squashed
from recommenders_utils.untrained.histories import from_lists, of_instances

HISTORIES = [[3, 1, 4, 1, 5], [2], [], [7, 0, 6, 5, 3, 2, 1, 4, 6, 2]]
LABELS = [[1, 0, 1, 1, 0], [0], [], [1, 1, 1, 0, 1, 0, 1, 1, 1, 1]]
SETTINGS = {
    "itemknn": {"shrinkage": 2.5, "recent": 4, "decay": 0.7, "disliked_weight": -0.5},
    "transitions": {"lags": 2, "recent": 4, "disliked_weight": 0.25, "knn_weight": 0.3},
}


def similarity_by_loops(store, shrinkage):
    rows = [{item for item, _, _ in user} for user in training_rows(store)]
    table = np.zeros((store.num_items, store.num_items))
    for i in range(1, store.num_items + 1):
        for j in range(1, store.num_items + 1):
            both = sum(i in user and j in user for user in rows)
            if i != j and both:
                has = [sum(k in user for user in rows) for k in (i, j)]
                table[i - 1, j - 1] = both / (math.sqrt(has[0] * has[1]) + shrinkage)
    return table


def steps_by_loops(store, lags):
    table = np.zeros((store.num_items, store.num_items))
    for user in training_rows(store):
        for at, (item, _, _) in enumerate(user):
            for lag in range(1, lags + 1):
                if at + lag < len(user):
                    table[item - 1, user[at + lag][0] - 1] += 1 / lag
    return table


def summed(table, items, labels, recent, weight, disliked):
    scores = np.zeros(len(table))
    for age, (item, label) in enumerate(zip(items[::-1][:recent], labels[::-1][:recent]), 1):
        if item:
            scores += weight(age) * (1 if label else disliked) * table[item - 1]
    return scores


def expected(name, store, kept):
    knn = dict(registry.settings_of("itemknn"), **(kept if name == "itemknn" else {}))
    knn["disliked_weight"] = kept["disliked_weight"]
    similar = similarity_by_loops(store, knn["shrinkage"])
    rows = []
    for items, labels in zip(HISTORIES, LABELS):
        by_users = summed(
            similar,
            items,
            labels,
            knn["recent"],
            lambda age: knn["decay"] ** (age - 1),
            knn["disliked_weight"],
        )
        if name == "itemknn":
            rows.append(by_users)
            continue
        table = steps_by_loops(store, kept["lags"])
        chain = summed(
            table, items, labels, kept["recent"], lambda age: 1 / age, kept["disliked_weight"]
        )
        rows.append(chain + kept["knn_weight"] * by_users)
    return np.array(rows)


@pytest.mark.parametrize("work", [1, 50, neighbours.WORK])
@pytest.mark.parametrize("method", SPLIT_RULES)
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_against_loops(name, method, work, monkeypatch):
    monkeypatch.setattr(neighbours.pieces, "__defaults__", (work,))
    monkeypatch.setattr("recommenders_utils.untrained.transitions.WORK", 2 * work)
    for settings_given in (SETTINGS[name], {}):
        store = random_store(1, users=17, items=7, method=method)
        model = registry.fit(name, store, **settings_given)
        want = expected(name, store, {**registry.settings_of(name), **settings_given})
        np.testing.assert_allclose(model.scores(from_lists(HISTORIES, LABELS)), want, atol=2e-9)
        assert np.abs(want).max() > 0.1


def test_similarity_without_shrinkage_is_sklearns_cosine():
    store = random_store(2, users=31, items=12)
    has = np.zeros((31, 12))
    for user, rows in enumerate(training_rows(store)):
        for item, _, _ in rows:
            has[user, item - 1] = 1
    want = cosine_similarity(has.T)
    np.fill_diagonal(want, 0)
    table = itemknn.similarities(store, 0.0, 0, 500)
    np.testing.assert_allclose(table.toarray(), want, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_only_the_strongest_neighbours_stay(count):
    store = random_store(4, users=31, items=12)
    whole = itemknn.similarities(store, 10.0, 0, 500).toarray()
    table = itemknn.similarities(store, 10.0, count, 500).toarray()
    for row, kept in zip(whole, table):
        order = sorted(range(12), key=lambda k: (-row[k], k))[:count]
        want = np.zeros(12)
        want[order] = row[order]
        np.testing.assert_array_equal(kept, want)


def test_how_many_neighbours_fit(monkeypatch):
    assert neighbours.neighbour_count(7, 10**6) == 7
    assert neighbours.neighbour_count(0, 4096) == 4096  # all of them
    assert neighbours.neighbour_count(0, 129_092) * 129_092 <= neighbours.ENTRIES
    monkeypatch.setattr(neighbours, "ENTRIES", 3 * 12 + 5)
    table = itemknn.similarities(random_store(4, users=31, items=12), 10.0, 0, 500)
    assert np.diff(table.indptr).max() == 3


def test_of_a_long_user_the_newest_records_count():
    store = random_store(6, users=9, items=15, lengths=(6, 14))
    starts = []
    for start, rows in zip(store.user_offsets, training_rows(store)):
        starts.append(start + max(0, len(rows) - 3))
    stops = store.user_offsets[1:]
    kept = np.concatenate([np.arange(a, b) for a, b in zip(starts, stops)])
    shifted = np.cumsum(np.isin(np.arange(len(store.items)), kept)) - 1
    train = store.splits["train"]
    short = SequenceStore(
        user_offsets=np.append(0, np.cumsum([b - a for a, b in zip(starts, stops)])),
        items=store.items[kept],
        labels=store.labels[kept],
        times=store.times[kept],
        user_ids=store.user_ids,
        item_ids=store.item_ids,
        splits={"train": Instances(train.users, shifted[train.ends])},
        meta={},
    )
    want = itemknn.similarities(short, 10.0, 0, 500).toarray()
    got = itemknn.similarities(store, 10.0, 0, 3).toarray()
    np.testing.assert_array_equal(got, want)
    assert (got != itemknn.similarities(store, 10.0, 0, 500).toarray()).any()


def test_users_products_are_bounded_together(monkeypatch):
    lengths = np.array([1, 3, 10, 40])
    assert itemknn.affordable(lengths, 500) == 500
    for limit in (4, 5, 50, 310, 1711):
        monkeypatch.setattr(itemknn, "PRODUCTS", limit)
        cap = itemknn.affordable(lengths, 500)
        assert (np.minimum(lengths, cap) ** 2).sum() <= limit
        more = (np.minimum(lengths, cap + 1) ** 2).sum()
        assert more > limit or cap == 500
    assert itemknn.affordable(lengths, 2) == 2


def test_the_strongest_of_a_row_equal_ones_by_column():
    table = sparse.csr_matrix([[2.0, 3, 2, 0, 2, 1], [0, 0, 0, 0, 0, 7], [1, 1, 1, 1, 1, 1]])
    found = neighbours.strongest(table, 3)
    expected = [[2, 3, 2, 0, 0, 0], [0, 0, 0, 0, 0, 7], [1, 1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.nnz == 7 and found.has_sorted_indices


def test_static_models():
    store = random_store(8, users=6, items=29)
    ends = store.splits["train"].ends
    counts = np.array([(store.items[ends] == item).sum() for item in range(1, 30)])
    liked = np.array(
        [((store.items[ends] == k) & (store.labels[ends] == 1)).sum() for k in range(1, 30)]
    )
    first = {}
    for rows in training_rows(store):
        for item, _, when in rows:
            first[item] = min(first.get(item, when), when)
    newest = max(first.values())
    days = [(first[k] - newest) / 86400 if k in first else 1 for k in range(1, 30)]
    wanted = [
        ("mostpop", {}, counts),
        ("leastpop", {}, -counts),
        ("mostpop", {"liked_only": True}, liked),
        ("leastpop", {"liked_only": True}, -liked),
        ("newest", {}, days),
    ]
    for name, given_settings, want in wanted:
        scores = registry.fit(name, store, **given_settings).scores(from_lists(HISTORIES))
        np.testing.assert_allclose(scores, np.tile(want, (4, 1)), atol=1e-12)
    assert len(first) < 29 and (liked != counts).any()


def test_random_is_uniform_and_knows_nothing_but_its_pair_and_seed():
    store = random_store(1, users=17, items=499)
    histories = [list(row) for row in np.random.RandomState(0).randint(1, 500, (83, 5))]
    scores = registry.fit("random", store).scores(from_lists(histories))
    assert scores.min() >= 0 and scores.max() < 1
    share = np.histogram(scores, bins=10, range=(0, 1))[0] / scores.size
    np.testing.assert_allclose(share, 0.1, atol=0.006)
    assert len(np.unique(scores)) == scores.size
    assert abs(np.corrcoef(scores[0], scores[1])[0, 1]) < 0.2
    alone = registry.fit("random", store).scores(from_lists(histories[40:41]))
    np.testing.assert_array_equal(alone[0], scores[40])
    other = registry.fit("random", store, seed=2**63).scores(from_lists(histories))
    assert (other != scores).mean() > 0.999
    turned = registry.fit("random", store).scores(from_lists([histories[0][::-1]]))
    assert (turned != scores[0]).any()


@pytest.mark.parametrize("name", registry.NAMES)
def test_candidates_blocks_and_files_agree_with_the_catalogue(name, tmp_path, monkeypatch):
    monkeypatch.setattr(itemknn, "CHUNK", 5)
    store = random_store(7, users=23, items=11)
    histories = of_instances(store, store.splits["test"])
    model = registry.fit(name, store)
    scores = model.scores(histories)
    assert scores.shape == (len(store.splits["test"]), 11) and scores.dtype == np.float64
    assert np.isfinite(scores).all()
    candidates = np.random.RandomState(0).randint(0, 12, (histories.count, 6))
    got = model.candidate_scores(histories, candidates)
    assert (candidates == 0).any()
    padded = np.concatenate([np.full((histories.count, 1), -np.inf), scores], axis=1)
    np.testing.assert_array_equal(got, np.take_along_axis(padded, candidates, axis=1))
    for cells in (1, 25, 10**6):
        parts = list(model.blocks(histories, cells))
        assert max(len(part) for _, part in parts) <= max(1, cells // 11)
        np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), scores)
    path = str(tmp_path / "model.npz")
    registry.save(model, path)
    again = registry.load(path)
    assert (again.name, again.settings) == (name, model.settings)
    np.testing.assert_array_equal(again.scores(histories), scores)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([n for n in registry.NAMES if n != "random"]))
def test_renaming_items_renames_scores(seed, name):
    store = random_store(seed, users=9, items=8, lengths=(2, 9))
    order = np.random.RandomState(seed).permutation(8)  # item k + 1 becomes order[k] + 1
    renamed = random_store(seed, users=9, items=8, lengths=(2, 9))
    renamed.items = (order[store.items - 1] + 1).astype(np.int32)
    histories = of_instances(store, store.splits["test"])
    scores = registry.fit(name, store).scores(histories)
    again = registry.fit(name, renamed).scores(of_instances(renamed, renamed.splits["test"]))
    np.testing.assert_array_equal(again[:, order], scores)  # ties included


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_squashed_scores_keep_their_order(values):
    values = np.round(np.array(values), 3)
    squeezed = squashed(values)
    assert ((squeezed > 0) & (squeezed < 1)).all()
    for a, b in zip(squeezed, values):
        np.testing.assert_array_equal(squeezed > a, values > b)


def test_histories_of_instances():
    store = random_store(9, users=13, items=7, method="ratio")
    part = store.splits["valid"]
    histories = of_instances(store, part)
    assert histories.count == len(part)
    for k, (user, end) in enumerate(zip(part.users, part.ends)):
        one = histories.part(k, k + 1)
        np.testing.assert_array_equal(one.items, store.items[store.user_offsets[user] : end])
        np.testing.assert_array_equal(one.labels, store.labels[store.user_offsets[user] : end])
    with pytest.raises(ValueError, match="differ in length"):
        from_lists([[1, 2]], [[1]])


@pytest.mark.parametrize(
    "name, given_settings, part",
    [
        ("itemkn", {}, "unknown untrained model 'itemkn'; did you mean itemknn"),
        ("itemknn", {"shrinkag": 1}, "itemknn: unknown setting 'shrinkag'; did you mean shrinkage"),
        ("newest", {"seed": 1}, "newest: unknown setting 'seed'; it has none"),
        ("itemknn", {"shrinkage": -1}, "itemknn: shrinkage must be a number from 0, got -1"),
        ("itemknn", {"shrinkage": "x"}, "shrinkage must be a number from 0, got 'x'"),
        ("itemknn", {"shrinkage": math.nan}, "shrinkage must be a number from 0, got nan"),
        ("itemknn", {"shrinkage": math.inf}, "shrinkage must be a number from 0, got inf"),
        ("itemknn", {"recent": 0}, "recent must be a whole number from 1, got 0"),
        ("itemknn", {"recent": 2.5}, "recent must be a whole number from 1, got 2.5"),
        ("itemknn", {"decay": 0}, "decay must be a number above 0, at most 1, got 0"),
        ("itemknn", {"neighbours": -1}, "neighbours must be a whole number from 0"),
        ("itemknn", {"newest_records": 0}, "newest_records must be a whole number from 1"),
        ("transitions", {"lags": 0}, "transitions: lags must be a whole number from 1, got 0"),
        ("transitions", {"knn_weight": -0.1}, "knn_weight must be a number from 0"),
        ("transitions", {"disliked_weight": 2}, "disliked_weight must be a number from -1 to 1"),
        ("mostpop", {"liked_only": 1}, "liked_only must be true or false, got 1"),
        ("random", {"seed": -1}, "seed must be a whole number from 0"),
        ("random", {"seed": None}, "seed must be a whole number from 0"),
    ],
)
def test_bad_settings(name, given_settings, part):
    with pytest.raises(UserError) as caught:
        registry.fit(name, random_store(), **given_settings)
    assert part in str(caught.value)


def test_damaged_files(tmp_path):
    path = tmp_path / "model.npz"
    registry.save(registry.fit("itemknn", random_store()), str(path))
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"text"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"model\.npz: not a saved untrained model"):
            registry.load(str(path))
    np.savez(str(path), other=np.zeros(3))
    with pytest.raises(UserError, match="not a saved untrained model"):
        registry.load(str(path))
    with pytest.raises(UserError, match="not a saved untrained model"):
        registry.load(str(tmp_path / "none.npz"))


RECORDED = {
    "leastpop": (0.697, 0.470, 0.595, 0.000, 0.000),
    "newest": (0.696, 0.521, 0.633, 0.000, 0.000),
    "transitions": (0.593, 0.419, 0.552, 0.080, 0.047),
}


def test_recorded_table_of_untrained_scores(shared):
    """AUC, MRR@10 and NDCG@10 of ten candidates, HR@10 and NDCG@10 of the whole catalogue."""
    store = import_released(str(shared / "released_run_toys"), say=lambda line: None)
    test = store.splits["test"]
    histories, count = of_instances(store, test), len(test)
    targets = store.items[test.ends] - 1
    excluded = Excluded(histories.offsets, histories.items - 1)
    for name, recorded in RECORDED.items():
        model = registry.fit(name, store)
        rows = {
            "instance": np.repeat(np.arange(count), 10),
            "user": np.repeat(test.users, 10),
            "label": test.labels.ravel(),
            "score": model.candidate_scores(histories, test.candidates).ravel(),
        }
        ten = evaluate_predictions(rows, ["auc", "mrr@10", "ndcg@10"])
        rank, _, candidates = rank_of_targets(model.scores(histories), targets, excluded)
        rows = {"label": np.ones(count), "rank": rank, "candidates": candidates}
        full = catalogue_figures(rows, [10])
        got = [ten[name] for name in ("auc", "mrr@10", "ndcg@10")]
        got += [full[name] for name in ("full_hr@10", "full_ndcg@10")]
        np.testing.assert_allclose(got, recorded, atol=0.003, err_msg=name)
