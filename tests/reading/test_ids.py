"""Ids are numbered by first appearance."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.reading.columns import Texts
from recommenders_utils.reading.ids import Vocabulary


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5), max_size=4))
def test_vocabulary_numbers_by_first_appearance(parts):
    import pandas as pd

    plain, categorical = Vocabulary(), Vocabulary()
    codes, again = [], []
    for part in parts:
        rows = np.arange(len(part))
        codes.append(plain.codes(Texts.of(np.array(part, object)).take(rows)))
        text = io.StringIO("\n".join(part))
        column = pd.read_csv(text, header=None, dtype="category", na_filter=False)[0].cat
        column = Texts(column.codes.to_numpy(), column.categories.to_numpy(object))
        again.append(categorical.codes(column.take(rows)))
    flat = [each for part in parts for each in part]
    expected, ids = pd.factorize(np.array(flat, object))
    assert np.array_equal(np.concatenate([*codes, []]), expected)
    assert np.array_equal(np.concatenate([*again, []]), expected)
    assert list(plain.array()) == list(categorical.array()) == list(ids)
