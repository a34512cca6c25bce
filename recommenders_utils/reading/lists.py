"""Columns that hold lists: one row becomes one for each entry, the row's other fields repeated.

``explode: impressions`` names such a column, or several whose lists run side by side (items and their
labels). An entry may hold columns of its own: ``N55689-1`` is cut into ``entry: [news_id, clicked]``.
"""

import itertools
from typing import Any, Dict

import numpy as np

from recommenders_utils.reading.columns import DIFFERENT_LENGTHS, EMPTY, Part, Texts

SEPARATOR = ","  # between the entries of a text, unless the adapter says otherwise
_BRACKETS, _QUOTES = "[](){}", "\"' "


class Lists:
    """A column of lists: ``lengths`` int [m], and ``values``, all rows' entries one after the other."""

    def __init__(self, lengths, values):
        self.lengths, self.values = lengths, values

    @classmethod
    def of(cls, column: Texts, separator: str) -> "Lists":
        """From texts such as ``[3, 5]`` or ``N1-0 N2-1``; blank text is an empty list."""
        cut = [_entries(text, separator) for text in column.texts]
        lengths = np.fromiter(map(len, cut), np.int64, len(cut))
        starts = np.cumsum(lengths) - lengths
        flat = Texts.of(np.array([*itertools.chain.from_iterable(cut), ""], object))
        rows = lengths[column.codes]
        entries = _places(starts[column.codes], rows)
        return cls(rows, Texts(flat.codes[entries].astype(np.int32), flat.texts))


def exploded(part: Part, form: Any, width: int) -> Part:
    """A ``Part`` with one row for each entry of its lists.

    A row whose lists are empty or of different lengths stays one row, which ``Part.lists`` tells; so does
    one that is malformed anyway, such as one of another number of fields than ``width``.
    """
    lists = {name: each for name, each in part.columns.items() if isinstance(each, Lists)}
    separator = form.keys.get("separator", SEPARATOR)
    for name in form.exploded:
        if name not in lists:
            lists[name] = Lists.of(part.columns[name], separator)
    if not lists:
        return part
    first, *others = (each.lengths for each in lists.values())
    states = np.where(first == 0, EMPTY, 0).astype(np.int8)
    for lengths in others:
        states[lengths != first] = DIFFERENT_LENGTHS
    single = states > 0
    if part.widths is not None:
        single |= part.widths != width
    if part.open_lines:
        single[-1] = True
    counts = np.where(single, 1, first)
    rows = np.repeat(np.arange(len(counts)), counts)
    columns: Dict[str, Any] = {}
    for name, each in lists.items():
        # The value of a row that is out anyway does not matter: the first one, or an empty one.
        starts = np.cumsum(each.lengths) - each.lengths
        entries = np.where(single[rows], 0, _places(starts, counts))
        columns[name] = _taken(each.values, entries)
    for name, column in part.columns.items():
        if name not in lists:
            columns[name] = _taken(column, rows)
    if form.entry:
        columns.update(_cut(columns[form.exploded[0]], form.entry, form.keys["entry_separator"]))
    widths = None if part.widths is None else part.widths[rows]
    return Part(columns, _Lines(part.lines, rows), widths, part.open_lines, states[rows])


def _entries(text, separator):
    """The entries of one text, without brackets around them and quotes around each."""
    text = text.strip()
    if text[:1] in ("[", "(", "{"):
        text = text.strip(_BRACKETS + " ")
    if not text:
        return []
    return [entry.strip(_QUOTES) for entry in text.split(None if separator == " " else separator)]


def _places(starts, counts):
    """Where the entries are of lists that start somewhere and have so many."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def _taken(column, rows):
    if isinstance(column, Texts):
        if not len(column):  # no row has an entry
            return Texts(np.zeros(len(rows), np.int32), np.array([""], object))
        return Texts(column.codes[rows], column.texts)
    return column[rows] if len(column) else np.zeros(len(rows), column.dtype)


def _cut(column, names, separator):
    """The columns within each entry, cut at the last separators: an id may have some too."""
    parts = [text.rsplit(separator, len(names) - 1) for text in column.texts]
    parts = [[part.strip() for part in each] + [""] * (len(names) - len(each)) for each in parts]
    found = {}
    for at, name in enumerate(names):
        texts = Texts.of(np.array([each[at] for each in parts], object))
        found[name] = Texts(np.asarray(texts.codes, np.int32)[column.codes], texts.texts)
    return found


class _Lines:
    """Line numbers of rows that are entries of others."""

    def __init__(self, lines, rows):
        self._lines, self._rows = lines, rows

    def __getitem__(self, row):
        return self._lines[int(self._rows[row])]
