"""Batches: windows by brute force, negatives that are never the own item, epochs that miss nothing."""

import numpy as np
import pytest
from graph import Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from iterator_case import hparams, make_store

from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.io import SequentialIterator
from recommenders_utils.io.sequential_iterator import BATCH, in_batch_negatives


def check_histories(store, batch, ends, length):
    """Every row's history is its user's newest records before the target, oldest first."""
    for row, (user, end) in enumerate(zip(batch["user"], ends)):
        start = store.user_offsets[user]
        wanted = list(range(start, end))[-length:]
        count = len(wanted)
        assert count > 0
        assert list(batch["history_mask"][row]) == [1.0] * count + [0.0] * (length - count)
        for name, source in (("history_items", store.items), ("history_labels", store.labels)):
            padding = [0] * (length - count)
            assert list(batch[name][row]) == [source[k] for k in wanted] + padding


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 12), min_size=2, max_size=6).filter(lambda l: max(l) > 2),  # noqa: E741
    length=st.integers(1, 14),
    batch_size=st.integers(1, 9),
    epoch=st.integers(0, 3),
)
def test_an_epoch_has_each_instance_once_with_its_window(lengths, length, batch_size, epoch):
    store = make_store(lengths)
    iterator = SequentialIterator(store, hparams(max_seq_length=length, batch_size=batch_size))
    train, seen = store.splits["train"], []
    batches = list(iterator.train_batches(epoch))
    for batch in batches:
        ends = train.ends[batch["instance"]]
        seen.extend(batch["instance"])
        np.testing.assert_array_equal(batch["user"], train.users[batch["instance"]])
        check_histories(store, batch, ends, length)
        np.testing.assert_array_equal(batch["candidates"][:, 0], store.items[ends])
        assert np.all(batch["candidates"][:, 1:] != batch["candidates"][:, :1])
        assert np.all(batch["candidate_mask"] == 1)
    assert sorted(seen) == list(range(len(train)))
    assert len(batches) == iterator.steps_per_epoch() and iterator.num_train() == len(seen)
    assert [len(b["user"]) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)


