"""Reading in blocks: the size of a block bounds the memory and changes nothing."""

import gzip
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_case import read_ratings

from recommenders_utils.errors import UserError

FIELD = st.sampled_from(["u1", "u2", "u 3", '"a,b"', '"two\nlines"', "é"])
LINES = st.lists(
    st.tuples(FIELD, FIELD, st.sampled_from(["1", "3.5", "5"]), st.integers(0, 2 * 10**9)),
    min_size=1,
    max_size=9,
)


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
