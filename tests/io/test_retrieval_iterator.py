"""Batches for the whole catalogue: every target once, negatives by their draw, resumed and sharded alike."""

import numpy as np
import pytest
from graph import Bench
from hypothesis import given, settings
from hypothesis import strategies as st
from iterator_case import SETTINGS, make_store
from settings_case import Settings

from recommenders_utils.backend import tf
from recommenders_utils.dataset.negatives import NegativeSampler
from recommenders_utils.dataset.training import training_counts
from recommenders_utils.errors import UserError
from recommenders_utils.io import RetrievalIterator, SequentialIterator, make_iterator

KEYS = {
    "iterator": "sequential",
    "negatives": "uniform",
    "shared_negatives": False,
    "positions": "last",
    "logq_correction": False,
    "loss": "softmax",
    "dislike_loss": "none",
}


def hparams(**overrides):
    return Settings(**{**SETTINGS, **KEYS, **overrides})


def targets_of(store, iterator, batch):
    """Flat record of each target of a batch of all positions."""
    at, users = batch["target_at"], batch["user"]
    ends = iterator.piece_ends[batch["instance"]]
    starts = np.maximum(store.user_offsets[users], ends - iterator.hp.max_seq_length)
    return starts[at[:, 0]] + at[:, 1] + 1


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 12), min_size=2, max_size=6).filter(lambda l: max(l) > 2),  # noqa: E741
    length=st.integers(1, 5),
    batch_size=st.integers(1, 4),
    targets=st.sampled_from(["all", "feedback"]),
)
def test_all_positions_train_each_target_once_and_never_see_it(
    lengths, length, batch_size, targets
):
    store = make_store(lengths)
    options = {"positions": "all", "max_seq_length": length, "batch_size": batch_size}
    iterator = RetrievalIterator(store, hparams(train_targets=targets, **options))
    seen, batches = [], list(iterator.train_batches(3))
    for batch in batches:
        records = targets_of(store, iterator, batch)
        seen.extend(records)
        np.testing.assert_array_equal(batch["candidates"][:, 0], store.items[records])
        np.testing.assert_array_equal(batch["target_labels"], store.labels[records])
        wanted = np.ones(len(records)) if targets == "all" else store.labels[records]
        np.testing.assert_array_equal(batch["labels"][:, 0], wanted)
        rows, columns = batch["target_at"].T
        # The record right before the target, and nothing later, is at the target's place.
        np.testing.assert_array_equal(
            batch["history_items"][rows, columns], store.items[records - 1]
        )
        assert batch["history_mask"][rows, columns].all()
    assert sorted(seen) == sorted(store.splits["train"].ends)
    assert iterator.num_train() == len(seen) and iterator.steps_per_epoch() == len(batches)


def test_only_liked_targets_train_if_asked():
    store = make_store()
    iterator = RetrievalIterator(store, hparams(positions="all", train_targets="positive"))
    seen = [r for batch in iterator.train_batches(0) for r in targets_of(store, iterator, batch)]
    ends = store.splits["train"].ends
    assert sorted(seen) == sorted(ends[store.labels[ends] == 1])


def test_disliked_targets_stay_for_their_own_loss_but_not_for_the_main_one():
    store = make_store()
    options = {"train_targets": "positive", "dislike_loss": "not_to_recommend"}
    for positions in ("last", "all"):
        iterator = RetrievalIterator(store, hparams(positions=positions, **options))
        batches = list(iterator.train_batches(0))
        assert sum(len(b["candidates"]) for b in batches) == len(store.splits["train"].ends)
        for batch in batches:
            liked = batch["target_labels"] == 1
            assert not batch["candidate_mask"][~liked].any()
            assert batch["candidate_mask"][liked, 0].all()


