"""Preparation as a whole: the right sequences, cached while nothing has changed."""

import argparse
import glob
import os
import pathlib

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from preparation_case import BASE, as_rows

from recommenders_utils.dataset.preparation import prepare, statistics_table
from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.reading.records import RecordReader


@pytest.fixture
def data(tmp_path):
    """The data section as shipped, with small limits and a cache of its own."""
    with open(str(BASE), encoding="utf-8") as stream:
        section = yaml.safe_load(stream)["data"]
    section.update(
        cache_dir=str(tmp_path / "cache"),
        min_item_records=2,
        min_user_records=4,
        valid_num_ngs=3,
        test_num_ngs=2,
        name="My Log",
        tie_order="item",
    )
    return argparse.Namespace(**section)


@pytest.fixture
def log_file(tmp_path):
    """12 users with 3 to 8 records over 9 items, times with ties, two repetitions."""
    random = np.random.RandomState(3)
    lines = []
    for user in range(12):
        for item in random.permutation(9)[: 3 + user % 6]:
            rating = 5 if item == 0 else random.randint(1, 6)
            lines.append(f"u{user},i{item},{rating},{86400 * random.randint(1, 5)}")
    lines += [lines[4], lines[9].replace(",i", ",i")]
    path = tmp_path / "ratings.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def sequences_by_hand(path, data):
    """User -> [(item, label, time)], straight from the rules in plain Python."""
    records, first_seen = [], []
    for line in path.read_text().split():
        user, item, rating, time = line.split(",")
        first_seen.append(item)
        if (user, item) not in {r[:2] for r in records}:
            records.append((user, item, int(float(rating) > data.rating_threshold), int(time)))
    count = [r[1] for r in records].count
    records = [r for r in records if count(r[1]) >= data.min_item_records]
    count_user = [r[0] for r in records].count
    records = [r for r in records if count_user(r[0]) >= data.min_user_records]
    by_user = {}
    for user, *rest in records:
        by_user.setdefault(user, []).append(tuple(rest))
    if data.tie_order == "item":
        for rows in by_user.values():
            rows.sort(key=lambda row: first_seen.index(row[0]))
    return {u: sorted(rows, key=lambda row: row[2]) for u, rows in by_user.items()}


def test_items_of_equal_count_are_numbered_by_first_appearance():
    items = np.arange(50)[::-1].repeat(2)
    store = sequences(
        np.zeros(100, int), items, np.ones(100, np.int8), np.arange(100), ["u"], np.arange(50)
    )
    assert store.items.tolist() == np.arange(1, 51).repeat(2).tolist()


@pytest.mark.parametrize("tie_order", ["item", "file"])
def test_sequences_follow_the_rules(log_file, data, tie_order):
    data.tie_order = tie_order
    store = prepare(str(log_file), data, say=lambda line: None)
    expected = sequences_by_hand(log_file, data)
    assert as_rows(store) == expected
    assert list(store.user_ids) == list(expected)
    counts = np.bincount(store.items)[1:]
    assert np.all(np.diff(counts) <= 0)
    assert store.meta["statistics"]["records"] == sum(map(len, expected.values()))
    assert store.meta["preparation_report"]["filter"]["duplicates"] == 2
    assert store.splits["test"].candidates.shape[1] == 3
    assert store.splits["valid"].candidates.shape[1] == 4


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 5)] * 2, st.integers(0, 1), st.integers(0, 3)), min_size=1)
)
def test_numbering(records):
    users, items, labels, times = (np.array(column) for column in zip(*records))
    names = np.array(list("abcdef"))
    store = sequences(users, items, labels.astype(np.int8), times, names, names)
    found = list(dict.fromkeys(names[users]))
    assert list(store.user_ids) == found
    count = items.tolist().count
    by_count = sorted(dict.fromkeys(items.tolist()), key=lambda item: -count(item))
    assert list(store.item_ids) == list(names[by_count])
    for k, user in enumerate(found):
        expected = sorted((r for r in records if names[r[0]] == user), key=lambda r: r[3])
        assert as_rows(store)[user] == [(names[i], y, t) for _, i, y, t in expected]
        assert store.user_offsets[k + 1] - store.user_offsets[k] == len(expected)


