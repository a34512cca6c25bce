"""Imports the released code's instance files, with the candidates behind its numbers.

Consecutive lines of ``valid_dataA`` and ``test_dataA`` that share user and history are one instance:
its target first, then the negatives drawn for it.
"""

import hashlib
import os
from typing import Any, Callable, Dict, Sequence, Union

import numpy as np

from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.dataset.store import SPLITS, Instances, SequenceStore
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import sha256_of
from recommenders_utils.reading.ids import id_array
from recommenders_utils.reading.times import TOO_LATE
from recommenders_utils.released.files import (
    COLUMNS,
    DISLIKED,
    GROUP_EDGES,
    LABELS,
    MARK,
    find_file,
    group_name,
    group_of,
    read_lines,
)
from recommenders_utils.released.vocabulary import (
    DEFAULTS,
    read_vocabulary,
    vocabulary_file,
)


def import_released(
    folder: Union[str, Sequence[str]],
    name: str = "released files",
    say: Callable[[str], None] = print,
) -> SequenceStore:
    """Reads ``train_dataA``, ``valid_dataA`` and ``test_dataA`` (plain or ``.gz``) of a folder.

    ``test_data_neg``, the length groups (which must be the parts of ``test_dataA`` that their names
    say) and the three vocabularies are also read if they exist; a file ``SYNTHETIC`` marks the result.
    Users' sequences are put together from their longest line. Without ``test_data_neg`` no line shows a
    last record that the user disliked, so it is not part of the result.

    Args:
      folder: folder of the files, or several, searched in turn.
      name: what to call the data.
      say: called with a line of progress.

    Returns:
      SequenceStore; instances and candidates in the order of the files, and the extras that
      ``recommenders_utils/released/order.py`` names.

    Raises:
      UserError: a missing or damaged file, or a line that is malformed or contradicts another.
    """
    paths = _paths(folder)
    parts = {split: list(_instances(paths[split], split)) for split in SPLITS}
    if DISLIKED in paths:
        parts[DISLIKED] = list(_instances(paths[DISLIKED], DISLIKED))
    longest = _longest(first for part in parts.values() for first, _ in part)
    store = _store_of(longest)
    item_numbers = {raw: k for k, raw in enumerate(store.item_ids.tolist(), 1)}
    in_records = len(item_numbers)
    user_rows = {raw: k for k, raw in enumerate(longest)}
    seen: Dict[str, Any] = {}
    arrays = {
        split: _to_arrays(part, split, store, user_rows, item_numbers, seen)
        for split, part in parts.items()
    }
    store.splits = {split: arrays[split] for split in SPLITS}
    store.item_ids = id_array(list(item_numbers))
    store.extras = _vocabulary_extras(paths, parts)
    disliked = arrays.get(DISLIKED)
    if disliked is not None:
        store.extras["disliked_users"] = disliked.users
        store.extras["disliked_ends"] = disliked.ends
        store.extras["disliked_candidates"] = disliked.candidates
    known = np.concatenate([a.users for a in (arrays["test"], disliked) if a is not None])
    store.extras["unknown_last"] = np.setdiff1d(
        np.arange(store.num_users, dtype=np.int32), known.astype(np.int32)
    )
    for number in range(1, len(GROUP_EDGES) + 2):
        if group_name(number) in paths:
            _check_group(paths[group_name(number)], number, paths["test"])
    categories = {line.category for line in longest.values()}
    widths = {s: store.splits[s].candidates.shape[1] - 1 for s in ("valid", "test")}
    fingerprint = hashlib.sha256("".join(map(sha256_of, paths.values())).encode()).hexdigest()
    store.meta = {
        "name": name,
        "source": ", ".join(os.path.basename(path) for path in paths.values()),
        "synthetic": find_file(folder, MARK) is not None,
        "protocol": {
            "split": "as imported",
            "candidate_sampling": "as imported",
            "valid_num_ngs": widths["valid"],
            "test_num_ngs": widths["test"],
        },
        "fingerprint": fingerprint,
        "category": categories.pop() if len(categories) == 1 else None,
        "statistics": store.statistics(),
        "preparation_report": {"items_only_candidates": len(item_numbers) - in_records},
    }
    store.check()
    sizes = ", ".join(f"{len(part)} {split}" for split, part in store.splits.items())
    shown = folder if isinstance(folder, str) else ", ".join(folder)
    say(
        f"data: imported {store.num_users} users, {store.num_items} items, {len(store.items)} "
        f"records; {sizes} instances from {shown}"
        + (" (SYNTHETIC)" if store.meta["synthetic"] else "")
    )
    return store


def _paths(folder):
    """{split, other file's name or vocabulary's kind: path} of what is there."""
    paths = {}
    for split in SPLITS:
        paths[split] = find_file(folder, f"{split}_dataA")
        if paths[split] is None:
            where = folder if isinstance(folder, str) else folder[0]
            raise UserError(
                f"{os.path.join(where, split + '_dataA')}: no such file, plain or .gz, expected with "
                "train_dataA, valid_dataA and test_dataA of a released preparation"
            )
    others = {name: name for name in [DISLIKED, *map(group_name, range(1, len(GROUP_EDGES) + 2))]}
    others.update({kind: vocabulary_file(kind) for kind in DEFAULTS})
    for key, name in others.items():
        path = find_file(folder, name)
        if path is not None:
            paths[key] = path
    return paths


