"""Files that cannot be read: one clear message with file, line and remedy."""

import gzip

import pytest
from log_case import GOOD, HEADER, file, read, read_ratings, refused  # noqa: F401 (a fixture)

from recommenders_utils.errors import UserError


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
        ("who,what,how,moment", "no column for user_id, item_id, rating, timestamp"),
        ("user,item,rating,moment", "no column for timestamp among ['user', 'item'"),
        ("user,name,stars,ts", "no column for item_id"),
    ],
)
def test_unknown_columns(file, header, missing):
    refused(file(header + "\nu,i,3,100\n"), ":1: ", missing, "user_id,item_id,rating,timestamp")


@pytest.mark.parametrize("row", ["u,i,3", "u,i,3,100,x"])
def test_no_header_and_not_four_columns(file, row):
    refused(file(row + "\n"), ":1: no header", "user, item, rating, time", "add a header")


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


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "the file is empty"),
        (b"u,i,t,y\n", "is a header and no record follows"),
        (b"u,u,i,t,y\n1,2,3,4,5\n", "log.csv:1: two columns are named 'u'"),
        (b"justone\nrow\n", "1 columns between"),
        (b"u,i,t,y\na,b,1,1\n\xff\xfe,b,1,1\n", "not UTF-8"),
        (b'u,i,t,y\na,b,1,1\na,"b,1,1\n', "log.csv:3: a quote is not closed"),
        (gzip.compress(b"u,i,t,y\na,b,1,1\n" * 99)[:-12], "gzip data is truncated or damaged"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path, {"label": "y"})
    assert message in str(caught.value) and str(path) in str(caught.value)
