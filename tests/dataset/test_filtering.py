"""Duplicates, k-core and Table 1's counts, against plain Python."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.dataset.engines.progress import filter_lines
from recommenders_utils.dataset.filtering import (
    core_filter,
    first_of_pairs,
    one_of_pairs,
    statistics,
)
from recommenders_utils.dataset.preparation import data_line
from recommenders_utils.errors import UserError

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), min_size=1, max_size=60)


def columns(pairs):
    return tuple(np.array(column) for column in zip(*pairs))


def one_pass(pairs, min_item, min_user):
    items = collections.Counter(i for _, i in pairs)
    pairs = [p for p in pairs if items[p[1]] >= min_item]
    users = collections.Counter(u for u, _ in pairs)
    return [p for p in pairs if users[p[0]] >= min_user]


@settings(max_examples=100, deadline=None)
@given(PAIRS)
def test_first_of_pairs(pairs):
    keep = first_of_pairs(*columns(pairs))
    assert np.flatnonzero(keep).tolist() == sorted(
        {p: k for k, p in reversed([*enumerate(pairs)])}.values()
    )


@settings(max_examples=150, deadline=None)
@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
def test_core_filter(pairs, min_item, min_user):
    users, items = columns(pairs)
    once = one_pass(pairs, min_item, min_user)
    fixed = pairs
    while True:
        smaller = one_pass(fixed, min_item, min_user)
        if smaller == fixed:
            break
        fixed = smaller
    for method, expected in (("one_pass", once), ("fixed_point", fixed)):
        if not expected:
            with pytest.raises(UserError, match="leaves no record"):
                core_filter(users, items, min_item, min_user, method)
            continue
        keep, passes = core_filter(users, items, min_item, min_user, method)
        assert [p for p, k in zip(pairs, keep) if k] == expected
        assert passes == 1 or method == "fixed_point"


def test_one_pass_may_leave_an_item_below_the_limit():
    # Item 1 has two records until user 1, with one record of an item that stays, goes.
    users, items = np.array([0, 0, 0, 2, 2, 1]), np.array([0, 1, 2, 0, 2, 1])
    keep, _ = core_filter(users, items, 2, 2, "one_pass")
    assert items[keep].tolist() == [0, 1, 2, 0, 2]
    keep, passes = core_filter(users, items, 2, 2, "fixed_point")
    assert items[keep].tolist() == [0, 2, 0, 2] and passes == 3


@pytest.mark.parametrize(
    "limits, key",
    [((5, 1), "lower min_item_records (now 5)"), ((1, 5), "lower min_user_records (now 5)")],
)
def test_nothing_left(limits, key):
    users, items = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 3])
    with pytest.raises(UserError) as caught:
        core_filter(users, items, *limits)
    message = str(caught.value)
    assert key in message and "of 5 records, 3 users and 3 items" in message


def test_unknown_method():
    with pytest.raises(UserError, match="core_filter: 'twice'"):
        core_filter(np.array([0]), np.array([0]), 1, 1, "twice")


def test_statistics():
    row = statistics(np.array([0, 0, 1, 5]), np.array([2, 3, 2, 2]), np.array([1, 0, 1, 1]))
    assert row == {
        "users": 3,
        "items": 2,
        "records": 4,
        "positive_records": 3,
        "negative_records": 1,
        "avg_records_per_user": 4 / 3,
    }


@pytest.mark.parametrize(
    "which, kept",
    [
        ("first", [0, 1, 4]),
        ("last", [1, 3, 4]),
        ("earliest", [1, 2, 4]),
        ("latest", [1, 3, 4]),
        ("all", [0, 1, 2, 3, 4]),
    ],
)
def test_repetitions(which, kept):
    users, items, times = [0, 0, 0, 0, 1], [3, 1, 3, 3, 3], np.array([5, 9, 2, 5, 0])
    found = one_of_pairs(np.array(users), np.array(items), times, which)
    assert np.flatnonzero(found).tolist() == kept


def test_an_unknown_choice_of_repetitions():
    with pytest.raises(UserError, match="duplicates: 'best' is unknown, expected one of first"):
        one_of_pairs(np.zeros(1), np.zeros(1), np.zeros(1), "best")


def test_the_filters_say_what_they_did_and_by_which_key():
    read = {"users": 4905, "items": 11924, "records": 99999}
    kept = {"users": 1598, "items": 11000, "records": 60000}
    counts = {"read": read, "duplicates": 1234}
    keys = {"min_user_records": 10, "min_item_records": 0}
    assert filter_lines(kept, counts, keys) == [
        "1,234 of 99,999 records repeat a user and item and are dropped (duplicates=first)",
        "1,598 of 4,905 users have at least min_user_records=10 records",
        "11,000 of 11,924 items and 60,000 of 99,999 records are left",
    ]
    counts["duplicates"], keys["min_item_records"] = 0, 5
    assert filter_lines(kept, counts, keys)[0] == (
        "1,598 of 4,905 users have at least min_user_records=10 records of items with at least "
        "min_item_records=5"
    )
    keys = {"min_user_records": 0, "min_item_records": 0}
    assert filter_lines(read, counts, keys) == [
        "11,924 of 11,924 items and 99,999 of 99,999 records are left"
    ]
    meta = {"name": "My log", "synthetic": False, "statistics": kept}
    meta["protocol"] = {"min_user_records": 10, "min_item_records": 0}
    meta["preparation_report"] = {"filter": counts, "reading": {"malformed": {}, "dropped": {}}}
    assert data_line(meta) == (
        "data: My log: 1,598 of 4,905 users (min_user_records=10), 11,000 of 11,924 items, "
        "60,000 of 99,999 records"
    )
