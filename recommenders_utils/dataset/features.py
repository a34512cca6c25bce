"""Categorical features of items: a file with a row an item in, codes beside a store's sequences out.

Letters: M items of the file, I items of the store, F features.
"""

import csv
import dataclasses
import hashlib
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import pandas as pd

from recommenders_utils.dataset.extension import with_items
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.dataset.training import training_records
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import sha256_of
from recommenders_utils.reading.layout import DELIMITERS, SPELLINGS, find
from recommenders_utils.reading.text import is_gzip, open_text, readable
from recommenders_utils.tables import counted

# Names of the store's extras: int32 [I, F] codes from 1, 0 where unknown; int8 [I], 1 where the item has
# a training record; the features' names [F], how many values each has, and all values one after the other.
CODES, KNOWN = "item_features", "item_known"
NAMES, SIZES, VALUES = "feature_names", "feature_sizes", "feature_values"
FEW = 20  # items of a file of which any column may have a value each


@dataclasses.dataclass
class ItemFeatures:
    """The content of a file.

    Attributes:
      ids: [M] raw item ids.
      names: [F] names of the columns.
      values: [F] lists of the values, that of code k at k - 1.
      codes: int32 [M, F], 0 where a cell is empty.
    """

    ids: List[str]
    names: List[str]
    values: List[List[str]]
    codes: np.ndarray


def read_features(path: str, columns: Sequence[str] = ()) -> ItemFeatures:
    """Reads a CSV or TSV with a header: a column with the item's id, the others categorical.

    Args:
      path: the file, plain or gzip.
      columns: names of the features; all other columns if there are none.

    Raises:
      UserError: no such file or no text; no column of ids; an unknown column; a row of another width; an
        item twice or without an id; a column that has a value of its own for most items.
    """
    with readable(path), open_text(path, is_gzip(path), "utf-8-sig") as stream:
        first = stream.readline()
        delimiter = max(DELIMITERS, key=first.count)
        delimiter = "," if len(delimiter) > 1 else delimiter
        (header,) = list(csv.reader([first], delimiter=delimiter)) or [[]]
        header = [name.strip() for name in header]
        own, chosen = _chosen(path, header, columns)
        lines: Dict[str, int] = {}
        tables: List[Dict[str, int]] = [{"": 0} for _ in chosen]
        rows = []
        reader = csv.reader(stream, delimiter=delimiter)
        for row in reader:
            line = 1 + reader.line_num
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{path}:{line}: {len(row)} columns, but the header has {len(header)}. Give "
                    "every item as many."
                )
            name = row[own].strip()
            if not name or name in lines:
                what = f"repeats line {lines[name]}" if name else "has no id"
                raise UserError(
                    f"{path}:{line}: item {shortened(name)!r} {what}. Give every item one row."
                )
            lines[name] = line
            cells = [row[at].strip() for at in chosen]
            rows.append([t.setdefault(cell, len(t)) for t, cell in zip(tables, cells)])
    if not rows:
        raise UserError(f"{path}: no item follows the header. Give a row for each item.")
    names = [header[at] for at in chosen]
    for name, table in zip(names, tables):
        if not columns and len(rows) > FEW and 2 * (len(table) - 1) > len(rows):
            raise UserError(
                f"{path}: column {name!r} has {len(table) - 1:,} values for {len(rows):,} items, which is "
                "no category. Name the categories, as in --item_feature_columns=category,author."
            )
    values = [list(table)[1:] for table in tables]
    return ItemFeatures(list(lines), names, values, np.array(rows, np.int32))


def with_features(
    store: SequenceStore,
    path: str,
    columns: Sequence[str] = (),
    say: Callable[[str], Any] = lambda line: None,
) -> Tuple[SequenceStore, Tuple[int, ...]]:
    """A store with the features of a file; items that only the file has join its vocabulary.

    Args:
      store: the sequences.
      path, columns: as of ``read_features``.
      say: called with the line that says what was found.

    Returns:
      (SequenceStore with the extras above, the number of values of each feature).

    Raises:
      UserError: see ``read_features``; the file has none of the store's items.
    """
    found = read_features(path, columns)
    rows = pd.Index(np.array(found.ids, object)).get_indexer(store.item_ids.astype(object))
    if not (rows >= 0).any():
        raise UserError(
            f"{path}: has none of the {counted(store.num_items, 'item')} of the log, whose ids are such as "
            f"{shortened(str(store.item_ids[0]))!r}. Give a file with the log's item ids."
        )
    known = np.zeros(store.num_items, np.int8)
    known[np.unique(store.items[training_records(store)]) - 1] = 1
    here = np.isin(np.arange(len(found.ids)), rows)
    others = [name for name, has in zip(found.ids, here) if not has]
    mark = hashlib.sha256(repr([sha256_of(path), list(columns)]).encode()).hexdigest()
    codes = np.where((rows >= 0)[:, None], found.codes[rows], 0)
    wider = with_items(store, others, mark)
    sizes = tuple(map(len, found.values))
    wider.extras.update(
        {
            CODES: np.concatenate([codes, found.codes[~here]]).astype(np.int32),
            KNOWN: np.append(known, np.zeros(len(others), np.int8)),
            NAMES: np.array(found.names, str),
            SIZES: np.array(sizes, np.int64),
            VALUES: np.array([value for each in found.values for value in each], str),
        }
    )
    told = ", ".join(f"{name} ({size:,})" for name, size in zip(found.names, sizes))
    say(
        f"items: features {told} of {path}; {counted(int((rows < 0).sum()), 'item')} of the log without, "
        f"{counted(len(others), 'item')} in no record"
    )
    return wider, sizes


def values_of(store: SequenceStore) -> Dict[str, np.ndarray]:
    """``{name: values, that of code k at k - 1}`` of a store's features; empty if it has none."""
    if NAMES not in store.extras:
        return {}
    parts = np.split(store.extras[VALUES], np.cumsum(store.extras[SIZES])[:-1])
    return dict(zip(store.extras[NAMES].tolist(), parts))


def _chosen(path, header, columns):
    """(index of the ids' column, those of the features)."""
    own = find(header, [*SPELLINGS["item_id"].split(), "id"])
    if own is None:
        raise UserError(
            f"{path}: no column of item ids among {shortened(', '.join(header))!r}; expected a header with "
            "item_id or item, and categories. Rename the column."
        )
    unknown = [name for name in columns if name not in header or header.index(name) == own]
    chosen = [header.index(name) for name in columns if name in header]
    chosen = chosen or [at for at in range(len(header)) if at != own]
    if unknown or not chosen:
        raise UserError(
            f"{path}: no column {unknown[0]!r} of categories; it has {shortened(', '.join(header))}."
            if unknown
            else f"{path}: no column beside the item ids. Give a category at least."
        )
    return own, chosen
