"""Splits: each record once, its history before it, the right ones where."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.dataset.splitting import METHODS, split_instances
from recommenders_utils.errors import UserError

DAY = 86400


@st.composite
def logs(draw):
    """Per-user lists of (time, label), sorted by time; U 1 to 6, 1 to 9 records each."""
    record = st.tuples(st.integers(0, 5 * DAY), st.integers(0, 1))
    users = draw(st.lists(st.lists(record, min_size=1, max_size=9), min_size=1, max_size=6))
    return [sorted(user) for user in users]


def arrays(users):
    offsets = np.concatenate([[0], np.cumsum([len(u) for u in users])])
    flat = [record for user in users for record in user]
    times, labels = (np.array(column) for column in zip(*flat))
    return offsets, times, labels.astype(np.int8)


@settings(max_examples=300, deadline=None)
@given(logs(), st.sampled_from(METHODS))
def test_every_record_but_a_first_is_one_target(users, method):
    offsets, times, labels = arrays(users)
    try:
        splits = split_instances(method, offsets, times, labels)
    except UserError as error:
        assert f"split={method}: no " in str(error)
        return
    assert list(splits) == ["train", "valid", "test"]
    seen = {}
    for name, part in splits.items():
        assert np.all(np.diff(part.ends) > 0)
        for user, end in zip(part.users, part.ends):
            assert offsets[user] < end < offsets[user + 1]  # its own user's, with a history
            assert end not in seen
            seen[int(end)] = name
    missing = set(range(len(times))) - set(seen) - set(offsets[:-1].tolist())
    assert all(labels[end] == 0 for end in missing)  # only disliked test targets are left out
    assert all(labels[end] == 1 for end, name in seen.items() if name == "test")
    # Within a user no later record is in an earlier split: nothing of the future is trained on.
    rank = {"train": 0, "valid": 1, "test": 2}
    for user in range(len(users)):
        ranks = [rank[seen[e]] for e in range(offsets[user], offsets[user + 1]) if e in seen]
        assert ranks == sorted(ranks)
    check = {
        "leave_one_out": leave_one_out,
        "last_day": last_day,
        "noon_last_day": noon_last_day,
        "ratio": in_time_order,
    }
    check[method](offsets, times, seen, missing)


def leave_one_out(offsets, times, seen, missing):
    for first, stop in zip(offsets, offsets[1:]):
        for end in range(first + 1, stop):
            expected = {1: "test", 2: "valid"}.get(stop - end, "train")
            assert seen.get(end, "test") == expected


def last_day(offsets, times, seen, missing):
    days = sorted({int(t) // DAY for t in times})
    expected = {days[-1]: "test"}
    if len(days) > 1:
        expected[days[-2]] = "valid"
    for end, name in seen.items():
        assert expected.get(times[end] // DAY, "train") == name
    assert all(times[end] // DAY == days[-1] for end in missing)


def noon_last_day(offsets, times, seen, missing):
    last = max(int(t) // DAY for t in times)
    for end in range(len(times)):
        day, second = divmod(int(times[end]), DAY)
        name = "train" if day < last else "valid" if second < DAY // 2 else "test"
        if end in seen or end in missing:
            assert seen.get(end, "test") == name


def in_time_order(offsets, times, seen, missing):
    n = len(times)
    order = sorted(range(n), key=lambda k: (times[k], k))
    for position, end in enumerate(order):
        if end in seen or end in missing:
            name = "train" if position < round(0.8 * n) else "valid"
            name = "test" if position >= round(0.9 * n) else name
            assert seen.get(end, "test") == name


def test_short_users_under_leave_one_out():
    offsets = np.array([0, 1, 3, 6, 10])  # 1, 2, 3 and 4 records
    splits = split_instances("leave_one_out", offsets, np.arange(10), np.ones(10, np.int8))
    assert splits["train"].ends.tolist() == [7]
    assert splits["valid"].ends.tolist() == [4, 8]
    assert splits["test"].ends.tolist() == [2, 5, 9]
    assert splits["test"].users.tolist() == [1, 2, 3]


def test_disliked_targets_stay_in_validation_only():
    splits = split_instances(
        "leave_one_out", np.array([0, 4, 8]), np.arange(8), np.array([1, 1, 0, 0, 1, 0, 1, 1])
    )
    assert splits["valid"].ends.tolist() == [2, 6]
    assert splits["test"].ends.tolist() == [7]


def test_last_day_skips_days_without_records():
    times = np.array([0, 1, DAY * 3, DAY * 3 + 5, DAY * 9 - 1, DAY * 9])
    splits = split_instances("last_day", np.array([0, 6]), times, np.ones(6, np.int8))
    assert splits["train"].ends.tolist() == [1, 2, 3]
    assert splits["valid"].ends.tolist() == [4]
    assert splits["test"].ends.tolist() == [5]


def test_noon_of_the_last_day_in_an_offset():
    # Noon of 1970-01-02 in UTC+3 is 09:00 UTC; the day begins there at 21:00 UTC of the day before.
    noon, midnight = DAY + 9 * 3600, DAY - 3 * 3600
    times = np.array([0, midnight - 1, midnight, noon - 0.5, noon, noon + 7])
    splits = split_instances(
        "noon_last_day", np.array([0, 6]), times, np.ones(6, np.int8), utc_offset_hours=3.0
    )
    assert [splits[name].ends.tolist() for name in splits] == [[1], [2, 3], [4, 5]]
    with pytest.raises(UserError, match=r"no test instance.*noon on of the log's last day"):
        split_instances("noon_last_day", np.array([0, 4]), times[:4], np.ones(4), (), 3.0)


@pytest.mark.parametrize("offset, test", [(0.0, [5]), (1.0, [4, 5])])
def test_last_day_in_an_offset(offset, test):
    times = np.array([0, 1, DAY + 1, 2 * DAY - 3601, 2 * DAY - 3600, 2 * DAY + 5])
    splits = split_instances(
        "last_day", np.array([0, 6]), times, np.ones(6, np.int8), utc_offset_hours=offset
    )
    assert [splits[name].ends.tolist() for name in ("train", "test")] == [[1], test]


def test_fractions_of_a_second_order_records():
    times = np.array([0.5, 1.25, 1.75, 1.5, 1.5, 3.0])  # two users of three records
    splits = split_instances("ratio", np.array([0, 3, 6]), times, np.ones(6), (0.5, 0.3, 0.2))
    assert splits["train"].ends.tolist() == [1]
    assert splits["valid"].ends.tolist() == [2, 4]
    assert splits["test"].ends.tolist() == [5]


@pytest.mark.parametrize(
    "method, labels, message",
    [
        (
            "leave_one_out",
            [1, 1, 1, 0],
            "no test instance: no user with at least two records liked",
        ),
        ("leave_one_out", [1, 1], "no train instance: no user has 4 or more records"),
        ("leave_one_out", [1, 1, 1], "no train instance"),
        ("last_day", [1, 1, 1, 1], "before the log's last days (1970-01-01) has a history"),
        ("ratio", [1, 1], "no valid instance: none in its share of the log's 2 records"),
        ("by_moon", [1, 1], "split: 'by_moon' is unknown, expected one of leave_one_out"),
    ],
)
def test_a_split_without_instances_is_refused(method, labels, message):
    offsets = np.array([0, len(labels)])
    with pytest.raises(UserError) as caught:
        split_instances(method, offsets, np.arange(len(labels)), np.array(labels))
    assert message in str(caught.value)


@pytest.mark.parametrize("ratio", [[0.8, 0.1], [0.8, 0.1, 0.2], [1.0, 0.1, -0.1], [1, 0, 0]])
def test_shares_that_are_none(ratio):
    with pytest.raises(UserError, match="split_ratio"):
        split_instances("ratio", np.array([0, 9]), np.arange(9), np.ones(9), ratio)
