"""The table printer: plain text, Markdown and CSV."""

import csv
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.tables import format_table, to_csv, to_markdown


def test_plain_text():
    rows = [["paper", 6919, 17.39], ["ours", None, math.nan]]
    assert format_table(["log", "users", "mean"], rows, "Table 1\nsecond line") == (
        "Table 1\n"
        "second line\n"
        "\n"
        "log    users     mean\n"
        "-----  -----  -------\n"
        "paper  6,919  17.3900\n"
        "ours       -        -"
    )
    assert format_table(["a", "b"], [["x", 1]], align="rc").splitlines()[2] == "x  1"
    assert format_table(["a", "b"], []) == "a  b\n-  -"
    assert format_table(["a", "b"], [["x", 1]], rule=False) == "a  b\nx  1"
    assert format_table(["a"], [[np.float32(0.5)], [np.int64(1000)]]).split()[2:] == [
        "0.5000",
        "1,000",
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text("ab |", max_size=9), st.integers(), st.floats()), min_size=1))
def test_columns_line_up(rows):
    lines = format_table(["name", "count", "value"], rows).splitlines()
    assert len(lines) == len(rows) + 2
    rule = lines[1]
    for line in lines:
        assert len(line) <= len(rule) and line == line.rstrip()
    for line, row in zip(lines[2:], rows):
        assert line[rule.index("  ") + 2 :].split()[0] == f"{row[1]:,}"


def test_markdown():
    text = to_markdown(["name", "value"], [["a|b", 0.5], ["c", None]])
    assert text.splitlines() == [
        "| name | value |",
        "| --- | ---: |",
        "| a\\|b | 0.5000 |",
        "| c | - |",
    ]


def test_csv_keeps_numbers_in_full(tmp_path):
    path = tmp_path / "out" / "results.csv"
    rows = [["a, b", 1 / 3], ['"q"', None], ["n", math.nan], ["k", 6919]]
    text = to_csv(["name", "value"], rows, str(path))
    assert path.read_text() == text
    with open(str(path), newline="") as stream:
        back = list(csv.reader(stream))
    assert back == [["name", "value"], ["a, b", repr(1 / 3)], ['"q"', ""], ["n", ""], ["k", "6919"]]
    assert to_csv(["name", "value"], rows) == text
