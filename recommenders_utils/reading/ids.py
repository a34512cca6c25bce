"""Numbers raw ids by first appearance, once and for the whole log."""

import numpy as np
import pandas as pd

from recommenders_utils.reading.text import LONGEST_ID

# What is wrong with an id, in the order in which it is told.
FAULTS = (
    ("empty user or item id", "an id is empty"),
    ("control character in an id", "an id contains a line break or NUL"),
    ("id too long", f"an id has more than {LONGEST_ID} characters"),
)
EMPTY_ID, BAD_ID, LONG_ID = (kind for kind, _ in FAULTS)


def faults_of(texts):
    """What is wrong with ids.

    Numpy would cut an id off at NUL, and the array of all ids is as wide as the longest.

    Args:
      texts: object array [n] of str.

    Returns:
      int8 [n], which of ``FAULTS`` an id has, from 1, or 0; None if none has any.
    """
    if all(map(str.isalnum, texts)) and max(map(len, texts), default=0) <= LONGEST_ID:
        return None
    faults = np.array([_fault_of(text) for text in texts], np.int8)
    return faults if faults.any() else None


def _fault_of(text):
    if not text.strip():
        return 1
    if "\n" in text or "\r" in text or "\0" in text:
        return 2
    return 3 if len(text) > LONGEST_ID else 0


class Vocabulary:
    """Raw ids in order of first appearance, over all parts of a log so far."""

    def __init__(self):
        self._numbers = {}

    def __len__(self):
        return len(self._numbers)

    def codes(self, column, rows):
        """Numbers the ids of some rows.

        Args:
          column: ``columns.Texts``.
          rows: int [m], rising; ids of other rows stay unknown.

        Returns:
          int32 [m] codes, from 0; ids not seen before get the next ones.
        """
        order, first = pd.factorize(column.codes[rows])
        texts, known = column.texts[first].tolist(), self._numbers
        # A part has far fewer ids than rows, and few that are new.
        codes = np.array(list(map(known.get, texts)), np.float64)
        for at in np.flatnonzero(np.isnan(codes)):
            codes[at] = known[texts[at]] = len(known)
        return codes.astype(np.int32)[order]

    def array(self):
        """Unicode [I], the raw ids by code."""
        return np.array(list(self._numbers), dtype=str)
