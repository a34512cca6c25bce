"""The released text files: their names, and their lines with everything checked that one line tells.

A line is tab-separated: label, user, item, category, time, then comma-joined label, item, category
and time histories (RELEASED, data, 5).
"""

import collections
import io
import os
import re
from typing import Iterator, Optional, Sequence, Tuple, Union

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.text import LONGEST_ID, open_bounded, readable

COLUMNS = (
    "label, user, item, category, time, label history, item history, category history, time history"
)
DISLIKED = "test_data_neg"  # lines of disliked last records; nothing reads it
MARK = "SYNTHETIC"  # our file beside them: the records were generated
LABELS = {"0": 0, "1": 1}
# Upper ends of the history lengths of test_dataA_group1 to 4; group 5 has the longer ones.
GROUP_EDGES = (10, 15, 18, 20)
# How a recording may call a file as it was after the negatives were drawn into it.
_RECORDED = re.compile(r"\.after_neg_sampling(_seed\d+)?(_group\d)?$")

# One line: where it stands, its target, its user's labels, items and times up to and with the target,
# and the one category of all its items, or None if they have several.
Line = collections.namedtuple("Line", "where label user item length labels items times category")


def group_name(number: int) -> str:
    """Name of a length group's file, numbered from 1."""
    return f"test_dataA_group{number}"


def group_of(length: int) -> int:
    """Number of the length group, from 1, of a history of ``length`` records (RELEASED, data, 8)."""
    return 1 + sum(length > edge for edge in GROUP_EDGES)


def find_file(folders: Union[str, Sequence[str]], name: str) -> Optional[str]:
    """Path of a released file, plain, ``.gz`` or as recorded after the drawing of negatives.

    Args:
      folders: a folder or several, searched in turn.
      name: such as ``train_dataA`` or ``test_dataA_group2``.

    Returns:
      The path, or None.
    """
    for folder in [folders] if isinstance(folders, str) else folders:
        for path in (os.path.join(folder, name), os.path.join(folder, name + ".gz")):
            if os.path.isfile(path):
                return path
        base, _, group = name.partition("_group")
        for found in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            match = _RECORDED.match(found, len(base)) if found.startswith(base + ".") else None
            if match and (match.group(2) or "") == (f"_group{group}" if group else ""):
                return os.path.join(folder, found)
    return None


def read_lines(path: str) -> Iterator[Tuple[Line, Tuple[str, str]]]:
    """Yields (Line, (user, histories)) of each line of a file.

    Raises:
      UserError: a file that cannot be read, or a malformed line, by its number.
    """
    with readable(path):
        with open(path, "rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
        with io.TextIOWrapper(open_bounded(path, compressed), encoding="utf-8") as stream:
            for number, text in enumerate(stream, 1):
                yield _line(f"{path}:{number}", text.rstrip("\r\n").split("\t"))


def _longest_of(items):
    """Characters of the longest entry; the whole where that is enough to know."""
    return len(items) if len(items) <= LONGEST_ID else max(map(len, items.split(",")))


def _line(where, fields):
    if len(fields) != 9:
        raise UserError(f"{where}: {len(fields)} tab-separated columns, expected 9: {COLUMNS}")
    label, user, item, category, time, labels, items, categories, times = fields
    if label not in LABELS:
        raise UserError(f"{where}: label {shortened(label)!r}, expected 0 or 1")
    if not user or not item or not items:
        raise UserError(f"{where}: the user, item or item history is empty")
    if "," in item or "," in time:  # they become the last entries of the histories
        raise UserError(
            f"{where}: the item {shortened(item)!r} or time {shortened(time)!r} contains a comma, which "
            "separates the entries of a history; expected one of each"
        )
    if "\0" in user or "\0" in item or "\0" in items:
        raise UserError(f"{where}: a user or item contains NUL, expected plain text")
    longest = max(len(user), len(item), len(category), _longest_of(items))
    if longest > LONGEST_ID:
        raise UserError(
            f"{where}: a user, item or category of {longest} characters, an id has at most {LONGEST_ID}"
        )
    length = items.count(",") + 1
    lengths = [h.count(",") + 1 for h in (labels, items, categories, times)]
    if len(set(lengths)) > 1:
        raise UserError(
            f"{where}: label, item, category and time history have {lengths} entries, "
            "expected the same number in each"
        )
    if categories != ",".join([category] * length):
        category = None
    full = (f"{labels},{label}", f"{items},{item}", f"{times},{time}")
    return Line(where, label, user, item, length, *full, category), (user, labels, items, times)
