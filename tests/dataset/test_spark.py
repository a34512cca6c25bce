"""Spark and numpy prepare a log to the same bytes.

Comparisons skip and say so where PySpark (requirements/spark.txt) or Java is missing; the rest runs
anywhere. Most take Spark's jobs of seconds; they are run by
``bash run.sh test -m slow tests/dataset/test_spark.py``.
"""

import argparse
import gzip
import os
import pickle
import sys
from unittest import mock

import numpy as np
import pytest
import yaml
from places import HPARAMS
from small import call

from recommenders_utils.dataset.engines.numpy import NumpyEngine
from recommenders_utils.dataset.engines.spark.engine import SparkEngine
from recommenders_utils.dataset.engines.spark.session import require_spark
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.errors import UserError
from recommenders_utils.reading import text
from recommenders_utils.reading.adapters import adapter_from
from recommenders_utils.reading.feedback import OFF_SCALE
from recommenders_utils.reading.layout import detect
from recommenders_utils.reading.recognise import choose
from recommenders_utils.reading.records import RecordReader, ratings_reader
from recommenders_utils.reading.rows import BAD_TIME, COLUMNS, OPEN_QUOTE

BASE = HPARAMS / "base.yaml"


@pytest.fixture
def data(tmp_path):
    with open(str(BASE), encoding="utf-8") as stream:
        section = yaml.safe_load(stream)["data"]
    section.update(
        cache_dir=str(tmp_path / "cache"),
        min_item_records=2,
        min_user_records=4,
        valid_num_ngs=3,
        test_num_ngs=2,
        tie_order="item",
    )
    return argparse.Namespace(**section)


@pytest.fixture(scope="module")
def spark():
    """One session for all comparisons; the engine takes the one that is active."""
    try:
        require_spark()
    except UserError as error:
        pytest.skip(str(error))
    from pyspark.sql import SparkSession

    from recommenders_utils.dataset.engines.spark.session import spark_session

    assert SparkSession.getActiveSession() is None
    with spark_session("local[2]") as session:
        yield session


def rows(seed=3, users=30, items=15):
    """Rows with ties in time, repetitions, and users and items too rare to stay."""
    random = np.random.RandomState(seed)
    lines = [
        (f"u{user}", f"i{item}", random.randint(1, 6), 86400 * random.randint(1, 5))
        for user in range(users)
        for item in random.permutation(items)[: 1 + user % 9]
    ]
    order = random.permutation(len(lines))
    lines = [lines[k] for k in order]
    again = [(u, i, 6 - r, 86400 * random.randint(1, 5)) for u, i, r, _ in lines[::3]]
    rare = [("a user with a long name", "a rare item of a long name", 5, 86400)]
    return [*lines[:20], *rare, *lines[20:], *again]


def write(path, lines, delimiter=",", header=None, packed=False):
    whole = "".join(delimiter.join(map(str, line)) + "\n" for line in lines)
    whole = (delimiter.join(header) + "\n" if header else "") + whole
    with (gzip.open if packed else open)(str(path), "wb") as stream:
        stream.write(whole.encode("utf-8", "surrogateescape"))
    return str(path)


def both(path, data, tmp_path, reader=None):
    """The stores of both engines, once every file of arrays is seen to be the same."""
    stores, folders = {}, {}
    for engine in (NumpyEngine(), SparkEngine()):
        data.cache_dir = str(tmp_path / engine.NAME)
        about = dict(say=lambda line: None, reader=reader, engine=engine)
        # Several batches of blocks for Spark, one block for numpy.
        size = os.path.getsize(path) // 11 + 1 if engine.NAME == "spark" else text.BLOCK_BYTES
        with mock.patch.object(text, "BLOCK_BYTES", size):
            stores[engine.NAME] = prepare(path, data, "log", **about)
        (folders[engine.NAME],) = (tmp_path / engine.NAME).iterdir()
    ours, theirs = ({p.name: p.read_bytes() for p in f.glob("*.npy")} for f in folders.values())
    assert ours.keys() == theirs.keys() and len(ours) > 15
    for name in ours:
        assert ours[name] == theirs[name], name
    assert folders["numpy"].name == folders["spark"].name  # the fingerprint
    metas = [dict(store.meta) for store in stores.values()]
    assert [meta.pop("engine") for meta in metas] == ["numpy", "spark"]
    for meta in metas:
        meta["preparation_report"].pop("seconds")
    assert metas[0] == metas[1]
    return stores["spark"]


