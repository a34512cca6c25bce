"""Strengths of feedback: one expression a level, positive from a threshold on."""

import numpy as np
import pytest
from log_case import read, rows, write

from recommenders_utils.errors import UserError

LEVELS = {
    "levels": {"hate": "h", "skip": "h == 0 and w < 0.5", "view": "h == 0 and w >= 0.5"},
    "level_threshold": "view",
}
LOG = "u,i,t,h,w\na,x,1,1,0.9\na,y,2,0,0.1\na,z,3,0,0.5\nb,x,4,0,0.7\n"


def test_the_level_whose_expression_holds(tmp_path):
    records, _ = read(write(tmp_path, LOG), LEVELS)
    assert rows(records) == [("a", "x", 0, 1), ("a", "y", 0, 2), ("a", "z", 1, 3), ("b", "x", 1, 4)]
    assert records.extras["level"].tolist() == [0, 1, 2, 2]
    records, _ = read(write(tmp_path, LOG), {**LEVELS, "level_threshold": "skip"})
    assert [label for _, _, label, _ in rows(records)] == [0, 1, 1, 1]


def test_a_row_without_a_level_is_left_out_and_one_with_several_is_malformed(tmp_path):
    keys = {
        "levels": {"skip": "w < 0.5", "view": "w > 0.6", "hate": "h"},
        "level_threshold": "view",
    }
    records, report = read(write(tmp_path, LOG), keys, max_malformed=0.5)
    assert rows(records) == [("a", "y", 0, 2), ("b", "x", 1, 4)]
    assert report["dropped"] == {
        "no level's expression holds": {"count": 1, "first_line": 4},
    }
    assert report["malformed"] == {"levels overlap": {"count": 1, "first_line": 2}}
    with pytest.raises(UserError, match=r"log.csv:2: 2 levels hold at once; .* skip, view, hate"):
        read(write(tmp_path, LOG), keys)


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"levels": {"one": "h"}, "level_threshold": "one"}, "levels: expected 2 to 100 lines"),
        ({"levels": ["a", "b"], "level_threshold": "b"}, "levels: expected 2 to 100 lines"),
        ({"levels": LEVELS["levels"]}, "level_threshold: None: expected the weakest level"),
        ({**LEVELS, "level_threshold": "hate"}, "'hate': .* one of skip, view"),
        ({**LEVELS, "level_threshold": "like"}, "'like': .* one of skip, view"),
        ({"label": "h", "level_threshold": "view"}, "level_threshold: expected levels beside it"),
        ({**LEVELS, "label": "h"}, "feedback: expected exactly one of: .*; levels; got label, lev"),
        (
            {"levels": {"a b": "h", "c": "w"}, "level_threshold": "c"},
            "'a b': expected a name of letters",
        ),
        (
            {"levels": {"1": "h", "c": "w"}, "level_threshold": "c"},
            "'1': expected a name of letters",
        ),
        ({"levels": {"a": "h +", "c": "w"}, "level_threshold": "c"}, "levels: a: "),
    ],
)
def test_levels_that_are_none(tmp_path, keys, message):
    with pytest.raises(UserError, match=message):
        read(write(tmp_path, LOG), keys)


def test_two_levels_are_the_two_labels(tmp_path):
    path = write(tmp_path, LOG)
    named, _ = read(path, {"levels": {"skip": "h", "view": "h == 0"}, "level_threshold": "view"})
    plain, _ = read(path, {"label": "h == 0"})
    assert rows(named) == rows(plain)
    assert np.array_equal(named.extras["level"], named.labels)