@pytest.mark.parametrize("positions", ["last", "all"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("negatives", ["in_batch", "uniform", "popularity", "mixed"])
def test_a_resumed_epoch_and_its_shards_draw_what_the_whole_draws(positions, shared, negatives):
    store = make_store([5, 6, 9, 3, 8])
    options = {"positions": positions, "shared_negatives": shared, "negatives": negatives}
    iterator = RetrievalIterator(store, hparams(logq_correction=True, batch_size=2, **options))
    whole, resumed = list(iterator.train_batches(1)), list(iterator.train_batches(1, first=2))
    assert len(whole) == len(resumed) + 2
    for left, right in zip(whole[2:], resumed):
        assert sorted(left) == sorted(right)
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])
    parts = [list(iterator.train_batches(1, shard=(k, 3))) for k in range(3)]
    assert sum(map(len, parts)) == iterator.steps_per_epoch(shards=3)
    instances = sorted(i for part in parts for batch in part for i in batch["instance"])
    assert instances == sorted(i for batch in whole for i in batch["instance"])
    assert any(
        not np.array_equal(a["candidates"], b["candidates"])
        for a, b in zip(iterator.train_batches(1), iterator.train_batches(2))
    )


def test_own_negatives_that_are_the_target_do_not_count():
    store = make_store()
    iterator = RetrievalIterator(store, hparams(train_num_ngs=5, positions="all"))
    hits = 0
    for batch in iterator.train_batches(0):
        same = batch["candidates"][:, 1:] == batch["candidates"][:, :1]
        np.testing.assert_array_equal(batch["candidate_mask"][:, 1:], ~same)
        hits += same.sum()
    assert hits > 0


def test_shared_negatives_are_one_draw_and_full_softmax_draws_none():
    store = make_store()
    shared = RetrievalIterator(store, hparams(shared_negatives=True))
    batch = next(shared.train_batches(0))
    assert batch["shared"].shape == (2,) and batch["candidates"].shape[1] == 1
    full = RetrievalIterator(store, hparams(loss="full_softmax", train_num_ngs=500))
    batch = next(full.train_batches(0))
    assert "shared" not in batch and batch["candidates"].shape[1] == 1


def test_the_dataset_gives_the_batches():
    store = make_store()
    options = {"positions": "all", "shared_negatives": True, "logq_correction": True}
    iterator = RetrievalIterator(store, hparams(**options))
    bench = Bench()
    with bench:
        found = tf.data.make_one_shot_iterator(iterator.train_dataset(2)).get_next()
    for batch in iterator.train_batches(2):
        values = bench.run(found)
        assert sorted(values) == sorted(batch)
        for name in batch:
            np.testing.assert_array_equal(values[name], batch[name])


def test_more_negatives_than_items_are_refused():
    with pytest.raises(
        UserError, match=r"at most 6\. Lower train_num_ngs, or give --loss=full_soft"
    ):
        RetrievalIterator(make_store(), hparams(train_num_ngs=7))


def test_the_papers_keys_keep_the_papers_iterator():
    store = make_store()
    paper = {"negatives": "in_batch", "loss": "log_loss"}
    assert type(make_iterator(store, hparams(**paper))) is SequentialIterator
    for changed in ({"negatives": "uniform"}, {"loss": "full_softmax"}, {"positions": "all"}):
        made = make_iterator(store, hparams(**{**paper, **changed}))
        assert type(made) is RetrievalIterator


@pytest.mark.parametrize("kind", ["in_batch", "uniform", "popularity", "mixed"])
def test_drawn_counts_are_those_expected(kind):
    store = make_store([40, 60, 90], num_items=12)
    counts = training_counts(store)
    sampler, random = NegativeSampler(kind, 11, counts), np.random.RandomState(5)
    targets = store.items[store.splits["train"].ends]
    drawn = sampler.draw(random, targets, [4000, 11])
    found = np.bincount(drawn.ravel(), minlength=13)[1:] / 4000
    np.testing.assert_allclose(found, np.exp(sampler.log_expected()), atol=0.06)
    np.testing.assert_array_equal(
        sampler.log_expected(drawn[:3]), sampler.log_expected()[drawn[:3] - 1]
    )
