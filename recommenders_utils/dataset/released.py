"""Imports the released code's instance files, with the very candidates its numbers were made on.

A line is tab-separated: label, user, item, category, time, then comma-joined label, item, category
and time histories (RELEASED, data, 5). Consecutive lines of ``valid_dataA`` and ``test_dataA`` that
share user and history are one instance: its target first, then the negatives drawn for it.
"""

import collections
import gzip
import hashlib
import os

import numpy as np

from recommenders_utils.dataset.ratings_layout import readable
from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.dataset.store import SPLITS, Instances
from recommenders_utils.errors import UserError
from recommenders_utils.files import sha256_of

COLUMNS = (
    "label, user, item, category, time, label history, item history, category history, time history"
)
# One line: where it stands, its target, and its user's labels, items and times up to and with it.
Line = collections.namedtuple("Line", "where label user item length labels items times")


def import_released(folder, name="released files", log=print):
    """Reads ``train_dataA``, ``valid_dataA`` and ``test_dataA`` (plain or ``.gz``) of a folder.

    Users' sequences are put together from their longest line. The files hold no line for a last
    record that the user disliked, so that record is not part of the result.

    Args:
      folder: folder of the three files.
      name: what to call the data.
      log: called with a line of progress.

    Returns:
      SequenceStore; instances and candidates in the order of the files.

    Raises:
      UserError: a missing or damaged file, or a line that is malformed or contradicts another.
    """
    paths = {split: _find(folder, f"{split}_dataA") for split in SPLITS}
    instances = {split: list(_instances(path, split)) for split, path in paths.items()}
    longest = _longest(first for part in instances.values() for first, _ in part)
    store = _store_of(longest)
    item_numbers = {raw: k for k, raw in enumerate(store.item_ids.tolist(), 1)}
    in_records = len(item_numbers)
    user_rows = {raw: k for k, raw in enumerate(longest)}
    seen = {}
    for split, part in instances.items():
        store.splits[split] = _to_arrays(part, split, store, user_rows, item_numbers, seen)
    store.item_ids = np.array(list(item_numbers))
    fingerprint = hashlib.sha256("".join(map(sha256_of, paths.values())).encode()).hexdigest()
    widths = {s: store.splits[s].candidates.shape[1] - 1 for s in ("valid", "test")}
    store.meta = {
        "name": name,
        "source": ", ".join(os.path.basename(path) for path in paths.values()),
        "synthetic": False,
        "protocol": {
            "split": "as imported",
            "candidate_sampling": "as imported",
            "valid_num_ngs": widths["valid"],
            "test_num_ngs": widths["test"],
        },
        "fingerprint": fingerprint,
        "statistics": store.statistics(),
        "preparation_report": {"items_only_candidates": len(item_numbers) - in_records},
    }
    store.check()
    sizes = ", ".join(f"{len(part)} {split}" for split, part in store.splits.items())
    log(
        f"data: imported {store.num_users} users, {store.num_items} items, {len(store.items)} "
        f"records; {sizes} instances from {folder}"
    )
    return store


def _find(folder, name):
    for path in (os.path.join(folder, name), os.path.join(folder, name + ".gz")):
        if os.path.isfile(path):
            return path
    raise UserError(
        f"{os.path.join(folder, name)}: no such file, plain or .gz, expected with "
        "train_dataA, valid_dataA and test_dataA of a released preparation"
    )


def _instances(path, split):
    """Yields (target Line, [negative items]) of each instance of one file."""
    first, negatives, previous = None, [], None
    for line, history in _lines(path):
        follows = split != "train" and first is not None and history == previous
        if follows:
            if first.label == "0" or line.label == "1":
                raise UserError(
                    f"{line.where}: same user and history as the line before, so expected a "
                    f"negative candidate: label 0 after a target of label 1, found {line.label} "
                    f"after {first.label}"
                )
            negatives.append(line.item)
            continue
        if first is not None:
            yield first, negatives
        first, negatives, previous = line, [], history
    if first is None:
        raise UserError(f"{path}: the file is empty, expected lines of {COLUMNS}")
    yield first, negatives


