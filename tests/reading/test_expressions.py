"""Expressions of columns: their values, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import Texts
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


def _texts(*texts):
    return Texts.of(np.array(texts, object))


@pytest.mark.parametrize(
    "text, expected",
    [
        ('event == "like"', [1, 0, 0, 1]),
        ('"like" == event', [1, 0, 0, 1]),
        ('event != "like"', [0, 1, 1, 0]),
        ('event in ("like", "share")', [1, 0, 1, 1]),
        ("event not in ['like', 'share']", [0, 1, 0, 0]),
        ('(event == "like") - (event == "hate")', [1, -1, 0, 1]),
        ('event == "like" and seconds > 3', [0, 0, 0, 1]),
        ('`the event` == "a `quoted` word"', [0, 1, 0, 0]),
        ("seconds in (2, 4)", [1, 0, 0, 1]),
        ("seconds not in (2, 4)", [0, 1, 1, 0]),
        ('number == "1"', [1, 0, 0, 0]),
    ],
)
def test_comparisons_with_text(text, expected):
    columns = {
        "event": _texts("like", " hate", "share", "like "),
        "the event": _texts("x", "a `quoted` word", "", "y"),
        "number": _texts("1", "1.0", "", "one"),
        "seconds": np.array([2.0, 3, 5, 4]),
    }
    values = Expression(text).evaluate(columns)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, expected)


def test_which_columns_are_text():
    found = Expression('a > 1 and b == "x" or c in ("y", "z") or a < d')
    assert (found.columns, found.texts, found.numbers) == (list("abcd"), ["b", "c"], ["a", "d"])
    with pytest.raises(UserError, match=r"mine: .* compares b with text and takes it"):
        Expression("b > 1 and b == 'x'", "mine")


@pytest.mark.parametrize(
    "text",
    [
        "event < 'like'",
        "event in 'like'",
        "event in ()",
        "event in (1, 'like')",
        "event in ('like', hate)",
        "'like' == 'like'",
        "event + 1 == 'like'",
        "a == event == 'like'",
        "event == b'like'",
        "event == f'{like}'",
        "event is 'like'",
        "'like'",
        "event == ('like',)",
        "True in (1, 2)",
    ],
)
def test_comparisons_with_text_that_are_refused(text):
    with pytest.raises(UserError, match="mine: feedback"):
        Expression(text, "mine: feedback")


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