def _instances(path, split):
    """Yields (target Line, [negative items]) of each instance of one file."""
    first, negatives, previous = None, [], None
    for line, history in read_lines(path):
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
            yield _true(first, split), negatives
        first, negatives, previous = line, [], history
    if first is None:
        if split == DISLIKED:
            return
        raise UserError(f"{path}: the file is empty, expected lines of {COLUMNS}")
    yield _true(first, split), negatives


def _true(target, split):
    """A target with its observed label: ``test_data_neg`` labels its disliked targets 1."""
    if split != DISLIKED:
        return target
    return target._replace(label="0", labels=target.labels[:-1] + "0")


def _longest(targets):
    """User -> the Line with most of its sequence; all others must be prefixes of it."""
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
                        "a prefix of those in"
                        f" {whole.where}"
                    )
        longest[user] = whole
    return longest


def _store_of(longest):
    """SequenceStore of the users' longest lines, without splits."""
    items, labels, times = [], [], []
    for line in longest.values():
        items.extend(line.items.split(","))
        try:
            labels.extend(LABELS[text] for text in line.labels.split(","))
            user_times = [int(float(text)) for text in line.times.split(",")]
        except (KeyError, ValueError, OverflowError) as error:
            raise UserError(
                f"{line.where}: {shortened(str(error))} in a label or time history, expected labels "
                "0 or 1 and times in unix seconds"
            ) from error
        if not all(abs(time) < TOO_LATE for time in user_times):
            raise UserError(
                f"{line.where}: a time of the year 3,000,000 or later, expected unix seconds"
            )
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
        id_array(list(longest)),
        item_ids,
    )


def _first_appearance(texts):
    codes = {}
    coded = np.array([codes.setdefault(text, len(codes)) for text in texts])
    return id_array(list(codes)), coded


def _to_arrays(part, split, store, user_rows, item_numbers, seen):
    """Instances of one file; items met for the first time are added to ``item_numbers``."""
    users = np.array([user_rows[first.user] for first, _ in part], np.int32)
    ends = store.user_offsets[users] + np.array([first.length for first, _ in part], np.int64)
    for end, (first, _) in zip(ends.tolist(), part):
        if seen.setdefault(end, first) is not first:
            raise UserError(
                f"{first.where}: the same instance as {seen[end].where}, expected each record to "
                "be the target of one"
            )
    if split == "train":
        return Instances(users=users, ends=ends)
    counts = np.array([1 + len(negatives) for _, negatives in part], np.int32)
    candidates = np.zeros((len(part), counts.max() if len(part) else 1), np.int32)
    for row, (first, negatives) in zip(candidates, part):
        for k, raw in enumerate([first.item, *negatives]):
            row[k] = item_numbers.setdefault(raw, len(item_numbers) + 1)
    labels = np.zeros(candidates.shape, np.int8)
    labels[:, 0] = [LABELS[first.label] for first, _ in part]
    return Instances(users, ends, candidates, labels, counts)


def _vocabulary_extras(paths, parts):
    """The vocabularies as extras; every line's entries must be in them."""
    names = {kind: read_vocabulary(paths[kind], kind) for kind in DEFAULTS if kind in paths}
    if names and len(names) < len(DEFAULTS):
        missing = [vocabulary_file(kind) for kind in DEFAULTS if kind not in names]
        raise UserError(
            f"{next(paths[kind] for kind in names)}: found without {' and '.join(missing)}; "
            "expected all three vocabularies or none"
        )
    known = {kind: set(entries) for kind, entries in names.items()}
    for line in (first for part in parts.values() if known for first, _ in part):
        # The item vocabulary is counted from targets, the category vocabulary from histories.
        for kind, what, entries in (
            ("user", "user", [line.user]),
            ("item", "target item", [line.item]),
            ("category", "history item", line.items.split(",")[:-1]),
        ):
            for entry in entries:
                if entry not in known[kind]:
                    raise UserError(
                        f"{line.where}: {what} {entry!r} is not in {paths[kind]}; give the "
                        "vocabularies that were made with these files"
                    )
    return {f"{kind}_vocabulary": id_array(entries) for kind, entries in names.items()}


def _check_group(path, number, test_path):
    """A group file must contain the lines of ``test_dataA`` with histories of its lengths."""
    expected = (
        (line, history)
        for line, history in read_lines(test_path)
        if group_of(line.length) == number
    )
    count = 0
    for line, history in read_lines(path):
        other, other_history = next(expected, (None, None))
        count += 1
        if (line.label, line.item, history) != (
            (other.label, other.item, other_history) if other else None
        ):
            instead = f"expected that of {other.where}" if other else "expected no further line"
            raise UserError(
                f"{line.where}: not the next line of {os.path.basename(test_path)} with a history "
                f"of group {number}'s length; {instead}"
            )
    rest = next(expected, (None, None))[0]
    if rest is not None:
        raise UserError(f"{path}:{count + 1}: the line of {rest.where} is missing")
