"""Which records are training, for every split rule, disliked held-out targets included."""

import numpy as np
import pytest
from untrained_case import SPLIT_RULES, random_store, training_rows

from recommenders_utils.dataset.splitting import split_instances
from recommenders_utils.dataset.training import (
    disliked_test_targets,
    first_training_times,
    training_counts,
    training_records,
)


def test_leave_one_out_is_all_but_the_last_two_whatever_the_last_label():
    store = random_store(3, users=17, items=11, lengths=(4, 9))
    want = np.zeros(len(store.items), bool)
    for start, stop in zip(store.user_offsets, store.user_offsets[1:]):
        want[start : stop - 2] = True
    lasts = store.user_offsets[1:] - 1
    assert 0 < store.labels[lasts].sum() < len(lasts)  # both kinds of last record
    np.testing.assert_array_equal(training_records(store), want)


@pytest.mark.parametrize("method", SPLIT_RULES)
@pytest.mark.parametrize("seed", range(4))
def test_no_held_out_record_is_training(method, seed):
    store = random_store(seed, users=19, items=9, method=method)
    kept = training_records(store)
    disliked = disliked_test_targets(store)
    assert kept[store.splits["train"].ends].all()
    for part in (store.splits["valid"], store.splits["test"], disliked):
        assert not kept[part.ends].any()
    # What is neither is a first record, which has no history.
    rest = np.ones(len(kept), bool)
    for part in (*store.splits.values(), disliked):
        rest[part.ends] = False
    np.testing.assert_array_equal(np.flatnonzero(rest), store.user_offsets[:-1])
    rows = training_rows(store)
    assert kept.sum() == sum(map(len, rows)) > 0
    # Every kept record is before everything that its user holds out.
    users = np.repeat(np.arange(store.num_users), np.diff(store.user_offsets))
    for user in range(store.num_users):
        of_user = kept[users == user]
        assert not of_user[of_user.sum() :].any()


@pytest.mark.parametrize("method", SPLIT_RULES)
def test_disliked_test_targets_are_those_that_the_split_left_out(method):
    store = random_store(5, users=23, items=9, method=method)
    everything = split_instances(
        method, store.user_offsets, store.times, np.ones_like(store.labels)
    )["test"]
    disliked = store.labels[everything.ends] == 0
    assert disliked.any()
    found = disliked_test_targets(store)
    np.testing.assert_array_equal(found.ends, everything.ends[disliked])
    np.testing.assert_array_equal(found.users, everything.users[disliked])


def test_counts_and_first_times():
    store = random_store(8, users=6, items=29)
    train = store.splits["train"]
    counts, liked, first = np.zeros(29, int), np.zeros(29, int), np.full(29, np.inf)
    for end in train.ends:
        counts[store.items[end] - 1] += 1
        liked[store.items[end] - 1] += store.labels[end]
    for rows in training_rows(store):
        for item, _, when in rows:
            first[item - 1] = min(first[item - 1], when)
    np.testing.assert_array_equal(training_counts(store), counts)
    np.testing.assert_array_equal(training_counts(store, liked_only=True), liked)
    np.testing.assert_array_equal(first_training_times(store), first)
    assert np.isinf(first).any() and (liked != counts).any()
