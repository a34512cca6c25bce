"""How a log is laid out: compression, delimiter, header, names of the columns."""

import contextlib
import csv
import dataclasses
import os
import re
import typing
from typing import Any, Dict, List, Optional, Sequence

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.numbers import is_number
from recommenders_utils.reading.parquet import is_parquet, names_and_samples
from recommenders_utils.reading.text import (
    LONGEST_ID,
    check_columns,
    first_lines,
    is_gzip,
    readable,
)

# Common spellings in order of preference, compared in lower case without punctuation.
SPELLINGS = {
    "user_id": "userid user uid useridx reviewerid customerid memberid visitorid authorid viewerid viewer "
    "sessionid session",
    "item_id": "itemid item iid asin parentasin movieid productid product videoid photoid feedid "
    "songid trackid artistid bookid isbn businessid gmapid movie video filmid film",
    "rating": "rating ratings score stars star overall reviewrating reviewscore starrating label "
    "feedback islike effectiveview",
    "timestamp": "timestamp timestamps unixreviewtime unixtime time ts timems timestampms datetime "
    "reviewdate date when",
}
PARQUET = ""  # in place of a delimiter
DELIMITERS = {"\t": "tab", "::": "'::'", ",": "comma", ";": "semicolon", "|": "'|'"}
EXAMPLE = "user_id,item_id,rating,timestamp"
LOOKED_AT = 20  # lines from which the delimiter is told


@dataclasses.dataclass
class Layout:
    """Where the records of a log are.

    Attributes:
      path: the file.
      compressed: whether it is gzip, by its first bytes (the name does not matter).
      delimiter: between the columns.
      header: names of the columns, or None if the first line is a record.
      header_line: line number of the header, from 1, or 0.
      width: how many columns there are.
      first_line: line number of the first record, from 1.
      start: how many bytes, unpacked, are before that line.
      samples: fields of the first records.
      parquet: whether it is Parquet, which has no lines and no delimiter.
    """

    path: str
    compressed: bool
    delimiter: str
    header: typing.Optional[typing.List[str]]
    header_line: int
    width: int
    first_line: int
    start: int
    samples: typing.List[typing.List[str]]
    parquet: bool = False

    def found(self) -> str:
        """What a message says the columns are."""
        if self.header:
            return shortened(", ".join(self.header), 400)
        return (
            f"no header, {self.width} columns such as {shortened(', '.join(self.samples[0]), 400)}"
        )


def detect(path: str, delimiter: Optional[str] = None) -> "Layout":
    """Looks at the beginning of a log.

    The first line is a header if two of its fields are common names of columns, or none is a number or a
    date.

    Args:
      path: CSV or TSV, plain or gzip, or Parquet.
      delimiter: between the columns; told from the first lines if None.

    Returns:
      Layout.

    Raises:
      UserError: no such file, a folder, empty, damaged, not UTF-8 text, fewer than three columns, a
        header without records.
    """
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder, expected a file (CSV or TSV, plain or .gz)")
    with readable(path):
        if is_parquet(path):
            names, rows = names_and_samples(path, LOOKED_AT)
            _check_names(path, names, 0)
            return Layout(path, False, PARQUET, names, 0, len(names), 1, 0, rows, parquet=True)
        compressed = is_gzip(path)
        lines = first_lines(path, compressed, LOOKED_AT)
    if not lines:
        raise UserError(f"{path}: the file is empty, expected lines such as {EXAMPLE}")
    number, start, first = lines[0]
    delimiter = delimiter or max(DELIMITERS, key=lambda d: _evidence(lines, d))
    check_columns(path, first, delimiter, number)
    rows = [split_line(line, delimiter) for _, _, line in lines]
    names = [re.sub(r":[a-z_]+$", "", field) for field in rows[0]]  # RecBole's name:type
    width, header, header_line = len(names), None, 0
    if width < 3:
        raise UserError(
            f"{path}:{number}: {width} columns between {DELIMITERS[delimiter]}: "
            f"{first.strip()[:80]!r}; expected at least user, item and time, delimited by one of "
            + ", ".join(DELIMITERS.values())
        )
    if len(by_spelling(names)) >= 2 or not any(map(_is_value, rows[0])):
        if len(lines) == 1:
            raise UserError(f"{path}: line {number} is a header and no record follows it")
        header, header_line, rows, (number, start, _) = names, number, rows[1:], lines[1]
    _check_names(path, header or [""], header_line)
    return Layout(path, compressed, delimiter, header, header_line, width, number, start, rows)


def _check_names(path, header, line):
    if max(map(len, header)) > LONGEST_ID:
        raise UserError(
            f"{path}:{line}: a column's name has more than {LONGEST_ID} characters; rename it"
        )


def split_line(line: str, delimiter: str) -> List[str]:
    """Fields of one line, quotes honoured where the delimiter is one character."""
    line = line.rstrip("\r\n")
    fields = line.split(delimiter)
    if len(delimiter) == 1:
        with contextlib.suppress(csv.Error):
            fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def by_spelling(names: Sequence[str]) -> Dict[str, int]:
    """Columns by their common names: key of ``SPELLINGS`` -> index of the most preferred spelling."""
    found = {key: find(names, spellings.split()) for key, spellings in SPELLINGS.items()}
    return {key: at for key, at in found.items() if at is not None}


def find(names: Any, spellings: Sequence[str]) -> Optional[int]:
    """Index of the name that is the first of some spellings, or None."""
    plain = [re.sub(r"[\W_]", "", name.split(":")[0].lower()) for name in names]
    return next((plain.index(each) for each in spellings if each in plain), None)


def _is_value(field):
    return is_number(field) or bool(re.match(r"\d{4}-\d\d-\d\d", field))


def _evidence(lines, delimiter):
    """How well a delimiter cuts: columns of common names on the first line; a record of ratings; three
    columns at least, most lines as the first, into many."""
    rows = [split_line(line, delimiter) for _, _, line in lines]
    first, widths = rows[0], [len(row) for row in rows]
    rated = len(first) == 4 and is_number(first[2]) and is_number(first[3])
    return len(by_spelling(first)), rated, widths[0] >= 3, widths.count(widths[0]), widths[0]
