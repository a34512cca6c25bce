"""Generated logs: exact shape, a signal that a plain count finds, none where none is planted."""

import functools
import hashlib

import numpy as np
import pandas as pd
import pytest
from generated_logs import SMALL_SHAPE, TINY_SHAPE, transition_frequencies
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from recommenders_utils.errors import UserError
from recommenders_utils.synthetic.ratings import (
    AMAZON_SHAPE,
    generate_ratings,
    make_log,
    stand_in_overrides,
)


@functools.lru_cache(maxsize=None)
def logs(name, signal):
    """Logs of a shape; the large one says enough by itself."""
    shape = {"amazon": AMAZON_SHAPE, "small": SMALL_SHAPE, "tiny": TINY_SHAPE}[name]
    seeds = range(1 if name == "amazon" else 4)
    return [make_log(seed=seed, signal=signal, **shape) for seed in seeds]


def by_user(log):
    """(users, items, labels), each user's records in a row, in order of time."""
    order = np.argsort(log.users, kind="mergesort")
    return log.users[order], log.items[order], log.labels[order]


def counting_auc(log, read_labels=True, flip_history=False, seed=5):
    """Test AUC of counted topic moves: each user's last record if liked, against 9 by popularity.

    The score of a candidate is how much likelier its topic follows (topic, label) of the last
    record than it is anywhere, as counted over all moves but the users' last ones.
    """
    users, items, labels = by_user(log)
    topic = log.item_topics[items]
    topics = int(log.item_topics.max()) + 1
    last = np.append(users[1:] != users[:-1], True)
    follows = np.append(False, users[1:] == users[:-1])
    train = np.flatnonzero(follows & ~last)
    test = np.flatnonzero(follows & last & (labels == 1))

    def state(rows, labels):
        return 2 * topic[rows] + (labels[rows] if read_labels else 0)

    moves = np.ones((2 * topics, topics))
    np.add.at(moves, (state(train - 1, labels), topic[train]), 1)
    lift = moves / moves.sum(axis=1, keepdims=True) / np.bincount(topic, minlength=topics)
    rng = np.random.RandomState(seed)
    negatives = items[rng.randint(len(items), size=(len(test), 9))]
    while (negatives == items[test][:, None]).any():
        again = negatives == items[test][:, None]
        negatives[again] = items[rng.randint(len(items), size=again.sum())]
    candidates = np.column_stack([items[test], negatives])
    seen = 1 - labels if flip_history else labels
    scores = lift[state(test - 1, seen)[:, None], log.item_topics[candidates]]
    truth = np.zeros_like(candidates)
    truth[:, 0] = 1
    return roc_auc_score(truth.ravel(), scores.ravel())


def mean_auc(name, signal, **how):
    return np.mean([counting_auc(log, **how) for log in logs(name, signal)])


