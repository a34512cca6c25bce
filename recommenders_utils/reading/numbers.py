"""Numbers from a log's text, each to the last digit and whatever is next to it."""

import contextlib
from typing import Any

import numpy as np
import pandas as pd


def exact_numbers(texts: Any) -> np.ndarray:
    """Float64 of each text, NaN where it is not a number.

    pandas' quick conversion may be wrong in a fraction's last digit, and depends on the whole column.
    """
    texts = np.asarray(texts, object)
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce")
    values = numbers.to_numpy(np.float64).copy()
    with np.errstate(invalid="ignore"):
        fractions = np.flatnonzero(np.isfinite(values) & (values % 1 != 0))
    with contextlib.suppress(ValueError):
        values[fractions] = texts[fractions].astype(np.float64)
    return values


def to_values(texts: Any) -> np.ndarray:
    """Float64 of each text, ``true`` and ``false`` as 1 and 0; NaN for anything else and infinities."""
    values = exact_numbers(texts)
    odd = np.flatnonzero(np.isnan(values))
    if len(odd):
        words = pd.Series(texts[odd], dtype=object).astype(str).str.strip().str.lower()
        values[odd] = words.map({"true": 1.0, "false": 0.0}).to_numpy(np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def is_number(text: str) -> bool:
    """Whether ``text`` reads as a number (``nan`` does)."""
    try:
        float(text)
    except ValueError:
        return False
    return True
