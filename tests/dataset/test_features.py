"""Features of items from a file: codes beside the sequences, items of no record, and what is refused."""

import gzip

import numpy as np
import pytest
from iterator_case import make_store
from small import call, tree

from recommenders_utils.dataset.features import (
    CODES,
    KNOWN,
    SIZES,
    read_features,
    values_of,
    with_features,
)
from recommenders_utils.dataset.packed import pack, unpack
from recommenders_utils.errors import UserError

FILE = "item_id,kind,maker\ni1,toy,a\ni0,book,\ni9,book,b\ni8, toy ,a\ni3,game,b\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "items.csv").write_text(FILE, "utf-8")
    return str(tmp_path / "items.csv")


def made(**meta):
    """Seven items, i0 to i6; the last items of the users are in no training record."""
    store = make_store()
    store.meta = {"name": "by hand", "fingerprint": "f", "synthetic": False, **meta}
    return store


def test_a_file_is_read_as_codes(path, tmp_path):
    found = read_features(path)
    assert found.ids == ["i1", "i0", "i9", "i8", "i3"] and found.names == ["kind", "maker"]
    assert found.values == [["toy", "book", "game"], ["a", "b"]]
    assert found.codes.tolist() == [[1, 1], [2, 0], [2, 2], [1, 1], [3, 2]]
    with gzip.open(str(tmp_path / "items.tsv.gz"), "wt") as stream:
        stream.write("\ufeff" + FILE.replace(",", "\t"))
    again = read_features(str(tmp_path / "items.tsv.gz"), ["maker"])
    assert again.names == ["maker"] and again.codes.tolist() == found.codes[:, 1:].tolist()


def test_features_stand_beside_the_sequences_and_travel_with_them(path, tmp_path):
    lines, store = [], made()
    wider, sizes = with_features(store, path, say=lines.append)
    assert sizes == (3, 2) and list(wider.item_ids) == [*store.item_ids, "i9", "i8"]
    codes = wider.extras[CODES]
    assert codes[1].tolist() == [1, 1] and codes[0].tolist() == [2, 0]
    assert codes[2].tolist() == [0, 0]  # the file does not have it
    assert codes[7:].tolist() == [[2, 2], [1, 1]]
    seen = set()
    for user, end in zip(store.splits["train"].users, store.splits["train"].ends):
        seen |= set(store.items[store.user_offsets[user] : end + 1])
    assert set(np.flatnonzero(wider.extras[KNOWN]) + 1) == seen
    assert wider.meta["fingerprint"] != store.meta["fingerprint"] and not store.extras
    assert values_of(wider)["kind"].tolist() == ["toy", "book", "game"]
    assert values_of(store) == {}
    (line,) = lines
    assert "features kind (3), maker (2)" in line and "4 items of the log without" in line
    assert "2 items in no record" in line
    for part in (wider, store):
        for split in part.splits.values():
            split.users = np.asarray(split.users, np.int32)
    pack(wider, str(tmp_path / "data.npz"))
    again = unpack(str(tmp_path / "data.npz"))
    np.testing.assert_array_equal(again.extras[CODES], codes)
    np.testing.assert_array_equal(again.extras[SIZES], [3, 2])


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("item_id,kind\n", [], "no item follows the header"),
        ("", [], "no column of item ids"),
        ("number,kind\n1,a\n", [], "no column of item ids among 'number, kind'"),
        ("item_id\ni1\n", [], "no column beside the item ids"),
        (FILE, ["kind", "colour"], "no column 'colour' of categories; it has item_id, kind, maker"),
        (FILE, ["item_id"], "no column 'item_id' of categories"),
        (FILE + "i1,toy,a\n", [], ":7: item 'i1' repeats line 2"),
        (FILE + ",toy,a\n", [], ":7: item '' has no id"),
        (FILE + "i2,toy\n", [], ":7: 2 columns, but the header has 3"),
        (
            "item,kind\nx1,a\nx2,b\n",
            [],
            "has none of the 7 items of the log, whose ids are such as",
        ),
        (
            "item,title\n" + "".join(f"i{k},title {k}\n" for k in range(30)),
            [],
            "column 'title' has 30 values for 30 items, which is no category",
        ),
    ],
)
def test_a_bad_file_is_one_message(tmp_path, text, columns, message):
    (tmp_path / "items.csv").write_text(text, "utf-8")
    with pytest.raises(UserError) as error:
        with_features(made(), str(tmp_path / "items.csv"), columns)
    assert str(error.value).startswith(str(tmp_path / "items.csv")) and message in str(error.value)


def test_a_missing_file_and_the_released_iterator_are_refused_and_nothing_is_written(tmp_path):
    lines = [f"u{k % 9},i{k % 7},{1 + k % 5},{1400000000 + k}" for k in range(60)]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "items.csv").write_text(FILE, "utf-8")
    keys = [f"--ratings={tmp_path}/log.csv", f"--cache_dir={tmp_path}/cache"]
    keys += ["--min_item_records=0", "--min_user_records=0", f"--run_dir={tmp_path}/run"]
    keys += ["--valid_num_ngs=2", "--test_num_ngs=2", "--duplicates=all"]
    for flags, message in (
        ([f"--item_features={tmp_path}/none.csv"], "none.csv: no such file"),
        (
            [f"--item_features={tmp_path}/items.csv", "--iterator=released"],
            "item_features: iterator=released has the release's item ids",
        ),
    ):
        done = call("amazon", *keys, *flags)
        assert done.status == 2 and message in done.err, done.err
        assert "run" not in {name.split("/")[0] for name in tree(tmp_path)}
