"""Epochs that are shares: every target once before any twice, resumed and sharded alike."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iterator_case import SETTINGS, make_store
from settings_case import Settings

from recommenders_utils.errors import UserError
from recommenders_utils.io import ReleasedIterator, RetrievalIterator, SequentialIterator
from recommenders_utils.io.shares import epoch_rows, share_size

KINDS = {
    "sequential": (SequentialIterator, {}),
    "last": (RetrievalIterator, {"negatives": "uniform", "loss": "softmax"}),
    "all": (RetrievalIterator, {"positions": "all", "loss": "softmax", "max_seq_length": 2}),
}
STORE = make_store([5, 6, 9, 3, 8])  # 21 training targets


def iterator_of(kind, **overrides):
    make, options = KINDS[kind]
    return make(STORE, Settings(**{**SETTINGS, **options, **overrides}))


def records_of(iterator, batch):
    """Flat records of a batch's targets."""
    if "target_at" not in batch:
        return STORE.splits["train"].ends[batch["instance"]]
    at, ends = batch["target_at"], iterator.piece_ends[batch["instance"]]
    starts = np.maximum(STORE.user_offsets[batch["user"]], ends - iterator.hp.max_seq_length)
    return starts[at[:, 0]] + at[:, 1] + 1


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 30),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 99),
    epochs=st.integers(1, 12),
)
def test_every_row_comes_once_before_any_comes_twice(rows, share, seed, epochs):
    made = [epoch_rows(rows, share, seed, epoch) for epoch in range(epochs)]
    for chosen in made:
        assert len(chosen) == share_size(rows, share) == len(set(chosen))
    stream = np.concatenate(made)
    for start in range(0, len(stream), rows):
        part = stream[start : start + rows]
        assert len(set(part)) == len(part) and set(part) <= set(range(rows))


def test_a_whole_share_is_the_permutation_of_the_epoch():
    for epoch in range(3):
        wanted = np.random.RandomState([7, epoch]).permutation(20)
        np.testing.assert_array_equal(epoch_rows(20, 1.0, 7, epoch), wanted)


def test_shares_depend_on_the_seed_and_the_round():
    first = [epoch_rows(100, 0.5, 7, epoch) for epoch in range(4)]
    assert not np.array_equal(np.sort(first[0]), np.sort(first[2]))
    assert not np.array_equal(first[0], epoch_rows(100, 0.5, 8, 0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_an_iterator_takes_shares_of_its_targets(kind, share):
    iterator, whole = iterator_of(kind, epoch_share=share), iterator_of(kind)
    assert iterator.num_rows() == round(share * whole.num_rows())
    every = [r for batch in whole.train_batches(0) for r in records_of(whole, batch)]
    counts = dict.fromkeys(every, 0)
    for epoch in range(9):
        batches = list(iterator.train_batches(epoch))
        assert len(batches) == iterator.steps_per_epoch() < whole.steps_per_epoch()
        seen = [r for batch in batches for r in records_of(iterator, batch)]
        assert len(set(seen)) == len(seen)
        for record in seen:
            counts[record] += 1
        # Pieces of sequences stay together, so that it is their targets that come once.
        assert max(counts.values()) - min(counts.values()) <= 1
    assert iterator.num_train() == pytest.approx(share * whole.num_train(), abs=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_share_and_its_shards_are_the_whole_share(kind):
    iterator = iterator_of(kind, epoch_share=0.6, batch_size=2)
    for epoch in range(3):
        whole, rest = (list(iterator.train_batches(epoch, first=first)) for first in (0, 2))
        assert len(whole) == len(rest) + 2 > 2
        for one, other in zip(whole[2:], rest):
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
        parts = [list(iterator.train_batches(epoch, shard=(k, 3))) for k in range(3)]
        assert sum(map(len, parts)) == iterator.steps_per_epoch(shards=3)
        order = [row for batch in whole for row in batch["instance"]]
        for number, part in enumerate(parts):
            assert [row for batch in part for row in batch["instance"]] == order[number::3]


def test_a_share_has_negatives_of_its_own():
    iterator = iterator_of("sequential", epoch_share=0.5, batch_size=9)
    one, other = (next(iterator.train_batches(epoch)) for epoch in (0, 2))
    assert not np.array_equal(one["candidates"][:, 1:], other["candidates"][:, 1:])
    for batch in itertools.islice(iterator.train_batches(1), 3):
        assert np.all(batch["candidates"][:, 1:] != batch["candidates"][:, :1])


def test_fewer_targets_than_processes_are_refused():
    with pytest.raises(UserError, match="7 processes train, but there are 6 training instances"):
        iterator_of("sequential", epoch_share=0.3).train_dataset(shard=(0, 7))


def test_the_released_iterator_takes_all_targets():
    with pytest.raises(UserError, match=r"epoch_share: 0\.5, but iterator=released trains every"):
        ReleasedIterator(STORE, Settings(**{**SETTINGS, "epoch_share": 0.5}))
