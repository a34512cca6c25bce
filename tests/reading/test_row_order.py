"""Logs without times, sessions as users, formats of times, numbers that are missing."""

import pytest
from log_case import read, rows, write

from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.errors import UserError

ORDERED = {"time": "row_order", "label": "y"}


@pytest.mark.parametrize("tie_order", ["file", "item"])
def test_the_order_of_the_file_is_kept(tmp_path, tie_order):
    path = write(tmp_path, "u,i,y\nb,9,1\na,5,0\nb,5,1\na,9,1\nb,1,0\n")
    records, report = read(path, ORDERED, block_bytes=20)
    assert rows(records) == [
        ("b", "9", 1, 0),
        ("a", "5", 0, 1),
        ("b", "5", 1, 2),
        ("a", "9", 1, 3),
        ("b", "1", 0, 4),
    ]
    assert report["time_unit"] == "row_order"
    store = sequences(*records[:4], records.user_ids, records.item_ids, tie_order)
    assert store.item_ids[store.items - 1].tolist() == ["9", "5", "1", "5", "9"]


def test_a_session_is_a_user(tmp_path):
    path = write(tmp_path, "session,i,t,y\ns1,a,1,1\ns2,a,2,0\ns1,b,3,1\n")
    records, _ = read(path, {"user": "session", "label": "y"})
    assert records.user_ids.tolist() == ["s1", "s2"] and records.users.tolist() == [0, 1, 0]


def test_times_in_a_format(tmp_path):
    path = write(tmp_path, "u,i,t,y\na,b,11/15/2019 10:22:32 AM,1\na,c,11/15/2019 11:22:32 PM,0\n")
    keys = {"time_format": "%m/%d/%Y %I:%M:%S %p", "label": "y"}
    records, report = read(path, keys)
    assert records.times.tolist() == [1573813352, 1573860152]
    assert read(path, keys, utc_offset_hours=1.0)[0].times.tolist() == [1573809752, 1573856552]
    assert report["time_unit"] == "format"
    whole = write(tmp_path, "u,i,t,y\na,b,2019111510,1\n", "hours.csv")
    assert read(whole, {**keys, "time_format": "%Y%m%d%H"})[0].times.tolist() == [1573812000]
    path = write(tmp_path, "u,i,t,y\na,b,2019-11-15,1\n", "other.csv")
    with pytest.raises(
        UserError, match="time '2019-11-15' is not a time, expected time_format %m/"
    ):
        read(path, keys)


def test_missing_numbers_as_zero(tmp_path):
    path = write(
        tmp_path, "u,i,t,e,r\na,b,1,like,\na,c,2,listen,80\na,d,3,listen,3\na,e,4,like,x\n"
    )
    keys = {"label": 'e == "like" or r > 50', "missing_number": "zero"}
    records, report = read(path, keys, max_malformed=0.5)
    assert records.labels.tolist() == [1, 1, 0]
    assert report["malformed"] == {"r is not a number": {"count": 1, "first_line": 5}}
    with pytest.raises(UserError, match="r is '', expected a number"):
        read(path, {"label": keys["label"]})


def test_feedback_of_words_that_say_nothing_is_none(tmp_path):
    path = write(tmp_path, "u,i,t,e\na,b,1,like\na,c,2,view\na,d,3,hate\n")
    keys = {"feedback": '(e == "like") - (e == "hate")', "conflict": "malformed"}
    records, report = read(path, keys)
    assert records.labels.tolist() == [1, 0]
    assert report["dropped"] == {"neither positive nor negative": {"count": 1, "first_line": 3}}
