"""The released text files: imported as they are, contradictions named by file and line."""

import argparse
import gzip
import re

import numpy as np
import pytest
import yaml
from preparation_case import BASE, as_rows, instance_lines
from released_files_case import FILES, SEQUENCES, folder, line  # noqa: F401 (a fixture)

from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.errors import UserError
from recommenders_utils.released.instances import import_released


def test_import(folder, tmp_path):
    lines = []
    store = import_released(folder(compressed=["valid_dataA"]), "by hand", say=lines.append)
    assert as_rows(store) == SEQUENCES
    raw = ["", *store.item_ids]
    # x, y, z twice; the others once, by first appearance; q only as a candidate comes last.
    assert raw[1:] == ["x", "y", "z", "ww", "x2", "v", "q"]
    train, valid, test = (store.splits[name] for name in ("train", "valid", "test"))
    assert train.users.tolist() == [0, 0, 1, 1] and train.ends.tolist() == [1, 2, 6, 7]
    assert train.candidates is None
    assert valid.users.tolist() == [0, 1] and valid.ends.tolist() == [3, 8]
    candidates = [[raw[k] for k in row] for row in valid.candidates]
    assert candidates == [["ww", "", ""], ["v", "q", "ww"]]
    assert valid.labels.tolist() == [[0, 0, 0], [1, 0, 0]] and valid.counts.tolist() == [1, 3]
    assert [[raw[k] for k in row] for row in test.candidates] == [["x2", "v"]]
    assert store.meta["name"] == "by hand" and store.meta["synthetic"] is False
    assert store.meta["statistics"]["records"] == 9
    assert str(tmp_path) not in str(store.meta)
    assert len(lines) == 1 and "2 users, 7 items, 9 records" in lines[0]
    store.save(str(tmp_path / "saved"))


@pytest.mark.parametrize(
    "name, number, bad, message",
    [
        ("train_dataA", 2, "1\tann\tz\n", "3 tab-separated columns, expected 9: label, user"),
        ("train_dataA", 2, line("ann", 2, label="4.0"), "label '4.0', expected 0 or 1"),
        ("train_dataA", 2, line("ann", 2).replace("1,0", "1"), "have [1, 2, 2, 2] entries"),
        ("train_dataA", 2, line("ann", 2).replace("\tx,y\t", "\t\t"), "item history is empty"),
        ("train_dataA", 2, line("ann", 2, item="w"), "item history and target of user ann"),
        ("train_dataA", 2, line("ann", 2).replace("x,y", "y,x"), "item history and target"),
        ("train_dataA", 2, line("ann", 2).replace("1,0", "0,0"), "label history and target"),
        ("train_dataA", 2, line("ann", 2).replace("10,20", "11,20"), "time history and target"),
        ("train_dataA", 2, line("ann", 1), "the same instance as"),
        ("valid_dataA", 1, line("ann", 3, item="w"), "item history and target of user ann"),
        ("test_dataA", 2, line("ann", 4, item="v", label=1), "label 0 after a target of label 1"),
        ("test_dataA", 1, line("ann", 4, label=0), "test_dataA:2: same user and history"),
        ("test_dataA", 1, line("ann", 4).replace("10,20", "10,x"), "time history"),
        ("valid_dataA", 4, line("bob", 1), "the same instance as"),
    ],
)
def test_contradictions_name_file_and_line(folder, name, number, bad, message):
    lines = list(FILES[name])
    lines[number - 1] = bad
    with pytest.raises(UserError) as caught:
        import_released(folder({name: lines}), say=lambda text: None)
    assert message in str(caught.value)
    assert re.search(rf"{name}:({number}|{number + 1})\b", str(caught.value))


def test_times_and_labels_that_are_none(folder):
    spoilt = {name: [text.replace("20", "soon") for text in FILES[name]] for name in FILES}
    with pytest.raises(UserError, match="'soon' in a label or time history, expected"):
        import_released(folder(spoilt), say=lambda text: None)
    spoilt = {name: [text.replace("20", "9") for text in FILES[name]] for name in FILES}
    with pytest.raises(UserError, match=r"test_dataA:1: the times .* not in order"):
        import_released(folder(spoilt), say=lambda text: None)


def test_missing_empty_and_damaged_files(folder, tmp_path):
    with pytest.raises(UserError, match="train_dataA: no such file"):
        import_released(str(tmp_path / "none"))
    with pytest.raises(UserError, match="valid_dataA: the file is empty"):
        import_released(folder({"valid_dataA": []}))
    path = folder()
    (tmp_path / "test_dataA").write_bytes(gzip.compress("".join(FILES["test_dataA"]).encode())[:-9])
    with pytest.raises(UserError, match="test_dataA: the gzip data is truncated"):
        import_released(path)


@pytest.fixture
def released_log():
    """The data section the released run on the Toys log amounts to."""
    with open(str(BASE), encoding="utf-8") as stream:
        return argparse.Namespace(**yaml.safe_load(stream)["data"])


def test_released_run(shared, released_log, tmp_path):
    """The recorded run's files; what we prepare from the same log has the same instances."""
    theirs = import_released(str(shared / "released_run_toys"), say=lambda text: None)
    assert theirs.num_users == 2482
    sizes = {name: len(part) for name, part in theirs.splits.items()}
    assert sizes == {"train": 37897, "valid": 2482, "test": 1997}
    assert int(theirs.splits["valid"].counts.sum()) == 20860
    assert np.all(theirs.splits["test"].counts == 10)
    # 485 users disliked their last item: the files have no line for it.
    assert len(theirs.items) == 45343 - 485

    released_log.cache_dir = str(tmp_path)
    path = str(shared / "data" / "amazon_toys_5core.tsv.gz")
    ours = prepare(path, released_log, say=lambda text: None)
    assert set(theirs.item_ids) <= set(ours.item_ids)
    our_rows = as_rows(ours)
    assert all(our_rows[user][: len(rows)] == rows for user, rows in as_rows(theirs).items())
    for split in ("train", "valid", "test"):
        where = [
            set(zip(store.user_ids[store.splits[split].users], store.history_lengths(split)))
            for store in (ours, theirs)
        ]
        assert len(where[0]) == len(ours.splits[split]) and where[0] == where[1]


def test_released_preparation(shared, released_log, tmp_path):
    """The same on the small recorded preparation: raw ratings in no order, with repetitions."""
    folder = shared / "golden" / "preproc"
    for name in ("train_dataA", "valid_dataA", "test_dataA"):
        (source,) = [p for p in folder.glob(name + "*") if p.name in (name, name + ENDING)]
        (tmp_path / name).write_bytes(source.read_bytes())
    theirs = import_released(str(tmp_path), say=lambda text: None)
    released_log.cache_dir = str(tmp_path)
    ours = prepare(str(folder / "ratings_Toys_and_Games.csv"), released_log, say=lambda text: None)
    for split in ("train", "valid", "test"):
        assert sorted(instance_lines(ours, split)) == sorted(instance_lines(theirs, split))
        if split != "train":
            np.testing.assert_array_equal(
                np.sort(ours.splits[split].counts), np.sort(theirs.splits[split].counts)
            )


ENDING = ".after_neg_sampling_seed0"
