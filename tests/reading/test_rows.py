"""Malformed rows are counted by kind and line, or refused with one clear message."""

import pytest
from log_case import GOOD, HEADER, file, read, read_ratings, refused, rows, write  # noqa: F401 (a fixture)

from recommenders_utils.errors import UserError


@pytest.mark.parametrize(
    "row, message",
    [
        ("a,x,2,1,9", "log.csv:3: 5 columns, expected 4"),
        ("a,x,2", "log.csv:3: y is '', expected a number"),
        ("a,,2,1", "log.csv:3: an id is empty"),
        ('a,"x\ny",2,1', "log.csv:3: an id contains a line break"),
        ("a,x,soon,1", "log.csv:3: time 'soon' is not a time"),
        ("a,x,2,one", "log.csv:3: y is 'one', expected a number"),
        ("a,x,2,inf", "log.csv:3: y is 'inf', expected a number"),
        ("a,x,2,2", "log.csv:3: the label is 2, expected 0 or 1"),
    ],
)
def test_malformed_rows(tmp_path, row, message):
    text = f"u,i,t,y\nb,w,1,0\n{row}\nc,x,5,1\n"
    with pytest.raises(UserError) as caught:
        read(write(tmp_path, text), {"label": "y"})
    assert message in str(caught.value) and "max_malformed=0 allows" in str(caught.value)
    records, report = read(write(tmp_path, text), {"label": "y"}, max_malformed=0.5)
    assert rows(records) == [("b", "w", 0, 1), ("c", "x", 1, 5)]
    ((_, found),) = report["malformed"].items()
    assert found == {"count": 1, "first_line": 3}


def test_lines_are_told_past_quoted_line_breaks(tmp_path):
    text = 'u,i,t,y,note\na,w,1,0,"two\nlines"\nb,x,2,7,\n'
    with pytest.raises(UserError, match=r"log.csv:4: the label is 7"):
        read(write(tmp_path, text), {"label": "y"})


def test_a_scale_is_kept(tmp_path):
    path = write(tmp_path, "u,i,t,y\na,w,1,9\n")
    with pytest.raises(UserError, match=r"log.csv:2: rating 9 is outside the scale 1 to 5"):
        read(path, {"rating": "y"})
    assert read(path, {"rating": "y"}, rating_max=10.0)[0].labels.tolist() == [1]


def test_a_log_of_which_nothing_is_left(tmp_path):
    with pytest.raises(UserError, match="no record is left, all were dropped: 1 neither"):
        read(write(tmp_path, "u,i,t,like\na,w,1,0\n"), {"feedback": "like"})


def test_missing_times(tmp_path):
    path = write(tmp_path, "u,i,t,y\na,w,,1\nb,x,NaN,0\nc,w,5.5,1\n")
    records, report = read(path, {"label": "y", "missing_time": "drop"})
    assert rows(records) == [("c", "w", 1, 5.5)]
    assert report["dropped"] == {"no time": {"count": 2, "first_line": 2}}
    with pytest.raises(UserError, match=r"log.csv:2: time '' is not a time"):
        read(path, {"label": "y"})


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