def _lines(path):
    """Yields (Line, (user, histories)) of each line of a file."""
    with readable(path):
        with open(path, "rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
        with (gzip.open if compressed else open)(path, "rt", encoding="utf-8") as stream:
            for number, text in enumerate(stream, 1):
                where = f"{path}:{number}"
                fields = text.rstrip("\r\n").split("\t")
                if len(fields) != 9:
                    raise UserError(
                        f"{where}: {len(fields)} tab-separated columns, expected 9: {COLUMNS}"
                    )
                label, user, item, _, time, labels, items, categories, times = fields
                if label not in ("0", "1"):
                    raise UserError(f"{where}: label {label!r}, expected 0 or 1")
                if not user or not item or not items:
                    raise UserError(f"{where}: the user, item or item history is empty")
                length = items.count(",") + 1
                lengths = [h.count(",") + 1 for h in (labels, items, categories, times)]
                if len(set(lengths)) > 1:
                    raise UserError(
                        f"{where}: label, item, category and time history have {lengths} entries, "
                        "expected the same number in each"
                    )
                full = (f"{labels},{label}", f"{items},{item}", f"{times},{time}")
                yield Line(where, label, user, item, length, *full), (user, labels, items, times)


def _longest(targets):
    """User -> the Line that tells most of its sequence; all others must be beginnings of it."""
    by_user = {}
    for line in targets:
        by_user.setdefault(line.user, []).append(line)
    longest = {}
    for user, lines in by_user.items():
        whole = max(lines, key=lambda line: line.length)
        for line in lines:
            for key in ("labels", "items", "times"):
                if not (getattr(whole, key) + ",").startswith(getattr(line, key) + ","):
                    raise UserError(
                        f"{line.where}: the {key[:-1]} history and target of user {user} are not "
                        f"a beginning of those in {whole.where}"
                    )
        longest[user] = whole
    return longest


def _store_of(longest):
    """SequenceStore of the users' longest lines, without splits."""
    items, labels, times = [], [], []
    for line in longest.values():
        items.extend(line.items.split(","))
        try:
            labels.extend(_LABELS[text] for text in line.labels.split(","))
            user_times = [int(float(text)) for text in line.times.split(",")]
        except (KeyError, ValueError, OverflowError) as error:
            raise UserError(
                f"{line.where}: {error} in a label or time history, expected labels 0 or 1 and "
                "times in unix seconds"
            ) from error
        if any(b < a for a, b in zip(user_times, user_times[1:])):
            raise UserError(f"{line.where}: the times of the history and target are not in order")
        times.extend(user_times)
    lengths = [line.length + 1 for line in longest.values()]
    item_ids, item_codes = _first_appearance(items)
    return sequences(
        np.repeat(np.arange(len(longest)), lengths),
        item_codes,
        np.array(labels, np.int8),
        np.array(times, np.int64),
        np.array(list(longest)),
        item_ids,
    )


_LABELS = {"0": 0, "1": 1}


def _first_appearance(texts):
    codes = {}
    coded = np.array([codes.setdefault(text, len(codes)) for text in texts])
    return np.array(list(codes)), coded


def _to_arrays(part, split, store, user_rows, item_numbers, seen):
    """Instances of one file; items met for the first time are added to ``item_numbers``."""
    users = np.array([user_rows[first.user] for first, _ in part], np.int32)
    ends = store.user_offsets[users] + [first.length for first, _ in part]
    for end, (first, _) in zip(ends.tolist(), part):
        if seen.setdefault(end, first) is not first:
            raise UserError(
                f"{first.where}: the same instance as {seen[end].where}, expected each record to "
                "be the target of one"
            )
    if split == "train":
        return Instances(users=users, ends=ends)
    counts = np.array([1 + len(negatives) for _, negatives in part], np.int32)
    candidates = np.zeros((len(part), counts.max()), np.int32)
    for row, (first, negatives) in zip(candidates, part):
        for k, raw in enumerate([first.item, *negatives]):
            row[k] = item_numbers.setdefault(raw, len(item_numbers) + 1)
    labels = np.zeros(candidates.shape, np.int8)
    labels[:, 0] = [_LABELS[first.label] for first, _ in part]
    return Instances(users, ends, candidates, labels, counts)
