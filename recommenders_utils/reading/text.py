"""Text of untrusted files: opened by what they are, cut into blocks of whole records, never endless.

A gzip of a few kilobytes may hold gigabytes without a line end, and an unclosed quote makes a
parser take the rest of a file as one field.
"""

import codecs
import contextlib
import csv
import gzip
import io
import os
import re
import typing
import zlib
from typing import Any, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from tqdm import tqdm

from recommenders_utils.errors import UserError

BLOCK_BYTES = 32 << 20
LONGEST_RECORD = 16 << 20  # bytes of a line or, with quoted line breaks, of several
LONGEST_ID = 1000  # characters; arrays of ids are as wide as the longest
MOST_COLUMNS = 4096
MOST_BLANK = 1 << 16  # lines, before the first records
LONGEST_BLANK = 4 << 20  # bytes of blank lines together: a small gzip of them never ends
_BUFFER = 1 << 18
_QUOTED = re.compile(r'(^|[,\t;|])"(?:[^"]|"")*"')


@contextlib.contextmanager
def readable(path: str) -> Iterator[None]:
    """Context in which failures to read ``path`` become UserErrors."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(bad_text([path])) from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file, expected a CSV or TSV file") from error
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's
            raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
        raise UserError(
            f"{path}: the gzip data is truncated or damaged; download or compress the file again"
        ) from error


def _too_long(path, line):
    return UserError(
        f"{path}:{line}: a line of over {LONGEST_RECORD >> 20} MiB, expected text of short lines; look "
        "for binary data, missing line ends or an unclosed quote"
    )


class _BoundedLines(io.RawIOBase):
    """The bytes of another stream, as long as no line is longer than ``LONGEST_RECORD``."""

    def __init__(self, binary, path):
        super().__init__()
        self._binary, self._path, self._lines, self._length = binary, path, 0, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self._binary.read(len(buffer))
        buffer[: len(data)] = data
        last = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._length = self._length + len(data) if last < 0 else len(data) - last - 1
        self._lines += data.count(b"\n")
        if self._length > LONGEST_RECORD:
            raise _too_long(self._path, self._lines + 1)
        return len(data)

    def close(self):
        self._binary.close()
        super().close()


def open_bounded(path: str, compressed: bool) -> Any:
    """Opens a plain or gzip file as bytes; reading raises UserError at an endless line."""
    binary = (gzip.open if compressed else open)(path, "rb")
    return io.BufferedReader(_BoundedLines(binary, path), _BUFFER)


def open_text(path: str, compressed: bool, encoding: str) -> Any:
    """Opens a plain or gzip file as text, strict about its encoding; line ends are kept."""
    return io.TextIOWrapper(open_bounded(path, compressed), encoding=encoding, newline="")


def is_gzip(path: str) -> bool:
    """Whether a file is gzip, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def header_of(path: str) -> str:
    """The first line of a plain or gzip file of UTF-8 text, without its end.

    Raises:
      UserError: a file that cannot be read; over ``MOST_COLUMNS`` columns in it or in the row after it,
        of whose fields without a header pandas would make an index, for hours if there are millions.
    """
    with readable(path), open_text(path, is_gzip(path), "utf-8-sig") as stream:
        line = stream.readline().rstrip("\r\n")
        first = first_record(stream)
    check_columns(path, line, ",")
    check_columns(path, first, ",", 2)
    return line


def first_record(stream: Iterable[str]) -> str:
    """The text of the first row after the header; of no more than ``LONGEST_RECORD`` characters."""
    lines, quotes, length = [], 0, 0
    for line in stream:
        lines.append(line)
        quotes, length = quotes + line.count('"'), length + len(line)
        if quotes % 2 == 0 or length > LONGEST_RECORD:
            break
    return "".join(lines)


def check_columns(path: str, line: str, delimiter: str, number: int = 1) -> None:
    """Raises UserError if a line has over ``MOST_COLUMNS`` columns."""
    if '"' in line:
        line = _QUOTED.sub(r"\1", line)
    most = line.count(delimiter) + 1
    if most > MOST_COLUMNS:
        raise UserError(
            f"{path}:{number}: {most:,} columns, expected at most {MOST_COLUMNS:,}; give a file with the "
            "needed columns only"
        )


def first_lines(path: str, compressed: bool, count: int) -> List[Tuple[int, int, str]]:
    """The first ``count`` lines that are not blank: (number from 1, byte it begins at, text) of each.

    Raises:
      UserError: UTF-16, a line of over a million characters, over ``MOST_BLANK`` blank lines.
    """
    found: List[Tuple[int, int, str]] = []
    with open_bounded(path, compressed) as stream:
        head = stream.peek(3)[:3]
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise UserError(f"{path}: the text is UTF-16, expected UTF-8; save the file as UTF-8")
        start = 3 if head == codecs.BOM_UTF8 else 0
        for number, text in enumerate(io.TextIOWrapper(stream, "utf-8-sig", newline=""), 1):
            if len(text) > 1 << 20:
                raise UserError(f"{path}:{number}: a line of over a million characters")
            if number - len(found) > MOST_BLANK:
                raise UserError(
                    f"{path}: over {MOST_BLANK:,} blank lines at its beginning, expected a header or "
                    "records; remove them"
                )
            if text.strip():
                found.append((number, start, text))
            if len(found) == count:
                break
            start += len(text.encode("utf-8"))
    return found


