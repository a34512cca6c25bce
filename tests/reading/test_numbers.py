"""Numbers of a log's text."""

import numpy as np
import pytest

from recommenders_utils.reading.numbers import exact_numbers, to_values


def test_fractions_are_exact_whatever_stands_beside_them():
    texts = ["1593878903.438", "0.1", "x", "7", "9007199254740993"]
    expected = [1593878903.438, 0.1, np.nan, 7, 9007199254740992]
    np.testing.assert_array_equal(exact_numbers(texts), expected)


@pytest.mark.parametrize(
    "text, value", [("true", 1), (" False ", 0), ("inf", np.nan), ("", np.nan)]
)
def test_truths_and_what_is_no_number(text, value):
    np.testing.assert_array_equal(to_values(np.array([text, "2"], object)), [value, 2])
