"""How a ratings file is laid out: compression, delimiter, header, which column is which."""

import contextlib
import csv
import dataclasses
import gzip
import io
import os
import re
import typing
import zlib

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.text import open_bounded

# Common spellings in order of preference, compared in lower case without punctuation.
SPELLINGS = {
    "user_id": "userid user uid useridx reviewerid customerid memberid visitorid authorid",
    "item_id": "itemid item iid asin parentasin movieid productid product videoid photoid feedid "
    "songid trackid artistid bookid isbn businessid gmapid movie video",
    "rating": "rating ratings score stars star overall reviewrating reviewscore starrating label "
    "feedback islike effectiveview",
    "timestamp": "timestamp timestamps unixreviewtime unixtime time ts timems timestampms datetime "
    "reviewdate date",
}
ROLES = tuple(SPELLINGS)
DELIMITERS = {"\t": "tab", "::": "'::'", ",": "comma", ";": "semicolon", "|": "'|'"}
EXAMPLE = "user_id,item_id,rating,timestamp"


@dataclasses.dataclass
class Layout:
    """Where the four columns of a ratings file are.

    Attributes:
      path: the file.
      compressed: whether it is gzip, by its first bytes (the name does not matter).
      encoding: ``utf-8`` or, with a byte order mark, ``utf-8-sig``.
      delimiter: between the columns.
      columns: names in the header, or None without one.
      width: how many columns there are.
      positions: role -> column index.
      first_line: line number of the first record, from 1.
      regular: whether the first record has ``width`` fields.
    """

    path: str
    compressed: bool
    encoding: str
    delimiter: str
    columns: typing.Optional[typing.List[str]]
    width: int
    positions: typing.Dict[str, int]
    first_line: int
    regular: bool

    def open(self):
        """Opens the file as text; line ends are kept for the csv module."""
        return open_text(self.path, self.compressed, self.encoding)

    def describe(self):
        """JSON-able description for the report."""
        named = self.columns or [f"column {k + 1}" for k in range(self.width)]
        return {
            "delimiter": DELIMITERS[self.delimiter],
            "header": self.columns is not None,
            "compressed": self.compressed,
            "columns": {role: named[at] for role, at in self.positions.items()},
        }


def open_text(path, compressed, encoding):
    """Opens a plain or gzip file as text, strict about its encoding; reading refuses endless lines."""
    return io.TextIOWrapper(open_bounded(path, compressed), encoding=encoding, newline="")


def detect_layout(path):
    """Looks at the beginning of a ratings file.

    Args:
      path: CSV or TSV, plain or gzip, with or without a header line.

    Returns:
      Layout.

    Raises:
      UserError: no such file, a folder, empty, damaged, not UTF-8 text, a header without records,
        columns that cannot be told.
    """
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder, expected a ratings file (CSV or TSV, plain or .gz)")
    with readable(path):
        compressed, encoding = first_bytes(path)
        lines, more = first_lines(path, compressed, encoding)
    if not lines:
        raise UserError(f"{path}: the file is empty, expected lines such as {EXAMPLE}")
    number, first = lines[0]
    delimiter = max(DELIMITERS, key=lambda d: _evidence(first, d))
    fields = split_line(first, delimiter)
    positions = _by_name(fields)
    if len(positions) >= 2 or not any(is_number(f) for f in fields):
        _require_columns(path, number, fields, positions)
        if len(lines) < 2 and not more:
            raise UserError(f"{path}: line {number} is a header and no record follows it")
        columns, records = fields, lines[1:]
    else:
        if len(fields) != len(ROLES):
            raise UserError(
                f"{path}:{number}: no header, and {len(fields)} columns: {_shown(fields)}; "
                "without a "
                "header expected exactly user, item, rating, time; add a header line such as "
                + EXAMPLE
            )
        columns, records = None, lines
        positions = {role: k for k, role in enumerate(ROLES)}
    regular = bool(records) and len(split_line(records[0][1], delimiter)) == len(fields)
    first_line = records[0][0] if records else number + 1
    return Layout(
        path, compressed, encoding, delimiter, columns, len(fields), positions, first_line, regular
    )


