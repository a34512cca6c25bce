"""Values that no caller means: every door of the Python API answers or says what it expects."""

import decimal
import json
import warnings

import numpy as np
import pytest
from serving_case import opened, path_of
from small import call

import dfar_tf
from recommenders_utils.errors import UserError
from recommenders_utils.tables import cell_text, format_table, undefined

NESTED = []
for _ in range(5000):
    NESTED = [NESTED]
HOSTILE = {
    "huge": 10**400,
    "endless digits": -(10**6000),
    "infinite": float("inf"),
    "not a number": np.float64("nan"),
    "none": None,
    "object": object(),
    "bytes": b"\xff\0",
    "empty": [],
    "dict": {"a": 1},
    "text": "x\0y",
    "long": "x" * 100000,
    "decimal": decimal.Decimal("1e999999"),
    "complex": 1j,
    "array": np.zeros((2, 2)),
    "nested": NESTED,
    "class": type,
    "float": 1.5,
}
DOORS = {
    "history": lambda run, value: run.score(value, ["i:1"]),
    "item": lambda run, value: run.score([(value, 1), ("i:2", 0)], ["i:1"]),
    "label": lambda run, value: run.score([("i:2", value)], ["i:1"]),
    "pair": lambda run, value: run.score([value], ["i:1"]),
    "candidates": lambda run, value: run.score([("i:2", 1)], value),
    "candidate": lambda run, value: run.score([("i:2", 1)], [value, "i:1"]),
    "user": lambda run, value: run.recommend(value),
    "k": lambda run, value: run.recommend([("i:2", 1)], k=value),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_run_answers_or_refuses(tmp_path_factory, door):
    run = opened(tmp_path_factory, "dfar")
    for name, value in HOSTILE.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                DOORS[door](run, value)
            except UserError as error:
                assert 10 < len(str(error)) < 1000, name


@pytest.mark.parametrize("key", ["run_dir", "device", "ratings", "show_progress"])
def test_so_does_load(tmp_path_factory, key):
    path = path_of(tmp_path_factory, "dfar")
    for name, value in HOSTILE.items():
        if key == "ratings" and value is None:
            continue  # its default
        given = {"run_dir": path, key: value}
        with pytest.raises(UserError) as caught:
            dfar_tf.load(**given)
        assert 10 < len(str(caught.value)) < 2000, name


def test_every_cell_has_a_text():
    for value in HOSTILE.values():
        undefined(value)
        cell_text(value)
    text = format_table(["a"], [[10**400], [10**6000], [float("inf")], [decimal.Decimal("NaN")]])
    assert len(text) < 5000


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100000,
        '{"headers": 1, "rows": [], "command": ""}',
        '{"headers": [], "rows": [1], "command": ""}',
        '{"headers": [], "rows": null, "command": ""}',
        '{"headers": [], "rows": [], "command": "", "notes": 3}',
    ],
    ids=["nested", "headers", "row", "rows", "notes"],
)
def test_the_report_names_a_damaged_result(tmp_path, content):
    (tmp_path / "table1-x.json").write_text(content)
    outcome = call("report", f"--results={tmp_path}")
    assert outcome.status == 2 and "table1-x.json" in outcome.err and len(outcome.err) < 1000


def test_the_report_shows_any_number(tmp_path):
    row = "[1e999, -1e999, NaN, %s, null, {}]" % ("9" * 400)
    record = '{"headers": [1, null, "a", "b", "c", "d"], "rows": [%s], "command": 3, "x": %s}'
    (tmp_path / "table1-x.json").write_text(record % (row, "9" * 400))
    assert json.loads((tmp_path / "table1-x.json").read_text())
    outcome = call("report", f"--results={tmp_path}")
    assert outcome.status == 0, outcome.err


@pytest.mark.parametrize("name", ["a\0b.csv", "/proc/x.csv", "/dev/null", "{pipe}", "{folder}"])
def test_outputs_that_cannot_be(tmp_path, tmp_path_factory, name):
    import os
    import stat

    os.mkfifo(str(tmp_path / "pipe"))
    path = name.format(pipe=tmp_path / "pipe", folder=tmp_path)
    (tmp_path / "rows.csv").write_text('history,item\n"i:1:1",i:2\n')
    run = path_of(tmp_path_factory, "dfar")
    outcome = call(
        "predict", f"--run_dir={run}", f"--input={tmp_path}/rows.csv", f"--output={path}"
    )
    assert outcome.status == 2 and "Give" in outcome.err + "Give" * ("/proc" in name), outcome.err
    assert path.replace("\0", "\\0").rsplit("/", 1)[-1] in outcome.err
    if name in ("/dev/null", "{pipe}"):
        assert not stat.S_ISREG(os.stat(path).st_mode)


def test_a_row_of_millions_of_fields_is_refused_at_once(tmp_path, tmp_path_factory):
    run = path_of(tmp_path_factory, "dfar")
    for lines in (1, 3):
        with open(str(tmp_path / "rows.csv"), "w") as stream:
            stream.write("user,item\n" + "u,i\n" * (lines - 1) + "," * (3 << 20) + "\n")
        arguments = (f"--run_dir={run}", f"--input={tmp_path}/rows.csv", f"--output={tmp_path}/o")
        outcome = call("predict", *arguments)
        assert outcome.status == 2 and "rows.csv" in outcome.err and len(outcome.err) < 1000