def test_default_file_has_exactly_the_totals_of_table_1(tmp_path):
    path = tmp_path / "SYNTHETIC.csv"
    generate_ratings(str(path))
    frame = pd.read_csv(str(path), header=None, names=["user", "item", "rating", "time"])
    assert len(frame) == 99753 + 20581
    assert frame["user"].nunique() == 6919
    assert frame["item"].nunique() == 28695
    assert (frame["rating"] > 3).sum() == 99753
    assert (frame["rating"] <= 3).sum() == 20581
    assert set(frame["rating"]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert not frame.duplicated(["user", "item"]).any()
    per_user = frame.groupby("user").size()
    assert per_user.min() >= stand_in_overrides()["min_user_records"]
    assert round(per_user.mean(), 2) == 17.39
    assert stand_in_overrides()["min_item_records"] == 0
    assert (frame["time"] % 86400 == 0).all()
    assert frame["time"].is_monotonic_increasing
    same_day = frame.groupby("user")["time"].diff().dropna() == 0
    assert 0.1 < same_day.mean() < 0.6
    assert [entry.name for entry in tmp_path.iterdir()] == ["SYNTHETIC.csv"]


def test_the_file_holds_the_log_it_returns(tmp_path):
    path = tmp_path / "log.csv"
    log = generate_ratings(str(path), seed=8, **TINY_SHAPE)
    frame = pd.read_csv(str(path), header=None, names=["user", "item", "rating", "time"])
    assert frame["user"].str[4:].astype(int).tolist() == log.users.tolist()
    assert frame["item"].str[4:].astype(int).tolist() == log.items.tolist()
    assert frame["rating"].tolist() == log.ratings.tolist()
    assert frame["time"].tolist() == log.times.tolist()


@settings(max_examples=40, deadline=None)
@given(
    users=st.integers(1, 40),
    items=st.integers(24, 90),
    extra=st.integers(0, 300),
    share=st.sampled_from([0.0, 0.13, 0.5, 0.829, 1.0]),
    signal=st.sampled_from([0.0, 0.4, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_any_shape_comes_out_exactly(users, items, extra, share, signal, seed):
    records = min(max(users * 4, items) + extra, users * (items // 2))
    if records < items:
        return
    log = make_log(users, items, records, share, seed, signal=signal, min_user_records=4)
    assert len(log.users) == len(log.items) == len(log.labels) == len(log.times) == records
    assert np.bincount(log.users, minlength=users).min() >= 4
    assert len(np.unique(log.users)) == users
    assert np.unique(log.items).tolist() == list(range(items))
    assert len(set(zip(log.users.tolist(), log.items.tolist()))) == records
    assert log.labels.sum() == round(records * share)
    assert ((log.ratings > 3) == (log.labels == 1)).all()
    assert log.ratings.min() >= 1 and log.ratings.max() <= 5
    assert (np.diff(log.times) >= 0).all()
    assert len(log.item_topics) == items


@pytest.mark.parametrize("shape", ["small", "tiny", "amazon"])
def test_planted_moves_are_found_by_counting_and_only_with_labels(shape):
    with_labels = mean_auc(shape, 1.0)
    assert with_labels >= 0.8
    # Few of the paper's records are negative, so blindness to labels costs less on its shape.
    cost = 0.02 if shape == "amazon" else 0.03
    assert with_labels - mean_auc(shape, 1.0, read_labels=False) >= cost
    # The same items under flipped labels imply other next items.
    assert mean_auc(shape, 1.0, flip_history=True) < 0.55


@pytest.mark.parametrize("shape", ["small", "amazon"])
def test_nothing_to_find_without_signal(shape):
    assert abs(mean_auc(shape, 0.0) - 0.5) < 0.03


def test_half_the_signal_lies_between():
    assert 0.58 < mean_auc("small", 0.5) < 0.75


def test_negative_feedback_follows_negative_feedback():
    (log,) = logs("amazon", 1.0)
    table = transition_frequencies(log.users, log.labels)
    assert table[0, 0] > 3 * table[1, 0]
    (flat,) = logs("amazon", 0.0)
    flat = transition_frequencies(flat.users, flat.labels)
    assert abs(flat[0, 0] - flat[1, 0]) < 0.02


def test_transition_frequencies_by_hand():
    users = [7, 3, 7, 3, 7, 7, 3]
    labels = [1, 0, 1, 0, 0, 1, 1]  # user 7: 1 1 0 1; user 3: 0 0 1
    expected = [[1 / 3, 2 / 3], [1 / 2, 1 / 2]]
    np.testing.assert_allclose(transition_frequencies(users, labels), expected)
    only_liked = transition_frequencies([1, 1], [1, 1])
    np.testing.assert_allclose(only_liked, [[np.nan, np.nan], [0.0, 1.0]])


def test_popularity_is_long_tailed():
    (log,) = logs("amazon", 1.0)
    counts = np.sort(np.bincount(log.items))[::-1]
    top_tenth = counts[: len(counts) // 10].sum() / counts.sum()
    assert 0.25 < top_tenth < 0.7


def test_seed_decides_the_file(tmp_path):
    def digest(seed):
        path = tmp_path / "log.csv"
        generate_ratings(str(path), seed=seed, **TINY_SHAPE)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert digest(4) == digest(4) != digest(5)


@pytest.mark.parametrize(
    "change, rule",
    [
        ({"records": 1999}, "users \\* min_user_records"),
        ({"items": 5}, "6 <= topics"),
        ({"items": 3000}, "records >= items"),
        ({"records": 200 * 48 + 1}, "no item twice"),
        ({"positive_share": 1.2}, "positive_share <= 1"),
        ({"signal": -0.1}, "0 <= signal"),
        ({"topics": 5}, "6 <= topics"),
        ({"users": 0}, "users, items"),
    ],
)
def test_impossible_shapes_are_refused(tmp_path, change, rule):
    path = tmp_path / "log.csv"
    with pytest.raises(UserError, match=rule):
        generate_ratings(str(path), **dict(TINY_SHAPE, **change))
    assert not path.exists()
