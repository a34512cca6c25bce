"""How a log of any columns is laid out: compression, delimiter, header, names of the columns."""

import dataclasses
import os
import re
import typing

from recommenders_utils.errors import UserError
from recommenders_utils.reading.ratings_layout import (
    DELIMITERS,
    first_bytes,
    first_lines,
    is_number,
    open_text,
    readable,
    split_line,
)

LOOKED_AT = 20  # lines from which the delimiter is told


@dataclasses.dataclass
class LogLayout:
    """Where the records of a log are.

    Attributes:
      path: the file.
      compressed: whether it is gzip, by its first bytes (the name does not matter).
      encoding: ``utf-8`` or, with a byte order mark, ``utf-8-sig``.
      delimiter: between the columns.
      header: names of the columns, or None if the first line is a record.
      width: how many columns there are.
      first_line: line number of the first record, from 1.
      example: fields of the first record, empty if there is none.
    """

    path: str
    compressed: bool
    encoding: str
    delimiter: str
    header: typing.Optional[typing.List[str]]
    width: int
    first_line: int
    example: typing.List[str]

    def open(self):
        """Opens the file as text; line ends are kept."""
        return open_text(self.path, self.compressed, self.encoding)

    def found(self):
        """What a person is told the columns are."""
        if self.header:
            return ", ".join(self.header)
        return f"no header, {self.width} columns such as {', '.join(self.example)}"


def detect_log(path, delimiter=None):
    """Looks at the beginning of a log.

    The first line is a header unless a field of it is a number or a date.

    Args:
      path: CSV or TSV, plain or gzip.
      delimiter: between the columns; told from the first lines if None.

    Returns:
      LogLayout.

    Raises:
      UserError: no such file, a folder, empty, damaged, not UTF-8 text, one column only, a column
        named twice, a header without records.
    """
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder, expected a log (CSV or TSV, plain or .gz)")
    with readable(path):
        compressed, encoding = first_bytes(path)
        lines, _ = first_lines(path, compressed, encoding, LOOKED_AT)
    if not lines:
        raise UserError(
            f"{path}: the file is empty, expected lines of user, item, time and feedback"
        )
    number, first = lines[0]
    delimiter = delimiter or max(DELIMITERS, key=lambda d: _evidence(lines, d))
    fields = split_line(first, delimiter)
    if len(fields) < 3:
        raise UserError(
            f"{path}:{number}: {len(fields)} columns between {DELIMITERS[delimiter]}: "
            f"{first.strip()[:80]!r}; expected at least user, item and time, delimited by one of "
            + ", ".join(DELIMITERS.values())
        )
    if any(is_number(f) or re.match(r"\d{4}-\d\d-\d\d", f) for f in fields):
        return LogLayout(path, compressed, encoding, delimiter, None, len(fields), number, fields)
    names = [re.sub(r":[a-z_]+$", "", field) for field in fields]  # RecBole's name:type
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{path}:{number}: two columns are named {twice[0]!r}; rename one")
    if len(lines) < 2:
        raise UserError(f"{path}: line {number} is a header and no record follows it")
    start, record = lines[1]
    example = split_line(record, delimiter)
    return LogLayout(path, compressed, encoding, delimiter, names, len(names), start, example)


def _evidence(lines, delimiter):
    """How well a delimiter cuts: three columns at least, most lines as the first, into many."""
    widths = [len(split_line(line, delimiter)) for _, line in lines]
    return widths[0] >= 3, widths.count(widths[0]), widths[0]
