"""The released vocabularies: how they are counted, numbered, written and read.

RELEASED, data, 5 and 6. A vocabulary numbers entries from 1 by descending count over the lines of all
three files before negatives are drawn, the first counted first among equals. Each is counted from
the column next to the intended one: the **item** vocabulary from the targets and the *label*
histories, so that
"0" and "1" are entries of it; the **category** vocabulary from the targets' category and the *item*
histories. An item that is never a target is in no item vocabulary and reads as 0, the padding.
"""

import pickle
from typing import Dict, Iterable, List, Mapping, Sequence

import numpy as np

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.released.order import has_last_records, line_targets
from recommenders_utils.released.pickles import read_plain_pickle

# The entry of id 0. A category of that name is counted like any other and gets another id.
DEFAULTS = {"user": "default_uid", "item": "default_mid", "category": "default_cat"}
CATEGORY = "default_cat"  # of every item
PROTOCOL = 3  # of the released pickles, the default of their Python


def vocabulary_file(kind: str) -> str:
    """File name of a vocabulary: ``item_vocab_cd.pkl``."""
    return f"{kind}_vocab_cd.pkl"


def vocabularies(store: SequenceStore) -> Dict[str, List[str]]:
    """The released vocabularies of a store: those imported with it, else counted.

    Args:
      store: SequenceStore.

    Returns:
      dict: kind -> list of entries, id k at k - 1.

    Raises:
      UserError: they were not imported and cannot be counted, because last records are missing.
    """
    kept = {kind: store.extras.get(f"{kind}_vocabulary") for kind in DEFAULTS}
    if all(names is not None for names in kept.values()):
        return {kind: names.tolist() for kind, names in kept.items() if names is not None}
    if not has_last_records(store):
        missing = len(store.extras["unknown_last"])
        raise UserError(
            f"{store.meta.get('name', 'the data')}: the item vocabulary cannot be counted: the imported "
            f"files hold no line for {missing} disliked last records; import them together with "
            "item_vocab_cd.pkl, user_vocab_cd.pkl and category_vocab_cd.pkl, or with test_data_neg"
        )
    return {kind: number(counts) for kind, counts in count(store).items()}


def category_of(store: SequenceStore) -> str:
    """The one category of all items: ``default_cat``, unless imported lines had another."""
    return store.meta.get("category") or CATEGORY


def number(counts: Mapping[str, int]) -> List[str]:
    """Entries by descending count, the first counted first among equals."""
    return sorted(counts, key=lambda key: -counts[key])


def count(store: SequenceStore) -> Dict[str, Dict[str, int]]:
    """Counts the entries of each vocabulary over the lines of a store.

    For imported users without a last record (extra ``unknown_last``), the line is counted without
    its target, which is unknown; all vocabularies except that of items are complete nevertheless.

    Args:
      store: SequenceStore.

    Returns:
      dict: kind -> {entry: count}, entries in the order they are met.
    """
    # Lines whose history a record is in: one for each later record of its user.
    owners = np.repeat(np.arange(store.num_users), np.diff(store.user_offsets))
    unknown = np.asarray(store.extras.get("unknown_last", ()), np.int64)
    uses = store.user_offsets[1:][owners] - 1 - np.arange(len(owners)) + np.isin(owners, unknown)
    uses = uses.tolist()
    items = store.item_ids[store.items - 1].tolist()
    labels = np.where(store.labels == 1, "1", "0").tolist()
    category = category_of(store)
    names, stops = store.user_ids.tolist(), store.user_offsets[1:].tolist()
    counts: Dict[str, Dict[str, int]] = {kind: {} for kind in DEFAULTS}
    # In the order of meeting: of a history, only what its user's earlier lines did not have is new.
    met = store.user_offsets[:-1].tolist()
    for user, end in zip(*(column.tolist() for column in line_targets(store))):
        _add(counts["user"], names[user], 1)
        _add(counts["category"], category, 1)
        if end < stops[user]:
            _add(counts["item"], items[end], 1)
        for record in range(met[user], end):
            _add(counts["item"], labels[record], uses[record])
            _add(counts["category"], items[record], uses[record])
        met[user] = max(met[user], end)
    return counts


def _add(counts, key, number_of):
    counts[key] = counts.get(key, 0) + number_of


def write_vocabulary(path: str, kind: str, names: Sequence[str]) -> None:
    """Writes a vocabulary as the released code's pickle, byte for byte.

    Args:
      path: file to write.
      kind: ``user``, ``item`` or ``category``.
      names: entries, id k at k - 1.
    """
    with open(path, "wb") as stream:
        pickle.dump(as_dict(kind, names), stream, protocol=PROTOCOL)


def as_dict(kind: str, names: Sequence[str]) -> Dict[str, int]:
    """{entry: id} with the default first; an entry of the default's name has its own id."""
    table = {DEFAULTS[kind]: 0}
    table.update((str(name), k) for k, name in enumerate(names, 1))
    return table


def read_vocabulary(path: str, kind: str) -> List[str]:
    """Reads a vocabulary's pickle, executing nothing.

    Args:
      path: the file.
      kind: ``user``, ``item`` or ``category``.

    Returns:
      List of entries, id k at k - 1.

    Raises:
      UserError: see ``read_plain_pickle``; or it is not a table of ids 0, 1, 2, ...
    """
    table = read_plain_pickle(path)
    sound = isinstance(table, dict) and all(
        type(key) is str and type(value) is int for key, value in table.items()
    )
    if not sound:
        raise UserError(f"{path}: expected a dict of texts to whole numbers, a vocabulary")
    entries = {value: key for key, value in table.items() if value}
    zero = [key for key, value in table.items() if not value]
    if len(entries) + len(zero) != len(table) or sorted(entries) != list(
        range(1, len(entries) + 1)
    ):
        raise UserError(
            f"{path}: the ids are not 1 to {len(entries)}, each once; expected a vocabulary"
        )
    if zero not in ([], [DEFAULTS[kind]]):
        raise UserError(
            f"{path}: {shortened(zero[0])!r} has id 0, which is {DEFAULTS[kind]!r} in a {kind} vocabulary; "
            "the file may be of another kind"
        )
    return [entries[k] for k in range(1, len(entries) + 1)]


def released_ids(item_ids: Iterable[str], names: Sequence[str]) -> np.ndarray:
    """Ids that the released code reads items as: int32, one for each, 0 if not in the vocabulary.

    Args:
      item_ids: raw ids.
      names: the item vocabulary's entries; "1" is a label's entry and an item's of that name alike.
    """
    table = {name: k for k, name in enumerate(names, 1)}
    return np.array([table.get(str(raw), 0) for raw in item_ids], np.int32)
