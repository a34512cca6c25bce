"""Expressions of columns: their values, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.errors import UserError
from recommenders_utils.reading.expressions import Expression


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
        ("1 and like or 0 > 2", [1, 0, 1, 0]),
        ("0 < 1 <= like", [1, 0, 1, 0]),
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