@settings(max_examples=50, deadline=None)
@given(
    targets=st.lists(st.integers(1, 6), min_size=1, max_size=12),
    count=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_negatives_are_other_targets_of_the_batch(targets, count, seed):
    targets, random = np.array(targets), np.random.RandomState(seed)
    negatives = in_batch_negatives(targets, count, 8, random)
    assert negatives.shape == (len(targets), count)
    assert np.all(negatives != targets[:, None])
    allowed = set(targets) if len(set(targets)) > 1 else set(range(1, 9))
    assert set(negatives.ravel()) <= allowed


def test_negatives_are_uniform_over_the_other_targets():
    """An item that is the target of three rows is drawn three times as often as one of one row."""
    targets, draws = np.array([4, 2, 2, 9, 2, 4]), 40000
    negatives = in_batch_negatives(targets, draws, 9, np.random.RandomState(5))
    for target, row in zip(targets, negatives):
        others = targets[targets != target]
        items, weights = np.unique(others, return_counts=True)
        expected = draws * weights / len(others)
        counts = np.array([(row == item).sum() for item in items])
        assert counts.sum() == draws
        # Chi-square of at most 1 or 2 degrees of freedom: 20 is passed once in 20,000 times.
        assert ((counts - expected) ** 2 / expected).sum() < 20


def test_one_distinct_item_draws_from_the_catalogue():
    negatives = in_batch_negatives(np.array([3, 3]), 30000, 5, np.random.RandomState(6))
    items, counts = np.unique(negatives, return_counts=True)
    assert list(items) == [1, 2, 4, 5]
    assert np.abs(counts - 15000).max() < 600
    with pytest.raises(UserError, match="single item"):
        in_batch_negatives(np.array([1]), 2, 1, np.random.RandomState(7))


def joined(batches):
    batches = list(batches)
    return {name: np.concatenate([batch[name] for batch in batches]) for name in BATCH}


def test_an_epoch_is_determined_by_seed_and_epoch():
    store = make_store()
    first, again = (joined(SequentialIterator(store, hparams()).train_batches(1)) for _ in "ab")
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    for other in (
        joined(SequentialIterator(store, hparams()).train_batches(2)),
        joined(SequentialIterator(store, hparams(seed=12)).train_batches(1)),
    ):
        assert not np.array_equal(first["instance"], other["instance"])
        assert not np.array_equal(first["candidates"], other["candidates"])


@pytest.mark.parametrize("targets", ["all", "positive", "feedback"])
def test_train_targets(targets):
    store = make_store()
    iterator = SequentialIterator(store, hparams(train_targets=targets))
    batch, ends = joined(iterator.train_batches(0)), store.splits["train"].ends
    observed = store.labels[ends[batch["instance"]]]
    assert np.all(batch["labels"][:, 1:] == 0)
    if targets == "positive":
        np.testing.assert_array_equal(
            np.sort(batch["instance"]), np.flatnonzero(store.labels[ends] == 1)
        )
    else:
        assert 0 < observed.sum() < len(observed) == len(ends)
    wanted = observed if targets == "feedback" else np.ones(len(observed))
    np.testing.assert_array_equal(batch["labels"][:, 0], wanted)


def test_bpr_labels_add_the_observed_feedback_and_change_nothing_else():
    store, seen = make_store(), set()
    iterator = SequentialIterator(store, hparams(bpr_labels="feedback"))
    plain = SequentialIterator(store, hparams()).train_batches(0)
    for batch, wanted in zip(iterator.train_batches(0), plain):
        observed = batch.pop("target_labels")
        ends = store.splits["train"].ends[batch["instance"]]
        np.testing.assert_array_equal(observed, store.labels[ends])
        seen.update(observed.tolist())
        assert set(batch) == set(wanted)
        for name, value in wanted.items():
            np.testing.assert_array_equal(batch[name], value)
    assert seen == {0, 1}
    with Bench() as bench:
        made = tf.data.make_one_shot_iterator(iterator.train_dataset()).get_next()
        assert bench.run(made["target_labels"]).shape == (hparams().batch_size,)


def test_no_positive_target_is_refused():
    store = make_store()
    store.labels[:] = 0
    with pytest.raises(UserError, match=r"train_targets: 'positive' leaves no"):
        SequentialIterator(store, hparams(train_targets="positive"))


def test_evaluation_keeps_order_candidates_and_counts():
    store = make_store()
    split = store.splits["valid"]
    batches = list(SequentialIterator(store, hparams()).eval_batches("valid"))
    assert [len(batch["user"]) for batch in batches] == [3, 1]
    batch = joined(batches)
    np.testing.assert_array_equal(batch["instance"], np.arange(4))
    for name, value in (("user", split.users), ("candidates", split.candidates)):
        np.testing.assert_array_equal(batch[name], value)
    np.testing.assert_array_equal(batch["labels"], split.labels)
    np.testing.assert_array_equal(batch["candidate_mask"].sum(1), split.counts)
    np.testing.assert_array_equal(batch["candidate_mask"] > 0, batch["candidates"] > 0)
    check_histories(store, batch, split.ends, 4)


def drain(dataset, count):
    """The first ``count`` batches of a dataset and their static shapes."""
    element = tf.data.make_one_shot_iterator(dataset).get_next()
    with tf.Session() as session:
        batches = [session.run(element) for _ in range(count)]
    return batches, {name: tensor.shape.as_list() for name, tensor in element.items()}


def test_pipelines_yield_what_the_generators_do():
    store = make_store()
    iterator = SequentialIterator(store, hparams())
    steps = iterator.steps_per_epoch()
    expected = [*iterator.train_batches(3), *iterator.train_batches(4)]
    with Bench():
        found, shapes = drain(iterator.train_dataset(first_epoch=3), 2 * steps)
        evaluated, eval_shapes = drain(iterator.eval_dataset("test"), 2)
        with pytest.raises(tf.errors.OutOfRangeError):
            drain(iterator.eval_dataset("test"), 3)
    expected += iterator.eval_batches("test")
    for batch, other in zip([*found, *evaluated], expected):
        assert batch.keys() == BATCH.keys()
        for name, (dtype, rank) in BATCH.items():
            assert batch[name].dtype == dtype and batch[name].ndim == rank
            np.testing.assert_array_equal(batch[name], other[name])
    for found_shapes in (shapes, eval_shapes):
        for name, shape in found_shapes.items():
            width = [4 if name.startswith("history") else 3] if BATCH[name][1] == 2 else []
            assert shape == [None, *width]