@pytest.mark.parametrize(
    "form, changes",
    [
        ({}, {}),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [
                (
                    {"delimiter": "\t", "packed": True},
                    {"core_filter": "fixed_point", "tie_order": "file"},
                ),
                (
                    {"delimiter": "::"},
                    {"split": "last_day", "min_item_records": 0, "min_user_records": 1},
                ),
                ({"header": ["user_id", "item_id", "stars", "time"]}, {"split": "ratio"}),
                ({}, {"duplicates": "latest", "candidate_sampling": "released"}),
                ({}, {"duplicates": "last"}),
                ({}, {"duplicates": "earliest", "tie_order": "file"}),
                ({}, {"duplicates": "all", "rating_threshold": 2.0}),
            ]
        ),
    ],
)
def test_the_same_bytes(spark, data, tmp_path, form, changes):
    vars(data).update(changes)
    both(write(tmp_path / "log", rows(), **form), data, tmp_path)


@pytest.mark.slow
def test_other_columns_quotes_and_dates(spark, data, tmp_path):
    """Columns in another order, a byte order mark, quotes, blank lines, ids beyond ASCII."""
    lines = ["\ufeff" + '"time","note","item","user","rating"']
    for number, (user, item, rating, time) in enumerate(rows()):
        day = np.datetime64(int(time), "s")
        lines += [f'{day}Z,"a ""note"", with commas","{item}, é\U0001f600", {user},{rating}.0']
        lines += ["", "  "] if number % 50 == 0 else []
    path = tmp_path / "odd [name], of a {file}*.gz"
    path.write_bytes("\r\n".join(lines).encode())
    both(str(path), data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1000, 0.5])
def test_times_finer_than_a_second(spark, data, tmp_path, unit):
    if unit == 1000:
        lines = [
            (u, i, r, 1500000000000 + t * unit + k % 7) for k, (u, i, r, t) in enumerate(rows())
        ]
    else:
        lines = [(u, i, r, t + k % 4 * 0.25) for k, (u, i, r, t) in enumerate(rows())]
    store = both(write(tmp_path / "log.csv", lines), data, tmp_path)
    report = store.meta["preparation_report"]["reading"]
    assert report["time_unit"] == ("milliseconds" if unit == 1000 else "seconds")


@pytest.mark.slow
def test_malformed_rows_and_line_breaks_within_quotes(spark, data, tmp_path):
    """The same rows are dropped, and the reports name the same lines."""
    data.max_malformed = 0.5
    lines = []
    for number, (user, item, rating, time) in enumerate(rows()):
        note = '"two\nlines, ""one"" row"' if number % 7 == 0 else "\ufffd"
        rating = "five" if number % 11 == 0 else 9 if number % 13 == 0 else rating
        lines.append((note, user, item, rating, "soon" if number % 17 == 0 else time))
        lines += [("u",), ("",)] if number % 40 == 0 else []
    header = ["note", "user", "item", "rating", "time"]
    path = write(tmp_path / "log.csv", [*lines, ('"open', "u", "i", 5, 3)], header=header)
    report = both(path, data, tmp_path).meta["preparation_report"]["reading"]
    kinds = {COLUMNS, OFF_SCALE, BAD_TIME, OPEN_QUOTE, "rating is not a number"}
    assert report["malformed"].keys() == kinds


@pytest.mark.slow
@pytest.mark.parametrize(
    "line, changes, signs",
    [
        ("u1,i1,five,3", {}, ("log.csv:", "rating is not a number", "1 of", "max_malformed")),
        ('u1,"i1,5,3', {}, (OPEN_QUOTE, "quote is not closed")),
        ("u1,i1,9,3", {}, (OFF_SCALE,)),
        ("u1,\udcff,5,3", {}, ("log.csv:", "byte 0xff is not UTF-8 text")),
        (f'u1,"{"x" * 200000}",5,3', {}, ("cannot be read as delimited text",)),
        ("u1,i1,5,1500000000000", {}, ("is in milliseconds, but line 1 has", "log.csv:")),
        ("u1,i1,5,3", {"min_item_records": 500}, ("lower min_item_records (now 500)",)),
        ("u1,i1,5,3", {"min_user_records": 500}, ("lower min_user_records (now 500)",)),
    ],
)
def test_what_cannot_be_prepared(spark, data, tmp_path, line, changes, signs):
    data.max_malformed = 0
    vars(data).update(changes)
    path = write(tmp_path / "log.csv", [*rows(), (line,)])
    messages = []
    for engine in (NumpyEngine(), SparkEngine()):
        with pytest.raises(UserError) as caught, mock.patch.object(text, "BLOCK_BYTES", 700):
            prepare(path, data, say=lambda line: None, engine=engine)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    for sign in signs:
        assert sign in messages[0]


@pytest.mark.slow
def test_the_same_bytes_of_the_real_log(spark, data, tmp_path, shared):
    vars(data).update(min_item_records=10, min_user_records=10)
    both(str(shared / "data" / "amazon_toys_5core.tsv.gz"), data, tmp_path)


KEYS = {"user": "u", "item": "i", "time": "t", "positive": "like", "negative": "hate"}


