"""A small gzip of endless blank lines is refused at once, wherever they are; some are nobody's business."""

import gzip
import time

import pytest
from log_case import read_ratings

from recommenders_utils.errors import UserError

HEAD = "user,item,rating,time\n"
ROWS = "".join(f"u{k % 3},i{k % 5},4,{k}\n" for k in range(30))
MANY = "\n" * (1 << 20)


def packed(tmp_path, *parts):
    path = tmp_path / "log.csv.gz"
    with gzip.open(str(path), "wt", compresslevel=1) as stream:
        for part in parts:
            stream.write(part)
    return str(path)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([MANY] * 70, "blank lines at its beginning"),
        ([HEAD, *[MANY] * 70], "blank lines at its beginning"),
        ([HEAD, ROWS, *[MANY] * 70, ROWS], "MiB of blank lines together"),
        ([HEAD, ROWS, *["\r\n" * (1 << 20)] * 40], "MiB of blank lines together"),
        ([HEAD, ROWS, *[" \n" * (1 << 20)] * 40], "MiB of blank lines together"),
    ],
    ids=["all", "after the header", "within", "returns", "spaces"],
)
def test_endless_blank_lines(tmp_path, parts, message):
    path = packed(tmp_path, *parts)
    begun = time.process_time()
    with pytest.raises(UserError, match=message):
        read_ratings(path)
    assert time.process_time() - begun < 20


def test_some_blank_lines_are_passed_over(tmp_path):
    plain, _ = read_ratings(packed(tmp_path, HEAD, ROWS))
    blank = "\n" * 5000
    found, _ = read_ratings(packed(tmp_path, blank, HEAD, blank, ROWS, blank * 4))
    assert len(plain) == 30 and found.equals(plain)
