"""Reading logs: every layout gives the same rows back."""

import codecs
import csv
import gzip
import io
import os
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_case import read, read_ratings, rows
from log_case import write as write_log

from recommenders_utils.errors import UserError

IDS = st.text("abzAZ019-_.éß漢 ,;\"'|", min_size=1, max_size=6).filter(lambda t: t == t.strip())
ROWS = st.lists(
    st.tuples(
        IDS,
        IDS,
        st.sampled_from(["1", "2.0", "3.5", "4", "5.0", "4.25"]),
        st.integers(0, 4102444800),
    ),
    min_size=1,
    max_size=12,
)
NAMES = {
    "user_id": ["user_id", "USER", "uid", "userId", "reviewerID", "user_id:token"],
    "item_id": ["item_id", "Item", "asin", "movieId", "product_id", "item_id:token"],
    "rating": ["rating", "score", "Stars", "overall", "rating:float"],
    "timestamp": ["timestamp", "time", "ts", "unixReviewTime", "timestamp:float"],
}


def write(path, text, compressed=False, bom=False):
    content = (codecs.BOM_UTF8 if bom else b"") + text.encode("utf-8")
    with open(path, "wb") as stream:
        stream.write(gzip.compress(content) if compressed else content)


def read_text(text, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "r.csv")
        write(path, text)
        return read_ratings(path, **options)


def rows_of(frame):
    return list(
        zip(
            frame["user_id"].astype(str),
            frame["item_id"].astype(str),
            frame["rating"],
            frame["timestamp"],
        )
    )


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, data=st.data())
def test_round_trip(rows, data):
    delimiter = data.draw(st.sampled_from(",\t;"))
    header = data.draw(st.booleans())
    roles = list(NAMES)
    if header:
        roles = data.draw(st.permutations(roles))
    columns = dict(zip(NAMES, zip(*rows)))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    if header:
        extra = data.draw(st.booleans())
        names = [data.draw(st.sampled_from(NAMES[role])) for role in roles]
        writer.writerow(names + ["review text"] * extra)
        for k in range(len(rows)):
            writer.writerow([columns[role][k] for role in roles] + ["x y"] * extra)
    else:
        writer.writerows(rows)
    compressed, bom = data.draw(st.booleans()), data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ratings")
        write(path, text.getvalue(), compressed, bom)
        frame, report = read_ratings(path)
        slow, slow_report = read_ratings(path, fast=lambda block: None)
    expected = [(u, i, float(r), t) for u, i, r, t in rows]
    assert rows_of(frame) == expected
    assert rows_of(slow) == expected and slow_report == report
    assert frame["timestamp"].dtype == np.int64
    assert report["rows"] == report["kept"] == len(rows) and report["malformed"] == {}
    assert report["header"] == header and report["compressed"] == compressed
    # Categories in order of first appearance: codes need no second pass.
    assert list(frame["user_id"].cat.categories) == list(dict.fromkeys(r[0] for r in rows))


def test_integer_like_ids_stay_text():
    frame, _ = read_text("007,0012,3,100\n7,12,4,101\n")
    assert rows_of(frame) == [("007", "0012", 3.0, 100), ("7", "12", 4.0, 101)]


def test_preferred_spelling_wins_and_extra_columns_are_ignored():
    frame, report = read_text(
        "date,user_id,video_id,label,rating,timestamp\n2020-01-01,u,v,0,4,1577836800\n"
    )
    assert rows_of(frame) == [("u", "v", 4.0, 1577836800)]
    assert report["columns"] == {
        "user_id": "user_id",
        "item_id": "video_id",
        "rating": "rating",
        "timestamp": "timestamp",
    }


def test_delimiter_is_the_one_that_leaves_a_rating_and_a_time():
    frame, report = read_text("a,b;c,d,e;3;1\n")
    assert report["delimiter"] == "semicolon"
    assert rows_of(frame) == [("a,b", "c,d,e", 3.0, 1)]


def test_double_colon_delimiter_and_blank_lines():
    frame, report = read_text("\n1::1193::5::978300760\n\n2::661::3::978302109\n  \n")
    assert rows_of(frame) == [("1", "1193", 5.0, 978300760), ("2", "661", 3.0, 978302109)]
    assert report["delimiter"] == "'::'"


