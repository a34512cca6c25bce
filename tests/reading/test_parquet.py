"""Parquet logs. Skips and says so where pyarrow is missing (`pip install dfar-tf[parquet]`)."""

import builtins
import datetime
import importlib.util

import numpy as np
import pytest
from log_case import read, rows, settings_of

from dfar_tf.paths import ADAPTERS
from recommenders_utils.errors import UserError
from recommenders_utils.reading.recognise import choose, ratings
from recommenders_utils.reading.records import RecordReader

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None,
    reason="pyarrow is not installed (pip install dfar-tf[parquet])",
)
LIKED = {"label": "y"}


def written(folder, columns, name="log.parquet", **options):
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = folder / name
    parquet.write_table(pa.table(columns), str(path), **options)
    return path


def test_without_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 40)
    original = builtins.__import__

    def refused(name, *arguments, **options):
        if name.split(".")[0] == "pyarrow":
            raise ImportError("No module named 'pyarrow'")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refused)
    with pytest.raises(UserError) as caught:
        choose(str(path), None, ADAPTERS)
    said = str(caught.value)
    assert f"{path}: is a Parquet file, which needs pyarrow" in said
    assert "pip install dfar-tf[parquet]" in said and "CSV" in said


@needs_pyarrow
def test_the_same_records_as_from_text(tmp_path):
    random = np.random.RandomState(0)
    columns = {
        "u": random.randint(9, size=500),
        "i": [f"i{k}" for k in random.randint(30, size=500)],
        "t": random.randint(10**9, 10**9 + 99, size=500),
        "y": random.randint(2, size=500),
        "unused": [None] * 500,
    }
    path = written(tmp_path, columns, row_group_size=70)
    lines = zip(*(columns[name] for name in "uity"))
    text = tmp_path / "log.csv"
    text.write_text("u,i,t,y\n" + "".join(",".join(map(str, line)) + "\n" for line in lines))
    ours, theirs = (read(each, {**LIKED, "dwell": "t / 2"}) for each in (path, text))
    for mine, other in zip(ours[0][:6], theirs[0][:6]):
        assert mine.dtype == other.dtype and np.array_equal(mine, other)
    assert np.array_equal(ours[0].extras["dwell"], theirs[0].extras["dwell"])
    assert ours[1]["delimiter"] == "none, Parquet" and ours[1]["kept"] == 500


@needs_pyarrow
def test_types(tmp_path):
    import pyarrow as pa

    moments = [datetime.datetime(2020, 1, 1, hour) for hour in (0, 1)]
    for times, keys in (
        (pa.array(moments, pa.timestamp("ms")), {}),
        (pa.array(moments, pa.timestamp("ns", "UTC")), {"time_unit": "milliseconds"}),
        (pa.array([1577836800, 1577840400], pa.uint32()), {}),
        (pa.array([1577836800.0, 1577840400.0]), {"time_unit": "seconds"}),
    ):
        columns = {
            "u": pa.array([7, None], pa.int64()),
            "i": pa.array([b"a", b"b"]),
            "t": times,
            "y": pa.array([True, False]),
            "e": pa.array(["like", None]).dictionary_encode(),
            "r": pa.array([0.5, None]),
        }
        path = written(tmp_path, columns)
        keys = {**LIKED, "dwell": '(e == "like") + r', "missing_number": "zero", **keys}
        records, report = read(path, keys, max_malformed=0.5)
        assert rows(records) == [("7", "a", 1, 1577836800)]
        assert records.extras["dwell"].tolist() == [1.5]
        assert report["malformed"] == {"empty user or item id": {"count": 1, "first_line": 2}}
    days = written(tmp_path, {**columns, "u": [1, 1], "t": [datetime.date(1970, 1, 2)] * 2})
    assert read(days, LIKED)[0].times.tolist() == [86400, 86400]
    since = {**columns, "u": [1, 1], "t": [datetime.timedelta(days=3, seconds=k) for k in (1, 2)]}
    assert read(written(tmp_path, since), LIKED)[0].times.tolist() == [259201, 259202]


