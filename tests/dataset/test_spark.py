"""Spark and numpy prepare a log to the same bytes.

Comparisons skip and say so where PySpark (requirements/spark.txt) or Java is missing; the rest runs
anywhere. Most take Spark's jobs of seconds; they are run by
``bash run.sh test -m slow tests/dataset/test_spark.py``.
"""

import argparse
import gzip
import sys

import numpy as np
import pytest
import yaml
from places import HPARAMS
from small import call

from recommenders_utils.dataset.engines.numpy import NumpyEngine
from recommenders_utils.dataset.engines.spark.engine import SparkEngine
from recommenders_utils.dataset.engines.spark.lines import LineParser
from recommenders_utils.dataset.engines.spark.session import require_spark
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.errors import UserError
from recommenders_utils.reading.adapters import adapter_from
from recommenders_utils.reading.feedback import OFF_SCALE
from recommenders_utils.reading.layout import detect
from recommenders_utils.reading.recognise import choose
from recommenders_utils.reading.records import RecordReader, ratings_reader
from recommenders_utils.reading.rows import BAD_TIME, COLUMNS

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
    text = "".join(delimiter.join(map(str, line)) + "\n" for line in lines)
    text = (delimiter.join(header) + "\n" if header else "") + text
    with (gzip.open if packed else open)(str(path), "wb") as stream:
        stream.write(text.encode())
    return str(path)


def both(path, data, tmp_path, reader=None):
    """The stores of both engines, once every file of arrays is seen to be the same."""
    stores, folders = {}, {}
    for engine in (NumpyEngine(), SparkEngine()):
        data.cache_dir = str(tmp_path / engine.NAME)
        about = dict(say=lambda line: None, reader=reader, engine=engine)
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
@pytest.mark.parametrize(
    "line, changes, signs",
    [
        ("u1,i1,five,3", {}, ("log.csv:", "rating is not a number", "1 of", "--engine=numpy")),
        ('u1,"i1,5,3', {}, (COLUMNS, "quotes")),
        ("u1,i1,9,3", {}, (OFF_SCALE,)),
        ("u1,i1,5,1500000000000", {}, ("is in milliseconds, but line 1 has", "log.csv:")),
        ("u1,i1,5,3", {"min_item_records": 500}, ("lower min_item_records (now 500)",)),
        ("u1,i1,5,3", {"min_user_records": 500}, ("lower min_user_records (now 500)",)),
    ],
)
def test_what_cannot_be_prepared(spark, data, tmp_path, line, changes, signs):
    vars(data).update(changes)
    path = write(tmp_path / "log.csv", [*rows(), (line,)])
    with pytest.raises(UserError) as caught:
        prepare(path, data, say=lambda line: None, engine=SparkEngine())
    for sign in signs:
        assert sign in str(caught.value)
    if changes:
        with pytest.raises(UserError) as expected:
            prepare(path, data, say=lambda line: None)
        assert str(caught.value) == str(expected.value)


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
    assert "reused" in lines[-1] and again.meta == first.meta


def test_lines_are_parsed_by_the_rules(data, tmp_path):
    path = write(
        tmp_path / "log.csv", [("u", "i", 5, 3)], header=["user", "item", "rating", "time"]
    )
    parser = LineParser(ratings_reader(path), data)
    lines = [
        "user,item,rating,time",
        'u, "i, j" ,5,3',
        "",
        'u,"i,5,3',
        "u,i,5",
        "u,i,7,3",
        "u,i,x,3",
        "u,i,5,x",
    ]
    found = list(parser(zip(lines, range(len(lines)))))
    assert (1, "u", "i, j ", 1, 3.0, 0, None, None) in found
    assert {row[0]: row[-2] for row in found if row[-2]} == {
        3: COLUMNS,
        4: COLUMNS,
        5: OFF_SCALE,
        6: "rating is not a number",
        7: BAD_TIME,
    }
    kinds = {",i,5,3": "empty user or item id", "\ufffd,i,5,3": "id is not UTF-8 text"}
    for line, kind in kinds.items():
        ((*_, found, _),) = parser([(line, 1)])
        assert found == kind


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
