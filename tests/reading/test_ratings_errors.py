"""Bad ratings files: one clear message with file, line and remedy; malformed rows are counted."""

import gzip

import pytest
from log_case import read_ratings

from recommenders_utils.errors import UserError

GOOD = "".join(f"u{k},i{k},{1 + k % 5},{1400000000 + k}\n" for k in range(200))
HEADER = "user_id,item_id,rating,timestamp\n"


def refused(path, *parts, **options):
    """The message, which names the file and has every part in it."""
    with pytest.raises(UserError) as caught:
        read_ratings(str(path), **options)
    message = str(caught.value)
    assert str(path) in message
    for part in parts:
        assert part in message, message
    assert "\n" not in message
    return message


@pytest.fixture
def file(tmp_path):
    def make(content):
        path = tmp_path / "my ratings.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return make


def test_no_file_and_folder(tmp_path):
    refused(tmp_path / "none.csv", "no such file")
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize("content", ["", "\n \n", gzip.compress(b"")])
def test_empty(file, content):
    refused(file(content), "the file is empty", "user_id,item_id,rating,timestamp")


def test_header_only(file):
    refused(file(HEADER + "\n\n"), "csv: line 1 is a header and no record follows")


@pytest.mark.parametrize(
    "header, missing",
    [
        ("who,what,how,when", "no column for user_id, item_id, rating, timestamp"),
        ("user,item,rating,when", "no column for timestamp among ['user', 'item'"),
        ("user,name,stars,ts", "no column for item_id"),
    ],
)
def test_unknown_columns(file, header, missing):
    refused(file(header + "\nu,i,3,100\n"), ":1: ", missing, "user_id,item_id,rating,timestamp")


@pytest.mark.parametrize("row", ["u,i,3", "u,i,3,100,x"])
def test_no_header_and_not_four_columns(file, row):
    refused(file(row + "\n"), ":1: no header", "user, item, rating, time", "add a header")


@pytest.mark.parametrize(
    "row, kind, detail",
    [
        ("u,i,good,100", "rating is not a number", "rating is 'good', expected a number"),
        ("u,i,,100", "rating is not a number", "rating is ''"),
        ("u,i,nan,100", "rating is not a number", "rating is 'nan'"),
        ("u,i,inf,100", "rating is not a number", "rating is 'inf'"),
        ("u,i,4,", "time is not a time", "time ''"),
        ("u,i,4,NaN", "time is not a time", "time 'NaN'"),
        ("u,i,4,-5", "time is not a time", "time '-5'"),
        ("u,i,4,1e15", "time is not a time", "time '1e15'"),
        ("u,i,4,2014-02-30", "time is not a time", "time '2014-02-30'"),
        (",i,4,100", "empty user or item id", "an id is empty"),
        ("u,,4,100", "empty user or item id", "an id is empty"),
        ('"u\nv",i,4,100', "control character in an id", "line break"),
        ("u,i,4", "wrong number of columns", "3 columns, expected 4"),
        ("u,i,4,100,9", "wrong number of columns", "5 columns, expected 4"),
        ("u", "wrong number of columns", "1 columns, expected 4"),
        (",,", "wrong number of columns", "3 columns, expected 4"),
        (",,,", "empty user or item id", "an id is empty"),
        ("u,i,10,100", "rating outside the scale", "rating 10 is outside the scale 1 to 5"),
        ("u,i,0.5,100", "rating outside the scale", "set rating_min"),
    ],
)
@pytest.mark.parametrize("header", [HEADER, ""])
def test_malformed_row(file, header, row, kind, detail):
    lines = GOOD.splitlines(True)
    text = header + "".join(lines[:150]) + row + "\n" + "".join(lines[150:])
    number = 151 + bool(header)
    frame, report = read_ratings(str(file(text)), max_malformed=0.01)
    assert len(frame) == 200 and "u" not in set(frame["user_id"])
    assert report["rows"] == 201
    assert report["malformed"] == {kind: {"count": 1, "first_line": number}}
    refused(
        file(text), f":{number}: ", detail, "1 of 201", "max_malformed=0.001", max_malformed=0.001
    )


def test_short_row_of_a_file_with_other_columns_behind(file):
    text = "user,item,rating,time,note\n" + GOOD.replace("\n", ",x\n")
    refused(file(text + "u,i,3,100\n"), ":202: 4 columns, expected 5", max_malformed=0)


def test_several_kinds_are_counted(file):
    text = GOOD + "u,i,x,1\nu,i,y,1\nu,i,3\n,i,3,1\nu,i,7,1\nu,i,3,soon\n"
    _, report = read_ratings(str(file(text)), max_malformed=0.05)
    assert {k: v["count"] for k, v in report["malformed"].items()} == {
        "rating is not a number": 2,
        "wrong number of columns": 1,
        "empty user or item id": 1,
        "rating outside the scale": 1,
        "time is not a time": 1,
    }
    message = refused(file(text), ":201: rating is 'x'", max_malformed=0.02)
    assert "6 of 206" in message and "rating is not a number: 2 (first on line 201)" in message


def test_wrong_scale_is_refused(file):
    text = "".join(f"u{k},i,{k % 11},100\n" for k in range(50))
    refused(file(text), ":1: rating 0 is outside the scale 1 to 5", "rating_min", "rating_max")
    assert len(read_ratings(str(file(text)), rating_min=0, rating_max=10)[0]) == 50


def test_all_rows_malformed_is_refused_whatever_is_allowed(file):
    refused(file("u,i,0,5\n" * 3), "3 of 3", max_malformed=1.0)


def test_unclosed_quote_counts_all_it_swallows(file):
    lines = GOOD.splitlines(True)
    text = "".join(lines[:20]) + '"u,i,3,100\n' + "".join(lines[20:])
    refused(file(text), ":21: ", "181 of 201")


def test_mixed_seconds_and_milliseconds(file):
    text = HEADER + GOOD + "u,i,3,1400000000000\n" + GOOD
    refused(
        file(text),
        ":202: the time 1400000000000 is in milliseconds",
        "line 2 has 1400000000, in seconds",
        "in one unit",
    )


def test_not_utf8(file):
    refused(file(GOOD.encode() + "é,i,3,100\n".encode("latin-1")), ":201: byte 0xe9", "UTF-8")
    refused(file(GOOD.encode("utf-16")), "UTF-16", "UTF-8")
    refused(file(gzip.compress(b"\xff\xfdu,i,3,100\n")), ":1: byte 0xff", "UTF-8")


def test_truncated_and_damaged_gzip(file):
    packed = gzip.compress((GOOD * 50).encode())
    refused(file(packed[: len(packed) // 2]), "gzip data is truncated or damaged")
    spoilt = bytearray(packed)
    spoilt[len(packed) // 2] ^= 255
    refused(file(bytes(spoilt)), "gzip data is truncated or damaged")


def test_binary(file):
    refused(file(b"u,i,3,100\n" + b"\0\1\2" * 50 + b"\n"), ":2: ")
