"""The store: what is saved is loaded again, and nothing damaged is ever used."""

import json
import os

import numpy as np
import pytest

from recommenders_utils.dataset.store import DamagedStore, Instances, SequenceStore
from recommenders_utils.errors import UserError


def small_store():
    """3 users with 3, 4 and 2 records over 5 items."""
    return SequenceStore(
        user_offsets=np.array([0, 3, 7, 9]),
        items=np.array([1, 2, 3, 4, 1, 2, 5, 1, 3]),
        labels=np.array([1, 0, 1, 1, 1, 0, 1, 0, 1]),
        times=np.array([5, 6, 7, 1, 2, 2, 3, 0, 9]) * 86400,
        user_ids=np.array(["ann", "bö", "007"]),
        item_ids=np.array(["a", "b", "c", "d", "e"]),
        splits={
            "train": Instances(np.array([1]), np.array([4])),
            "valid": Instances(
                np.array([0, 1]),
                np.array([1, 5]),
                np.array([[2, 0, 0], [2, 5, 3]]),
                np.array([[0, 0, 0], [1, 0, 0]]),
                np.array([1, 3]),
            ),
            "test": Instances(
                np.array([0, 1, 2]),
                np.array([2, 6, 8]),
                np.array([[3, 1], [5, 4], [3, 5]]),
                np.array([[1, 0], [1, 0], [1, 0]]),
                np.array([2, 2, 2]),
            ),
        },
        meta={"name": "small", "synthetic": True},
    )


def test_round_trip(tmp_path):
    folder, store = str(tmp_path / "a folder"), small_store()
    store.save(folder)
    store.save(folder)  # replaces the first
    loaded = SequenceStore.load(folder)
    for name, dtype in (
        ("user_offsets", "int64"),
        ("items", "int32"),
        ("labels", "int8"),
        ("times", "int64"),
    ):
        assert getattr(loaded, name).dtype == dtype
        np.testing.assert_array_equal(getattr(loaded, name), getattr(store, name))
    assert list(loaded.user_ids) == ["ann", "bö", "007"]
    assert loaded.splits["train"].candidates is None
    for split in ("train", "valid", "test"):
        ours, theirs = loaded.splits[split].arrays(), store.splits[split].arrays()
        assert sorted(ours) == sorted(theirs)
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key])
    assert loaded.meta["name"] == "small" and loaded.meta["synthetic"] is True
    assert isinstance(loaded.items, np.memmap)
    assert os.listdir(str(tmp_path)) == ["a folder"]


def test_sizes_and_statistics():
    store = small_store()
    assert (store.num_users, store.num_items) == (3, 5)
    np.testing.assert_array_equal(store.history_lengths("test"), [2, 3, 1])
    assert store.statistics() == {
        "users": 3,
        "items": 5,
        "records": 9,
        "positive_records": 6,
        "negative_records": 3,
        "avg_records_per_user": 3.0,
    }


@pytest.mark.parametrize("name", ["items.npy", "valid_candidates.npy", "item_ids.npy"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damage_is_detected(tmp_path, name, damage):
    folder = str(tmp_path / "s")
    small_store().save(folder)
    path = os.path.join(folder, name)
    if damage == "remove":
        os.unlink(path)
    else:
        with open(path, "rb") as stream:
            content = bytearray(stream.read())
        if damage == "flip":
            content[-1] ^= 1
        else:
            content = content[:-3]
        with open(path, "wb") as stream:
            stream.write(content)
    with pytest.raises(DamagedStore, match=name) as caught:
        SequenceStore.load(folder)
    assert isinstance(caught.value, UserError) and folder in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format_version": 1, "arrays": {}}', "{"])
def test_damaged_meta(tmp_path, content):
    folder = str(tmp_path / "s")
    small_store().save(folder)
    with open(os.path.join(folder, "meta.json"), "w") as stream:
        stream.write(content)
    with pytest.raises(DamagedStore):
        SequenceStore.load(folder)


@pytest.mark.parametrize("name", ["meta.json", "meta.sha256"])
def test_no_flipped_bit_of_the_description_is_accepted(tmp_path, name):
    folder = str(tmp_path / "s")
    small_store().save(folder)
    path = tmp_path / "s" / name
    sound, state = path.read_bytes(), np.random.RandomState(1)
    for _ in range(60):
        content = bytearray(sound)
        content[state.randint(len(content))] ^= 1 << state.randint(8)
        path.write_bytes(bytes(content))
        if bytes(content).strip() != sound.strip():
            with pytest.raises(DamagedStore):
                SequenceStore.load(folder)
    path.write_bytes(sound)
    SequenceStore.load(folder)


def test_a_store_of_an_earlier_version_has_no_checksum_of_its_description(tmp_path):
    folder = str(tmp_path / "s")
    small_store().save(folder)
    os.unlink(os.path.join(folder, "meta.sha256"))
    assert SequenceStore.load(folder).num_users == small_store().num_users


def test_other_version(tmp_path):
    folder = str(tmp_path / "s")
    small_store().save(folder)
    path = os.path.join(folder, "meta.json")
    with open(path) as stream:
        meta = json.load(stream)
    meta["format_version"] = 0
    with open(path, "w") as stream:
        json.dump(meta, stream)
    with pytest.raises(DamagedStore, match="format version 0"):
        SequenceStore.load(folder)
    with pytest.raises(DamagedStore):
        SequenceStore.load(str(tmp_path / "nowhere"))


def spoil(store, case):
    valid = store.splits["valid"]
    if case == "offsets":
        store.user_offsets[-1] = 8
    elif case == "empty user":
        store.user_offsets[1] = 0
    elif case == "time order":
        store.times[:3] = [5, 3, 4]
    elif case == "item":
        store.items[4] = 6
    elif case == "padding item":
        store.items[4] = 0
    elif case == "label":
        store.labels[2] = 2
    elif case == "first record":
        valid.ends[0] = 0
    elif case == "another user's record":
        valid.ends[0] = 3
    elif case == "user":
        valid.users[1] = 3
    elif case == "counts":
        valid.counts[1] = 2
    elif case == "target":
        valid.candidates[1, 0] = 1
    elif case == "split":
        store.splits["later"] = store.splits.pop("test")


@pytest.mark.parametrize(
    "case",
    [
        "offsets",
        "empty user",
        "time order",
        "item",
        "padding item",
        "label",
        "first record",
        "another user's record",
        "user",
        "counts",
        "target",
        "split",
    ],
)
def test_arrays_that_do_not_fit(tmp_path, case):
    store = small_store()
    store.check()
    spoil(store, case)
    with pytest.raises(ValueError):
        store.save(str(tmp_path / "s"))
    assert os.listdir(str(tmp_path)) == []