def test_reused_until_input_or_protocol_changes(log_file, data, monkeypatch):
    lines, reads = [], []
    original = RecordReader.read
    monkeypatch.setattr(RecordReader, "read", lambda *a: reads.append(1) or original(*a))

    def run(**options):
        return prepare(str(log_file), data, say=lines.append, **options)

    first = run()
    assert len(reads) == 1
    again = run()
    assert len(reads) == 1 and any("reused" in line for line in lines)
    np.testing.assert_array_equal(first.splits["test"].candidates, again.splits["test"].candidates)
    assert first.meta == again.meta
    data.max_seq_length, data.train_num_ngs, data.train_targets = 7, 1, "positive"
    run()
    assert len(reads) == 1  # acts on batches, not on the arrays
    for key, value in (("candidate_seed", 5), ("rating_threshold", 2.0), ("split", "ratio")):
        before = len(reads)
        setattr(data, key, value)
        assert run().meta["protocol"][key] == value
        assert len(reads) == before + 1
    run(synthetic=True)
    assert len(reads) == 5
    log_file.write_text(log_file.read_text() + "new,i1,4,5\n")
    run()
    assert len(reads) == 6
    assert all("my-log-" in path for path in glob.glob(os.path.join(data.cache_dir, "*")))


def test_tie_order_changes_the_sequences(log_file, data):
    orders = {}
    for data.tie_order in ("item", "file"):
        orders[data.tie_order] = as_rows(prepare(str(log_file), data, say=lambda line: None))
        assert orders[data.tie_order] == sequences_by_hand(log_file, data)
    assert orders["item"] != orders["file"]


@pytest.mark.parametrize("how", ["flipped byte", "stale fingerprint", "half a folder"])
def test_a_damaged_cache_is_rebuilt(log_file, data, how):
    sound = prepare(str(log_file), data, say=lambda line: None)
    expected = sound.items.tolist()
    (folder,) = glob.glob(os.path.join(data.cache_dir, "*"))
    if how == "flipped byte":
        path = pathlib.Path(folder, "items.npy")
        content = bytearray(path.read_bytes())
        content[-4] ^= 2
        path.write_bytes(bytes(content))
    elif how == "stale fingerprint":
        path = pathlib.Path(folder, "meta.json")
        path.write_text(path.read_text().replace(sound.meta["fingerprint"], "0" * 64))
    else:
        os.unlink(os.path.join(folder, "times.npy"))
    lines = []
    store = prepare(str(log_file), data, say=lines.append)
    assert store.items.tolist() == expected
    assert "stale or damaged" in lines[0] and "preparing it again" in lines[1]
    assert SequenceStore.load(folder).meta["fingerprint"] == sound.meta["fingerprint"]
    assert os.listdir(data.cache_dir) == [os.path.basename(folder)]


def test_a_full_disk_leaves_nothing_half_written(log_file, data, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError) as caught:
        prepare(str(log_file), data, say=lambda line: None)
    assert "No space left on device" in str(caught.value) and "cache_dir" in str(caught.value)
    assert os.listdir(data.cache_dir) == []


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"min_item_records": 50}, "lower min_item_records"),
        ({"min_user_records": 50}, "lower min_user_records"),
        ({"rating_threshold": 5.0}, "rating_threshold: 5 gives all ratings"),
        ({"rating_max": 4.0}, "outside the scale 1 to 4"),
        ({"split": "last_week"}, "split: 'last_week' is unknown"),
        ({"test_num_ngs": 40}, "lower valid_num_ngs and test_num_ngs"),
        ({"candidate_seed": -1}, "candidate_seed"),
        ({"tie_order": "none"}, "tie_order: 'none' is unknown"),
    ],
)
def test_protocols_that_cannot_be(log_file, data, changes, message):
    vars(data).update(changes)
    with pytest.raises(UserError) as caught:
        prepare(str(log_file), data, say=lambda line: None)
    assert message in str(caught.value)
    assert not os.path.exists(data.cache_dir)


