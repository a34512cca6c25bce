"""Reading logs of any layout: expressions, times, feedback, malformed rows, chunks."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_case import read

from recommenders_utils.dataset import filtering
from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import Texts
from recommenders_utils.reading.expressions import Expression
from recommenders_utils.reading.times import AUTO, BAD, Times


def write(folder, text, name="log.csv"):
    path = folder / name
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def rows(records):
    return list(
        zip(
            records.user_ids[records.users],
            records.item_ids[records.items],
            records.labels.tolist(),
            records.times.tolist(),
        )
    )


# Expressions.


@pytest.mark.parametrize(
    "text, expected",
    [
        ("like - hate", [1, -1, 0, 0]),
        ("2 * like + -hate / 2", [2, -0.5, 1.5, 0]),
        ("like and not hate", [1, 0, 0, 0]),
        ("like or hate", [1, 1, 1, 0]),
        ("(like > 0) + (hate > 0)", [1, 1, 2, 0]),
        ("0 <= like < hate", [0, 1, 0, 0]),
        ("like == hate", [0, 0, 1, 1]),
        ("like != hate", [1, 1, 0, 0]),
        ("hate / like", [0, np.inf, 1, np.nan]),
        ("3", [3, 3, 3, 3]),
        ("`like`>=.5", [1, 0, 1, 0]),
    ],
)
def test_expressions(text, expected):
    columns = {"like": np.array([1.0, 0, 1, 0]), "hate": np.array([0.0, 1, 1, 0])}
    values = Expression(text).evaluate(columns)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "like.real",
        "like ** 9",
        "like[0]",
        "'a' + like",
        "True",
        "lambda: 1",
        "like if hate else 0",
        "like; hate",
        "like in hate",
        "~like",
        "1e999",
        "[like]",
        "",
        "like -",
        "like + " * 99 + "1",
        "(" * 99 + "like",
    ],
)
def test_what_is_no_expression_is_refused(text):
    with pytest.raises(UserError, match="mine: feedback"):
        Expression(text, "mine: feedback")


NAMES = {"a": 2.0, "b": -0.5, "c_1": 0.0}
TREES = st.recursive(
    st.sampled_from([*NAMES, "7", "0.25"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map("({0[0]} {0[1]} {0[2]})".format),
        st.tuples(inner, st.sampled_from(["<", ">=", "=="]), inner).map(
            "(({0[0]} {0[1]} {0[2]}) * 1)".format
        ),
        inner.map("(-{})".format),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_arithmetic_is_pythons(text):
    columns = {name: np.array([value]) for name, value in NAMES.items()}
    assert Expression(text).evaluate(columns)[0] == eval(text, {}, dict(NAMES))  # of our own making


def test_names_in_an_expression():
    assert Expression("`play time` > 2 and b - `play time`").columns == ["play time", "b"]


# Times.


def times_of(texts, unit="auto", offset=0.0):
    times = Times(AUTO if unit == "auto" else (unit,), offset)
    seconds, units = times.read(Texts.of(np.array(texts, dtype=object)))
    return seconds, np.array(["" if code == BAD else times.units[code] for code in units])


def test_units_are_told_by_size():
    seconds, units = times_of(
        ["1649581149", "1649581149287", "1649581149287123", "1649581149287123999", "20220410", "0"]
    )
    assert seconds.tolist() == [
        1649581149.0,
        1649581149.287,
        1649581149.287123,
        1649581149.287123,
        1649548800.0,
        0.0,
    ]
    assert units.tolist() == [
        *("seconds", "milliseconds", "microseconds", "nanoseconds", "yyyymmdd", "seconds")
    ]


def test_dates_without_a_zone_are_of_the_offset():
    texts = [
        "2022-04-10 08:59:09",
        "2022-04-10",
        "2022-04-10T08:59:09.5Z",
        "2022-04-10 08:59+03:00",
    ]
    here = times_of(texts)[0]
    there = times_of(texts, offset=8)[0]
    assert (here - there).tolist() == [8 * 3600, 8 * 3600, 0, 0]
    assert here.tolist() == [1649581149.0, 1649548800.0, 1649581149.5, 1649570340.0]
    # One date that does not exist changes no other.
    odd, units = times_of([*texts, "2022-02-30", "yesterday", "", "nan", "-5", "1e30"])
    assert odd[:4].tolist() == here.tolist() and np.isnan(odd[4:]).all()
    assert units[4:].tolist() == [""] * 6


def test_day_numbers():
    seconds, _ = times_of(["0", "14", "-3", "x"], "days", 8)
    assert seconds[:2].tolist() == [-8 * 3600, 14 * 86400 - 8 * 3600]
    assert np.isnan(seconds[2:]).all()


def test_a_unit_that_is_not_the_logs():
    assert np.isnan(times_of(["1649581149287"], "seconds")[0]).all()
    assert np.isnan(times_of(["1649581149"], "milliseconds")[0]).all()


def test_mixed_units_are_refused_with_both_lines(tmp_path):
    path = write(tmp_path, "u,i,t,y\na,x,1649581149,1\n\nb,y,1649581149,0\nc,z,1649581149287,1\n")
    with pytest.raises(UserError) as caught:
        read(path, {"label": "y"})
    assert "log.csv:5: the time 1649581149287 is in milliseconds, but line 2" in str(caught.value)


# Feedback.


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


# Rows.


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
    "name, delimiter", [("a.csv", ","), ("a.tsv", "\t"), ("a.dat", "::"), ("a.csv.gz", ";")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dress(tmp_path, name, delimiter, end):
    table = [["u:token", "more", "i:token", "t:float", "y:float"]]
    table += [["a", "", "w", "3", "1"], ["é", "z", "x", "2", "0"], [], ["a", "q", "x", "1", "1"]]
    text = end.join(delimiter.join(row) for row in table)
    records, report = read(write(tmp_path, text, name), {"label": "y"})
    assert rows(records) == [("a", "w", 1, 3), ("é", "x", 0, 2), ("a", "x", 1, 1)]
    assert report["compressed"] == name.endswith(".gz") and report["header"]


def test_a_double_delimiter_is_taken_as_one(tmp_path):
    text = "1::2::5::978300760\n1::3:4::5::978300761\n1::4::5::5::7\n2::3::4::978300762\n"
    keys = {"columns": ["u", "i", "y", "t"], "rating": "y"}
    with pytest.raises(UserError, match=r"log.csv:3: 5 columns, expected 4"):
        read(write(tmp_path, text), keys)
    records, _ = read(write(tmp_path, text), keys, max_malformed=0.4)
    assert rows(records) == [
        ("1", "2", 1, 978300760),
        ("1", "3:4", 1, 978300761),
        ("2", "3", 1, 978300762),
    ]


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


IDS = st.sampled_from(["a", "b", "é", "a b", "007", "7", ""])
CELLS = st.sampled_from(["0", "1", "1", "0", "true", "x", "", "2"])
CLOCK = st.sampled_from(["1649581149287", "1649581149288", "1649581149287", "", "then"])
LOGS = st.lists(st.tuples(IDS, IDS, CLOCK, CELLS, CELLS), min_size=1, max_size=14)


@settings(max_examples=40, deadline=None)
@given(log=LOGS, chunk=st.integers(1, 15), overlong=st.sets(st.integers(0, 13)))
def test_any_size_of_chunk_gives_the_same(tmp_path_factory, log, chunk, overlong):
    folder = tmp_path_factory.getbasetemp()
    lines = [",".join(row) + ",extra" * (k in overlong) for k, row in enumerate(log)]
    path = write(folder, "\n".join(["u,i,t,like,hate", *lines]) + "\n", "chunks.csv")
    keys = {"feedback": "like - hate", "dwell": "like / 3", "missing_time": "drop"}

    def whole(size):
        try:
            records, report = read(path, keys, size, max_malformed=0.9)
        except UserError as error:
            return str(error)
        extras = {k: v.tolist() for k, v in records.extras.items()}
        return [part.tolist() for part in records[:-1]], extras, report

    assert whole(chunk) == whole(1000)


@pytest.mark.parametrize(
    "which, kept",
    [
        ("first", [0, 1, 4]),
        ("last", [1, 3, 4]),
        ("earliest", [1, 2, 4]),
        ("latest", [1, 3, 4]),
        ("all", [0, 1, 2, 3, 4]),
    ],
)
def test_repetitions(which, kept):
    users, items, times = [0, 0, 0, 0, 1], [3, 1, 3, 3, 3], np.array([5, 9, 2, 5, 0])
    found = filtering.one_of_pairs(np.array(users), np.array(items), times, which)
    assert np.flatnonzero(found).tolist() == kept


def test_an_unknown_choice_of_repetitions():
    with pytest.raises(UserError, match="duplicates: 'best' is unknown, expected one of first"):
        filtering.one_of_pairs(np.zeros(1), np.zeros(1), np.zeros(1), "best")