def bad_text(paths: Sequence[str]) -> str:
    """Message naming the first line of some files that is not UTF-8."""
    for path in paths:
        # The text before the damage of a gzip may be all that was read.
        damage = contextlib.suppress(OSError, EOFError, zlib.error)
        with damage, open_bounded(path, is_gzip(path)) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    where = f"{path}:{number}: byte 0x{line[error.start]:02x} is"
                    return f"{where} not UTF-8 text; save the file as UTF-8"
    return f"{paths[0]}: not UTF-8 text; save the file as UTF-8"


class Block(typing.NamedTuple):
    """Consecutive whole records of a file: the number of the first line, from 1, and of lines.

    ``text`` is bytes, or the columns of a Parquet file; ``file`` tells which of several files it is.
    """

    text: typing.Any
    line: int
    lines: int
    file: int = 0


def text_blocks(
    layout: Any, block_bytes: Optional[int] = None, show_progress: bool = False
) -> Iterator["Block"]:
    """Cuts a log into blocks that end where a record ends, so that reading it takes no more memory.

    Args:
      layout: ``Layout`` of the log; lines before its first record are left out.
      block_bytes: about how large a block is; ``BLOCK_BYTES`` by default.
      show_progress: whether to show bytes read (of a gzip file, as packed) on a terminal.

    Yields:
      Block.

    Raises:
      UserError: a record of over ``LONGEST_RECORD`` bytes, or ``LONGEST_BLANK`` of blank lines.
      EOFError, OSError, zlib.error: from reading.
    """
    path, block_bytes = layout.path, block_bytes or BLOCK_BYTES
    size = os.path.getsize(path)
    # A small gzip may be a large file.
    shown = None if show_progress and (layout.compressed or size > block_bytes) else True
    bar = tqdm(total=size, desc="reading", unit="B", unit_scale=True, leave=False, disable=shown)
    with bar, open(path, "rb") as raw, gzip.open(raw) if layout.compressed else raw as stream:
        stream.read(layout.start)
        rest, more, line = b"", b"any", layout.first_line
        while more:
            more = stream.read(max(block_bytes, len(rest)))  # twice a long record: in linear time
            bar.update(raw.tell() - bar.n)
            block = rest + more
            end = _end_of_records(block, layout.delimiter) if more else len(block)
            text, rest = block[:end], block[end:]
            lines = _count_lines(text)
            if len(rest) > LONGEST_RECORD:
                raise _too_long(path, line + lines)
            if len(text) - len(text.strip()) > LONGEST_BLANK:
                raise UserError(
                    f"{path}:{line}: over {LONGEST_BLANK >> 20} MiB of blank lines together after this one, "
                    "expected records; remove them"
                )
            if text:
                yield Block(text, line, lines)
            line += lines


def _count_lines(text):
    """How many lines there are, a last one without an end too."""
    ends, returns = text.count(b"\n"), text.count(b"\r")
    ends += returns and returns - text.count(b"\r\n")
    return ends + (len(text) > 0 and not text.endswith((b"\n", b"\r")))


def _end_of_records(block, delimiter):
    """How many bytes of ``block`` are whole records."""
    # A return at the very end may be the first half of a line end.
    end = block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, -1) + 1
    if len(delimiter) > 1 or b'"' not in block:
        return end
    data = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    opening = quotes[::2]
    # In sound text every other quote opens a field, or is the second of a doubled one.
    before, sound = data[np.maximum(opening - 1, 0)], opening == 0
    for byte in (*delimiter.encode(), *b"\r\n"):
        sound |= before == byte
    sound[1:] |= opening[1:] - 1 == quotes[1::2][: len(opening) - 1]
    if sound.all() and np.searchsorted(quotes, end) % 2 == 0:
        return end
    return _end_by_csv(block[:end], delimiter)


def _end_by_csv(block, delimiter):
    """The same for any quotes; what makes records is ASCII."""
    end = read = 0

    def lines():
        nonlocal read
        for line in io.StringIO(block.decode("latin-1"), newline=""):
            read += len(line)
            yield line
        read = -1
        yield ""  # a quote that is still open takes it up

    try:
        for _ in csv.reader(lines(), delimiter=delimiter, skipinitialspace=True):
            end = read if read >= 0 else end
    except csv.Error:  # the reader of rows says where
        return len(block)
    return end