def test_files_that_cannot_be(tmp_path, data):
    with pytest.raises(UserError, match="no such file"):
        prepare(str(tmp_path / "none.csv"), data)
    with pytest.raises(UserError, match="is a folder"):
        prepare(str(tmp_path), data)


def test_users_with_one_record(tmp_path, log_file, data):
    data.min_user_records = 1
    data.min_item_records = 1
    log_file.write_text(log_file.read_text() + "lonely,i1,4,5\nalone,i2,4,5\n")
    lines = []
    store = prepare(str(log_file), data, say=lines.append)
    assert any("2 users have one record" in line for line in lines)
    assert store.meta["preparation_report"]["filter"]["users_with_one_record"] == 2
    assert "lonely" in store.user_ids
    only = tmp_path / "only.csv"
    only.write_text("a,x,4,5\nb,x,4,5\nc,y,4,5\n")
    with pytest.raises(UserError, match="each of the 3 users has one record"):
        prepare(str(only), data)


def test_malformed_rows_are_told(log_file, data):
    data.max_malformed = 0.1
    log_file.write_text(log_file.read_text() + "u,i,five,3\n")
    lines = []
    store = prepare(str(log_file), data, say=lines.append)
    assert any("dropped 1 malformed rows: rating is not a number" in line for line in lines)
    assert store.meta["preparation_report"]["reading"]["malformed"]


def test_milliseconds_order_records(tmp_path, data):
    vars(data).update(min_item_records=1, min_user_records=1, valid_num_ngs=1, test_num_ngs=1)
    path = tmp_path / "ms.csv"
    times = [900, 100, 500, 700, 300]
    path.write_text("".join(f"u,i{t},5,1500000000{t}\n" for t in times))
    store = prepare(str(path), data, say=lambda line: None)
    assert list(store.item_ids[store.items - 1]) == [f"i{t}" for t in sorted(times)]
    assert store.times.tolist() == [1500000000] * 5


def test_statistics_table(log_file, data):
    paper = {
        "users": "6919",
        "items": "28695",
        "positive_records": 99753,
        "negative_records": 20581,
        "avg_records_per_user": "17.39",
    }
    store = prepare(str(log_file), data, synthetic=True, say=lambda line: None)
    head, ours, theirs = statistics_table(store.meta, paper).splitlines()
    assert head.split() == list(paper)
    assert ours.startswith("My Log (SYNTHETIC)  ")
    assert theirs.split()[3:] == ["6,919", "28,695", "99,753", "20,581", "17.39"]
    statistics = store.meta["statistics"]
    assert ours.split()[3:7] == [str(statistics[key]) for key in list(paper)[:4]]
    real = prepare(str(log_file), data, say=lambda line: None)
    assert "SYNTHETIC" not in statistics_table(real.meta)


def test_meta_holds_no_absolute_path(log_file, data):
    store = prepare(str(log_file), data, say=lambda line: None)
    assert store.meta["source"] == "ratings.csv"
    (folder,) = glob.glob(os.path.join(data.cache_dir, "*"))
    assert str(log_file.parent) not in pathlib.Path(folder, "meta.json").read_text()


@pytest.mark.parametrize(
    "item, user, users, items, positive, negative",
    [
        (0, 10, 4188, 11526, 61574, 12849),
        (10, 10, 2482, 5192, 37021, 8322),
        (0, 0, 19412, 11924, 140235, 27362),
    ],
)
def test_real_log(shared, data, item, user, users, items, positive, negative):
    data.min_item_records, data.min_user_records = item, user
    path = str(shared / "data" / "amazon_toys_5core.tsv.gz")
    store = prepare(path, data, say=lambda line: None)
    statistics = store.meta["statistics"]
    assert (statistics["users"], statistics["items"]) == (users, items)
    assert (statistics["positive_records"], statistics["negative_records"]) == (positive, negative)
