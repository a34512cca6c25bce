"""Reading in blocks: the size of a block bounds the memory and changes nothing."""

import gzip
import io
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_case import read_ratings

from recommenders_utils.errors import UserError
from recommenders_utils.reading import text as bounded_text
from recommenders_utils.reading.columns import Texts
from recommenders_utils.reading.ids import Vocabulary
from recommenders_utils.reading.layout import Layout
from recommenders_utils.reading.text import text_blocks

FIELD = st.sampled_from(["u1", "u2", "u 3", '"a,b"', '"two\nlines"', "é"])
LINES = st.lists(
    st.tuples(FIELD, FIELD, st.sampled_from(["1", "3.5", "5"]), st.integers(0, 2 * 10**9)),
    min_size=1,
    max_size=9,
)


def layout(path, first_line=1):
    return Layout(path, False, ",", None, 0, 2, first_line, [])


def write(path, text, compressed=False):
    with open(path, "wb") as stream:
        content = text.encode()
        stream.write(gzip.compress(content) if compressed else content)


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(1, 90), st.booleans(), st.booleans(), st.sampled_from(["", "\n", "\n\n"]))
def test_any_block_size_gives_the_same_records(lines, size, compressed, header, end):
    text = "\n".join(",".join(map(str, line)) for line in lines) + end
    if header:
        text = "user_id,item_id,rating,timestamp\n" + text
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log.csv")
        write(path, text, compressed)
        try:
            whole, report = read_ratings(path)
        except UserError as error:  # ids with a line break
            with pytest.raises(UserError) as again:
                read_ratings(path, block_bytes=size)
            assert str(again.value) == str(error)
            return
        parts, parts_report = read_ratings(path, block_bytes=size)
    assert report == parts_report
    for name in whole:
        assert np.array_equal(np.asarray(whole[name]), np.asarray(parts[name]))
    for name in ("user_id", "item_id"):
        assert list(whole[name].cat.categories) == list(parts[name].cat.categories)


@pytest.mark.parametrize("size", [1, 10, 20, 33, 1000])
def test_a_row_that_is_too_long_is_found_wherever_a_block_begins(tmp_path, size):
    path = tmp_path / "log.csv"
    rows = ["u1,i1,5,10", "u2,i2,4,11", "u3,i3,3,12", "u4,i4,3,13,extra", "u5,i5,2,14"]
    write(path, "\n".join(rows) + "\n")
    frame, report = read_ratings(str(path), max_malformed=0.5, block_bytes=size)
    assert list(frame["user_id"]) == ["u1", "u2", "u3", "u5"]
    assert report["malformed"]["wrong number of columns"] == {"count": 1, "first_line": 4}


def test_the_fast_way_is_taken_for_a_plain_log(tmp_path):
    path = tmp_path / "log.csv"
    write(path, "".join(f"u{k % 3},i{k % 5},{1 + k % 5},{k}\n" for k in range(40)))
    frame, _ = read_ratings(path, block_bytes=30, careful=lambda _: pytest.fail("row by row"))
    assert len(frame) == 40
    assert list(frame["item_id"].cat.categories) == ["i0", "i1", "i2", "i3", "i4"]
    assert frame["timestamp"].tolist() == list(range(40))


def test_blocks_join_to_the_file_and_end_where_records_do(tmp_path):
    text = 'a,1\n"b\nb",2\nc,3'
    write(tmp_path / "plain.csv", text)
    path = str(tmp_path / "plain.csv")
    assert list(text_blocks(layout(path), 5)) == [
        (b"a,1\n", 1, 1),
        (b'"b\nb",2\n', 2, 2),
        (b"c,3", 4, 1),
    ]
    assert list(text_blocks(layout(path, 2), 3)) == [
        (b'"b\nb",2\n', 2, 2),
        (b"c,3", 4, 1),
    ]


def test_an_endless_record_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_text, "LONGEST_RECORD", 64)
    write(tmp_path / "open.csv", 'a,"1\n' + "b,2\n" * 50)
    with pytest.raises(UserError, match=r"open.csv:1: a line of over.* a quote that is not closed"):
        list(text_blocks(layout(str(tmp_path / "open.csv")), 8))


@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5), max_size=4))
def test_vocabulary_numbers_by_first_appearance(parts):
    import pandas as pd

    plain, categorical = Vocabulary(), Vocabulary()
    codes, again = [], []
    for part in parts:
        rows = np.arange(len(part))
        codes.append(plain.codes(Texts.of(np.array(part, object)), rows))
        text = io.StringIO("\n".join(part))
        column = pd.read_csv(text, header=None, dtype="category", na_filter=False)[0].cat
        column = Texts(column.codes.to_numpy(), column.categories.to_numpy(object))
        again.append(categorical.codes(column, rows))
    flat = [each for part in parts for each in part]
    expected, ids = pd.factorize(np.array(flat, object))
    assert np.array_equal(np.concatenate([*codes, []]), expected)
    assert np.array_equal(np.concatenate([*again, []]), expected)
    assert list(plain.array()) == list(categorical.array()) == list(ids)