@needs_pyarrow
def test_a_time_that_is_missing(tmp_path):
    path = written(tmp_path, {"u": [1, 1], "i": [1, 2], "t": [5.0, None], "y": [1, 0]})
    assert len(read(path, {**LIKED, "missing_time": "drop"})[0].users) == 1
    with pytest.raises(UserError, match=r"log\.parquet:2: time nan is not a time"):
        read(path, LIKED)


@needs_pyarrow
def test_lists_are_exploded(tmp_path):
    columns = {
        "u": [1, 2, 3, 4],
        "i": [[5, 6], [], [7], [8, 9]],
        "t": [[10, 11], [], [12], [13]],
        "y": [[1, 0], [], [0], [1, 1]],
    }
    path = written(tmp_path, columns)
    records, report = read(path, LIKED, max_malformed=0.5)
    assert rows(records) == [("1", "5", 1, 10), ("1", "6", 0, 11), ("3", "7", 0, 12)]
    assert report["dropped"] == {"empty list": {"count": 1, "first_line": 2}}
    assert report["malformed"] == {"lists of different lengths": {"count": 1, "first_line": 4}}


@needs_pyarrow
def test_yambda_sequential(tmp_path):
    """One row a user, as `sequential/50m/multi_event.parquet` has it."""
    columns = {
        "uid": [100],
        "timestamp": [[39420, 39425, 39430]],
        "item_id": [[6, 7, 8]],
        "is_organic": [[0, 1, 1]],
        "event_type": [["listen", "dislike", "like"]],
        "played_ratio_pct": [[100, None, None]],
        "track_length_seconds": [[180, None, None]],
    }
    layout, form, adapter = choose(str(written(tmp_path, columns)), None, ADAPTERS)
    assert adapter.name == "yambda"
    records, _ = RecordReader(layout, form).read(settings_of())
    assert rows(records) == [
        ("100", "6", 1, 39420),
        ("100", "7", 0, 39425),
        ("100", "8", 1, 39430),
    ]


@needs_pyarrow
def test_vk_lsvd_weeks(tmp_path):
    flags = ("like", "dislike", "share", "bookmark", "click_on_author", "open_comments")
    layouts = []
    for week in range(2):
        columns = {"user_id": [7, 8], "item_id": [41 + week, 40], "timespent": [38, 3]}
        path = written(
            tmp_path, {**columns, **{flag: [False] * 2 for flag in flags}}, f"week_0{week}.parquet"
        )
        layout, form, adapter = choose(str(path), None, ADAPTERS)
        assert adapter.name == "vk_lsvd"
        layouts.append(layout)
    records, _ = RecordReader(layouts, form).read(settings_of())
    assert rows(records) == [
        ("7", "41", 1, 0),
        ("8", "40", 0, 1),
        ("7", "42", 1, 2),
        ("8", "40", 0, 3),
    ]


@needs_pyarrow
def test_ratings(tmp_path):
    columns = {"reviewerID": ["a"], "asin": ["b"], "overall": [4.0], "unixReviewTime": [77]}
    layout, form = ratings(str(written(tmp_path, columns)))
    records, _ = RecordReader(layout, form).read(settings_of())
    assert rows(records) == [("a", "b", 1, 77)]


@needs_pyarrow
def test_what_is_refused(tmp_path):
    good = {"u": [1], "i": [1], "t": [5], "y": [1]}
    with pytest.raises(UserError, match="the file has no row"):
        read(written(tmp_path, {name: [] for name in good}), LIKED)
    with pytest.raises(UserError, match="column y holds struct<a: int64>, expected a value"):
        read(written(tmp_path, {**good, "y": [{"a": 1}]}), LIKED)
    with pytest.raises(UserError, match=r"Its columns: u, i, t, z\."):
        choose(str(written(tmp_path, {"u": [1], "i": [1], "t": [5], "z": [1]})), None, ADAPTERS)
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(written(tmp_path, good).read_bytes()[:-60])
    with pytest.raises(UserError, match=r"damaged\.parquet: cannot be read as Parquet: "):
        read(damaged, LIKED)