def split_line(line, delimiter):
    """Fields of one line, quotes honoured where the delimiter is one character."""
    line = line.rstrip("\r\n")
    if len(delimiter) > 1:
        return [field.strip() for field in line.split(delimiter)]
    try:
        fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        fields = line.split(delimiter)
    return [field.strip() for field in fields]


def is_number(text):
    """Whether ``text`` reads as a number (``nan`` does)."""
    try:
        float(text)
    except ValueError:
        return False
    return True


class readable:
    """Context in which failures to read ``path`` become UserErrors."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, UnicodeDecodeError):
            raise UserError(_bad_text(self.path)) from error
        if isinstance(error, FileNotFoundError):
            raise UserError(f"{self.path}: no such file, expected a ratings file") from error
        of_gzip = isinstance(error, OSError) and error.errno is None  # not the system's
        if of_gzip or isinstance(error, (EOFError, zlib.error)):
            raise UserError(
                f"{self.path}: the gzip data is truncated or damaged; fetch or pack the file again"
            ) from error
        if isinstance(error, OSError):
            raise UserError(f"{self.path}: cannot be read: {error.strerror or error}") from error


def first_bytes(path):
    """Whether a file is gzip, and its encoding: ``utf-8`` or, with a byte order mark, ``utf-8-sig``.

    Raises:
      UserError: UTF-16.
    """
    with open(path, "rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    with (gzip.open if compressed else open)(path, "rb") as stream:
        start = stream.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path}: the text is UTF-16, expected UTF-8; save the file as UTF-8")
    return compressed, "utf-8-sig" if start[:3] == b"\xef\xbb\xbf" else "utf-8"


def first_lines(path, compressed, encoding, count=2):
    """The first ``count`` lines that are not blank, with their numbers, and whether more follow."""
    found = []
    with open_text(path, compressed, encoding) as stream:
        for number, line in enumerate(stream, 1):
            if len(line) > 1 << 20:
                raise UserError(f"{path}:{number}: a line of over a million characters")
            if line.strip():
                if len(found) == count:
                    return found, True
                found.append((number, line))
    return found, False


def _evidence(line, delimiter):
    """How well ``delimiter`` cuts ``line``: named columns, four with rating and time, columns."""
    fields = split_line(line, delimiter)
    record = len(fields) == len(ROLES) and is_number(fields[2]) and is_number(fields[3])
    return len(_by_name(fields)), record, len(fields)


def _by_name(fields):
    """Role -> index of the column with the most preferred spelling."""
    names = [re.sub(r"[\W_]", "", f.split(":")[0].lower()) for f in fields]
    positions = {}
    for role, spellings in SPELLINGS.items():
        at = [names.index(s) for s in spellings.split() if s in names]
        if at:
            positions[role] = at[0]
    return positions


def _require_columns(path, number, fields, positions):
    missing = [role for role in ROLES if role not in positions]
    if missing:
        also = "; ".join(f"{role}: {', '.join(SPELLINGS[role].split()[:6])}" for role in missing)
        raise UserError(
            f"{path}:{number}: no column for {', '.join(missing)} among {_shown(fields)}; expected a "
            f"header such as {EXAMPLE} (also understood for {also}), or no header and exactly the "
            "columns user, item, rating, time"
        )


def _shown(fields):
    return shortened(str(fields), 400)


def _bad_text(path):
    """Message naming the first line that is not UTF-8."""
    with open(path, "rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    # The text before the damage of a gzip may be all that was read.
    damage = contextlib.suppress(OSError, EOFError, zlib.error)
    with damage, open_bounded(path, compressed) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return (
                    f"{path}:{number}: byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8"
                )
    return f"{path}: not UTF-8 text; save the file as UTF-8"
