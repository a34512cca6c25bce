"""Every kind of feedback, to labels."""

import numpy as np
import pytest
from log_case import read, rows, write

from recommenders_utils.errors import UserError


@pytest.mark.parametrize(
    "keys, header, fields, expected",
    [
        ({"label": "y"}, "y", ["1", "0", "1.0", "true", "FALSE"], [1, 0, 1, 1, 0]),
        ({"rating": "y"}, "y", ["1", "3", "3.5", "4", "5"], [0, 0, 1, 1, 1]),
        ({"watch_ratio": "y"}, "y", ["0", "3", "3.01", "9", "70"], [0, 0, 1, 1, 1]),
        (
            {"play": "p", "duration": "d"},
            "p,d",
            ["9,3", "10,3", "0,3", "8,2", "7,1"],
            [0, 1, 0, 1, 1],
        ),
        ({"feedback": "y - 2"}, "y", ["1", "3", "4", "0", "2.5"], [0, 1, 1, 0, 1]),
        ({"positive": "y", "negative": "1 - y"}, "y", list("10110"), [1, 0, 1, 1, 0]),
    ],
)
def test_every_kind_of_feedback(tmp_path, keys, header, fields, expected):
    lines = [f"u{k},i{k},{100 + k},{field}" for k, field in enumerate(fields)]
    records, report = read(write(tmp_path, "\n".join([f"u,i,t,{header}", *lines])), keys)
    assert records.labels.tolist() == expected and records.labels.dtype == np.int8
    assert (report["kept"], report["malformed"], report["dropped"]) == (5, {}, {})


LIKES = "u,i,t,like,hate\na,w,1,1,0\na,x,2,0,0\nb,y,3,1,1\nb,z,4,0,1\nc,w,5,0,0\n"


@pytest.mark.parametrize(
    "keys", [{"feedback": "like - hate"}, {"positive": "like", "negative": "hate"}]
)
def test_neither_and_both_are_dropped_and_counted(tmp_path, keys):
    path = write(tmp_path, LIKES)
    records, report = read(path, keys)
    assert rows(records) == [("a", "w", 1, 1), ("b", "z", 0, 4)]
    assert records.item_ids.tolist() == ["w", "z"]  # of what is kept
    assert report["dropped"] == {
        "neither positive nor negative": {"count": 2, "first_line": 3},
        "positive and negative at once": {"count": 1, "first_line": 4},
    }
    assert report["rows"] == 5
    for choice, label in (("negative", 0), ("positive", 1)):
        records, _ = read(path, {**keys, "conflict": choice})
        assert rows(records)[1] == ("b", "y", label, 3)
    with pytest.raises(UserError, match=r"log.csv:4: positive and negative at once"):
        read(path, {**keys, "conflict": "malformed"})


def test_a_duration_of_zero(tmp_path):
    path = write(tmp_path, "u,i,t,p,d\na,w,1,8,2\na,x,2,5,0\nb,y,3,0,0\nb,z,4,1,2\n")
    keys = {"play": "p", "duration": "d"}
    records, report = read(path, keys)
    assert records.labels.tolist() == [1, 0]
    assert report["dropped"] == {"duration of 0": {"count": 2, "first_line": 3}}
    assert read(path, {**keys, "zero_duration": "positive"})[0].labels.tolist() == [1, 1, 1, 0]
    assert read(path, {**keys, "zero_duration": "negative"})[0].labels.tolist() == [1, 0, 0, 0]
    with pytest.raises(UserError, match=r"log.csv:3: duration of 0"):
        read(path, {**keys, "zero_duration": "malformed"})


def test_finish_and_dwell_are_kept_per_record(tmp_path):
    path = write(tmp_path, "u,i,t,p,d,y\na,w,1,8,2,1\na,x,2,5,0,0\nb,y,3,1,4,1\n")
    keys = {"label": "y", "finish": "d > 0 and p >= d", "dwell": "p / 4"}
    records, _ = read(path, keys)
    assert {k: v.tolist() for k, v in records.extras.items()} == {
        "finish": [1, 0, 0],
        "dwell": [2, 1.25, 0.25],
    }
    assert records.extras["dwell"].dtype == np.float32
    with pytest.raises(UserError, match=r"log.csv:3: dwell: p / d gives inf"):
        read(path, {"label": "y", "dwell": "p / d"})
    assert read(path, {"label": "y", "dwell": "nowhere"})[0].extras == {}
