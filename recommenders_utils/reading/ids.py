"""Numbers raw ids by first appearance, once and for the whole log."""

import contextlib
import numbers
from typing import Any, Optional, Sequence

import numpy as np

from recommenders_utils.errors import UserError, described, shortened
from recommenders_utils.reading.text import LONGEST_ID

MOST_BYTES, WIDER = 1 << 29, 8  # of an array of ids; how often wider than they are on average
# What is wrong with an id: kind and detail, in the order in which they are told.
FAULTS = (
    ("empty user or item id", "an id is empty"),
    ("control character in an id", "an id contains a line break or NUL"),
    ("id too long", f"an id has more than {LONGEST_ID} characters"),
)


def faults_of(texts: Any) -> Optional[np.ndarray]:
    """Int8 [n], which of ``FAULTS`` each id has, from 1, or 0; None if no id has any.

    Numpy would cut an id off at NUL, and the array of all ids is as wide as the longest.
    """
    if all(map(str.isalnum, texts)) and max(map(len, texts), default=0) <= LONGEST_ID:
        return None
    faults = np.zeros(len(texts), np.int8)
    for at, text in enumerate(texts):
        if not text.strip():
            faults[at] = 1
        elif "\n" in text or "\r" in text or "\0" in text:
            faults[at] = 2
        elif len(text) > LONGEST_ID:
            faults[at] = 3
    return faults if faults.any() else None


def as_id(value: Any) -> str:
    """A raw id given from Python, as the reader has it: text without spaces around.

    Whole numbers are written as such, also those that pandas keeps as floats: 242.0 is "242".
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)):
        with contextlib.suppress(OverflowError, ValueError):  # infinite, not a number: no such id
            value = int(value) if value == int(value) else value  # type: ignore[call-overload]
    try:
        return str(value).strip()
    except (ValueError, RecursionError):  # thousands of digits, endless nesting: no such id
        return described(value)


class Vocabulary:
    """Raw ids in order of first appearance, over all parts of a log so far."""

    def __init__(self):
        self._numbers = {}

    def codes(self, column: Any) -> np.ndarray:
        """Int32 [m] codes of a ``Texts`` column, whose texts are in order of first appearance."""
        known = self._numbers
        # A part has far fewer ids than rows, and few that are new.
        codes = [known.setdefault(text, len(known)) for text in column.texts.tolist()]
        return np.array(codes, np.int32)[column.codes]

    def array(self) -> np.ndarray:
        """Unicode [I], the raw ids by code; UserError as of ``id_array``."""
        return id_array(list(self._numbers))


def id_array(texts: Sequence[str]) -> np.ndarray:
    """Unicode [n] of texts.

    Raises:
      UserError: a few long ids would take more memory than all others together, and much.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    cells = len(lengths) * int(lengths.max(initial=1))
    if 4 * cells > MOST_BYTES and cells > WIDER * lengths.sum():
        longest = texts[int(np.argmax(lengths))]
        raise UserError(
            f"the id {shortened(longest)!r} has {len(longest):,} characters, and {len(lengths):,} ids, each "
            f"as wide as the longest, would take {4 * cells / 2**30:.1f} GiB; shorten it or remove its rows"
        )
    return np.array(texts, dtype=str)