def adapter_reader(path, keys):
    layout = detect(path)
    return RecordReader(layout, adapter_from({**KEYS, **keys}, "mine", "mine.yaml").forms[0])


@pytest.mark.parametrize(
    "keys",
    [
        {"missing_time": "drop", "finish": "play >= dur", "dwell": "play / 3"},
        pytest.param(
            {"missing_time": "drop", "conflict": "positive", "time_unit": "milliseconds"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_same_bytes_through_an_adapter(spark, data, tmp_path, keys):
    """Rows that are dropped, short rows, columns by expression, kept to the end."""
    lines = ["u,i,t,like,hate,play,dur"]
    for number, (user, item, _, time) in enumerate(rows()):
        like, hate = [(1, 0), (0, 1), (0, 0), (1, 1)][min(number % 9, 3)]
        moment = "" if number % 31 == 5 else 1649581149000 + 1000 * time + number % 3
        lines.append(f"{user},{item},{moment},{like},{hate},{number % 7},{1 + number % 5}")
    lines += ["u0,i0,1649581149000,1,0,3,2,", 'u1," i1",1649581149000,0,1,"3","2"', ""]
    path = str(tmp_path / "log.csv")
    (tmp_path / "log.csv").write_text("\n".join(lines))
    data.duplicates, data.min_user_records = "latest", 2
    store = both(path, data, tmp_path, adapter_reader(path, keys))
    assert set(keys) & {"finish", "dwell"} <= set(store.extras)
    assert store.meta["preparation_report"]["reading"]["dropped"]


@pytest.mark.slow
def test_the_same_bytes_of_a_log_through_its_adapter(spark, data, tmp_path, shared):
    path = str(shared / "data" / "kuairand_like_hate.tsv.gz")
    layout, form, _ = choose(path, "kuairand", str(HPARAMS / "adapters"))
    vars(data).update(form.overrides(), duplicates="earliest", split="last_day", tie_order="file")
    both(path, data, tmp_path, RecordReader(layout, form))


def test_data_of_one_engine_serve_the_other(data, tmp_path):
    """No Spark is needed where the data are prepared."""
    path = write(tmp_path / "log.csv", rows())
    first = prepare(path, data, say=lambda line: None)
    lines = []
    again = prepare(path, data, say=lines.append, engine=SparkEngine())
    assert any("reused" in line for line in lines) and again.meta == first.meta


def test_a_block_is_parsed_by_the_rules(data, tmp_path):
    """All that a worker gives back, wherever in the file its block is."""
    path = write(
        tmp_path / "log.csv", [("u", "i", 5, 3)], header=["user", "item", "rating", "time"]
    )
    lines = [
        'u, "i, j" ,5,3',
        "",
        "u,i,5",
        "u,i,7,3",
        "u,i,x,3",
        "u,i,5,x",
        ",i,5,3",
        'u,"i,5,3',
    ]
    block = text.Block("\n".join(lines).encode(), 71, len(lines))
    (found,) = pickle.loads(pickle.dumps(list(ratings_reader(path).parse(data, block))))
    ids = [column.each(lambda texts: texts).tolist() for column in (found.users, found.items)]
    assert ids == [["u"], ["i, j "]]
    assert [values.tolist() for values in found.values] == [[1], [3.0]]
    assert found.units == {"seconds": (71, "3")} and found.dropped == {}
    assert {kind: line for kind, (_, line, _) in found.malformed.items()} == {
        COLUMNS: 73,
        OFF_SCALE: 74,
        "rating is not a number": 75,
        BAD_TIME: 76,
        "empty user or item id": 77,
        OPEN_QUOTE: 78,
    }


def test_without_java(monkeypatch, tmp_path):
    pytest.importorskip("pyspark", reason="PySpark is not installed (requirements/spark.txt)")
    for environ, sign in (
        ({"PATH": str(tmp_path)}, "there is no java on the PATH"),
        ({"JAVA_HOME": str(tmp_path)}, "has no bin/java"),
    ):
        with pytest.raises(UserError, match="needs Java 8, 11 or 17") as caught:
            require_spark(environ)
        assert sign in str(caught.value)


def test_without_pyspark(monkeypatch, data, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    path = write(tmp_path / "log.csv", rows())
    outcome = call(
        "prepare", "--engine=spark", f"--ratings={path}", f"--cache_dir={tmp_path / 'cache'}"
    )
    assert outcome.status == 2
    assert "requirements/spark.txt" in outcome.err and "--engine=numpy" in outcome.err
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "flags, sign",
    [
        (["--engine=dask"], "--engine=dask: expected numpy or spark."),
        (["--spark_master=local"], "--spark_master=local applies to --engine=spark"),
    ],
)
def test_flags_that_cannot_be(flags, sign):
    outcome = call("prepare", *flags)
    assert outcome.status == 2 and sign in outcome.err