def test_milliseconds_keep_their_order_within_a_second():
    frame, report = read_text("a,b,1,1577836800250\na,c,2,1577836800125\n")
    assert report["time_unit"] == "milliseconds"
    assert frame["timestamp"].tolist() == [1577836800.25, 1577836800.125]
    frame, _ = read_text("a,b,1,1577836800000\na,c,2,1577836801000\n")
    assert frame["timestamp"].dtype == np.int64
    assert frame["timestamp"].tolist() == [1577836800, 1577836801]


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("1970-01-02", 86400),
        ("2014-07-23 00:00:00", 1406073600),
        ("2014-07-23T00:00:01Z", 1406073601),
        ("2014-07-23 02:00:00+02:00", 1406073600),
        ("1406073600.0", 1406073600),
        ("1.4060736e9", 1406073600),
        ("1406073600.5", 1406073600.5),
    ],
)
def test_times(text, seconds):
    frame, _ = read_text(f"user,item,rating,datetime\na,b,1,{text}\n")
    assert frame["timestamp"].tolist() == [seconds]


def test_quoted_line_break_in_another_column_keeps_line_numbers():
    sound = '"two\nlines",u{0},i{0},3,{0}\n'
    text = "text,user,item,rating,time\n" + "".join(sound.format(k) for k in range(50))
    frame, report = read_text(text + "x,u,i,?,9\n" + sound.format(99), max_malformed=0.1)
    assert len(frame) == 51
    assert report["malformed"] == {"rating is not a number": {"count": 1, "first_line": 102}}


def test_real_log(shared):
    frame, report = read_ratings(str(shared / "data" / "amazon_toys_5core.tsv.gz"))
    assert len(frame) == report["kept"] == 167597
    assert frame["user_id"].nunique() == 19412 and frame["item_id"].nunique() == 11924
    assert int((frame["rating"] > 3).sum()) == 140235


def test_real_log_with_dates(shared):
    path = str(shared / "data" / "kuairand_like_hate.tsv.gz")
    frame, report = read_ratings(path, rating_min=0, rating_max=1)
    assert len(frame) == 41828 and frame["user_id"].nunique() == 664
    assert report["columns"]["rating"] == "label"
    days = np.unique(frame["timestamp"] // 86400) * 86400
    assert str(np.datetime64(int(days[0]), "s"))[:10] == "2022-04-07"
    assert str(np.datetime64(int(days[-1]), "s"))[:10] == "2022-04-21"


@pytest.mark.parametrize(
    "name, delimiter", [("a.csv", ","), ("a.tsv", "\t"), ("a.dat", "::"), ("a.csv.gz", ";")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_dress(tmp_path, name, delimiter, end):
    table = [["u:token", "more", "i:token", "t:float", "y:float"]]
    table += [["a", "", "w", "3", "1"], ["é", "z", "x", "2", "0"], [], ["a", "q", "x", "1", "1"]]
    text = end.join(delimiter.join(row) for row in table)
    records, report = read(write_log(tmp_path, text, name), {"label": "y"})
    assert rows(records) == [("a", "w", 1, 3), ("é", "x", 0, 2), ("a", "x", 1, 1)]
    assert report["compressed"] == name.endswith(".gz") and report["header"]


def test_a_double_delimiter_is_taken_as_one(tmp_path):
    text = "1::2::5::978300760\n1::3:4::5::978300761\n1::4::5::5::7\n2::3::4::978300762\n"
    keys = {"columns": ["u", "i", "y", "t"], "rating": "y"}
    with pytest.raises(UserError, match=r"log.csv:3: 5 columns, expected 4"):
        read(write_log(tmp_path, text), keys)
    records, _ = read(write_log(tmp_path, text), keys, max_malformed=0.4)
    assert rows(records) == [
        ("1", "2", 1, 978300760),
        ("1", "3:4", 1, 978300761),
        ("2", "3", 1, 978300762),
    ]


SOME_IDS = st.sampled_from(["a", "b", "é", "a b", "007", "7", ""])
CELLS = st.sampled_from(["0", "1", "1", "0", "true", "x", "", "2"])
CLOCK = st.sampled_from(["1649581149287", "1649581149288", "1649581149287", "", "then"])
LOGS = st.lists(st.tuples(SOME_IDS, SOME_IDS, CLOCK, CELLS, CELLS), min_size=1, max_size=14)


@settings(max_examples=40, deadline=None)
@given(say=LOGS, chunk=st.integers(1, 15), overlong=st.sets(st.integers(0, 13)))
def test_any_size_of_chunk_gives_the_same(tmp_path_factory, say, chunk, overlong):
    folder = tmp_path_factory.getbasetemp()
    lines = [",".join(row) + ",extra" * (k in overlong) for k, row in enumerate(say)]
    path = write_log(folder, "\n".join(["u,i,t,like,hate", *lines]) + "\n", "chunks.csv")
    keys = {"feedback": "like - hate", "dwell": "like / 3", "missing_time": "drop"}

    def whole(size):
        try:
            records, report = read(path, keys, size, max_malformed=0.9)
        except UserError as error:
            return str(error)
        extras = {k: v.tolist() for k, v in records.extras.items()}
        return [part.tolist() for part in records[:-1]], extras, report

    assert whole(chunk) == whole(1000)
