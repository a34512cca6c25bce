"""Text of untrusted files: opened by what they are, cut into blocks of whole records, never endless.

A gzip of a few kilobytes may hold gigabytes without a line end, and an unclosed quote makes a
parser take the rest of a file as one field.
"""

import contextlib
import csv
import gzip
import io
import os
import re
import typing
import zlib

import numpy as np
from tqdm import tqdm

from recommenders_utils.errors import UserError

BLOCK_BYTES = 32 << 20
LONGEST_RECORD = 16 << 20  # bytes of a line or, with quoted line breaks, of several
# Characters a parser may take for one chunk of rows: 200,000 rows of 2,600 characters.
LONGEST_CHUNK = 1 << 29
LONGEST_ID = 1000  # characters; arrays of ids are as wide as the longest
_BUFFER = 1 << 18
_BOM = b"\xef\xbb\xbf"
# A return at the end of what has been read may be the first half of a line end.
_FIRST_END, _LAST_END = (
    re.compile(rb"[^\r\n]*" + end) for end in (rb"(\r\n|\n|\r(?!\Z))", rb"(\r\n|\n|\r|\Z)")
)


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
            raise UserError(f"{self.path}: no such file, expected a CSV or TSV file") from error
        of_gzip = isinstance(error, OSError) and error.errno is None  # not the system's
        if of_gzip or isinstance(error, (EOFError, zlib.error)):
            raise UserError(
                f"{self.path}: the gzip data is truncated or damaged; download or compress the "
                "file again"
            ) from error
        if isinstance(error, OSError):
            raise UserError(f"{self.path}: cannot be read: {error.strerror or error}") from error


def _too_long(path, line):
    return UserError(
        f"{path}:{line}: a line of over {LONGEST_RECORD >> 20} MiB, expected text of short lines; look "
        "for binary data, missing line ends or a quote that is not closed"
    )


class _BoundedLines(io.RawIOBase):
    """The bytes of another stream, as long as no line is longer than ``LONGEST_RECORD``."""

    def __init__(self, binary, raw, path):
        super().__init__()
        self._binary, self._raw, self._path = binary, raw, path
        self._lines, self._length = 0, 0

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
        self._raw.close()  # a ``GzipFile`` leaves it open
        super().close()


def open_bounded(path, compressed):
    """Opens a plain or gzip file as bytes; reading raises UserError at an endless line."""
    raw = open(path, "rb")  # noqa: SIM115 (closed with what is given back)
    binary = gzip.GzipFile(fileobj=raw) if compressed else raw
    return io.BufferedReader(_BoundedLines(binary, raw, path), _BUFFER)


def open_text(path, compressed, encoding):
    """Opens a plain or gzip file as text, strict about its encoding; line ends are kept."""
    return io.TextIOWrapper(open_bounded(path, compressed), encoding=encoding, newline="")


def is_gzip(path):
    """Whether a file is gzip, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def first_lines(path, compressed, count):
    """The first ``count`` lines that are not blank, with their numbers, without a byte order mark.

    Raises:
      UserError: UTF-16, a line of over a million characters.
    """
    found = []
    with open_bounded(path, compressed) as stream:
        if stream.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise UserError(f"{path}: the text is UTF-16, expected UTF-8; save the file as UTF-8")
        for number, line in enumerate(io.TextIOWrapper(stream, "utf-8-sig", newline=""), 1):
            if len(line) > 1 << 20:
                raise UserError(f"{path}:{number}: a line of over a million characters")
            if line.strip():
                found.append((number, line))
            if len(found) == count:
                break
    return found


def _bad_text(path):
    """Message naming the first line that is not UTF-8."""
    # The text before the damage of a gzip may be all that was read.
    damage = contextlib.suppress(OSError, EOFError, zlib.error)
    with damage, open_bounded(path, is_gzip(path)) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return (
                    f"{path}:{number}: byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8"
                )
    return f"{path}: not UTF-8 text; save the file as UTF-8"


class ChunkText:
    """Text for pandas' parser, which is refused more than ``LONGEST_CHUNK`` characters at once.

    Attributes:
      error: what reading raised, in whose place pandas may put another error.
    """

    def __init__(self, text, path):
        self._text, self._path, self._held, self.error = text, path, 0, None

    def __iter__(self):  # pandas asks for it of anything to read from
        return iter(self._text)

    def release(self):
        """To be called when a chunk of rows has been made."""
        self._held = 0

    def read(self, size=-1):
        """The next characters; raises UserError if the rows of one chunk are too long."""
        try:
            text = self._text.read(size)
            self._held += len(text)
            if self._held > LONGEST_CHUNK:
                raise UserError(
                    f"{self._path}: rows of over {LONGEST_CHUNK >> 20} Mi characters in one chunk; "
                    "look for an unclosed quote"
                )
        except Exception as error:
            self.error = error
            raise
        return text


class Block(typing.NamedTuple):
    """Consecutive whole records of a file: the number of the first line, from 1, and of lines."""

    text: bytes
    line: int
    lines: int


def text_blocks(layout, block_bytes=None, show_progress=False):
    """Cuts a log into blocks that end where a record ends, so that reading it takes no more memory.

    Args:
      layout: ``Layout`` of the log; lines before its first record are left out.
      block_bytes: about how large a block is; ``BLOCK_BYTES`` by default.
      show_progress: whether to show bytes read (of a gzip file, as packed) on a terminal.

    Yields:
      Block.

    Raises:
      UserError: a record of over ``LONGEST_RECORD`` bytes.
      EOFError, OSError, zlib.error: from reading.
    """
    path, block_bytes = layout.path, block_bytes or BLOCK_BYTES
    size = os.path.getsize(path)
    shown = None if show_progress and size > block_bytes else True
    bar = tqdm(total=size, desc="reading", unit="B", unit_scale=True, leave=False, disable=shown)
    with bar, open(path, "rb") as raw, gzip.open(raw) if layout.compressed else raw as stream:
        rest, line, more = stream.read(len(_BOM)), 1, True
        rest = b"" if rest == _BOM else rest
        while more:
            more = stream.read(max(block_bytes, len(rest)))  # twice a long record: in linear time
            bar.update(raw.tell() - bar.n)
            block = rest + more
            while line < layout.first_line:
                head = (_FIRST_END if more else _LAST_END).match(block)
                if head is None:
                    break
                block, line = block[head.end() :], line + 1
            end = _end_of_records(block, layout.delimiter) if more else len(block)
            text, rest = block[:end], block[end:]
            if line < layout.first_line:
                text, rest = b"", block
            lines = _count_lines(text)
            if len(rest) > LONGEST_RECORD:
                raise _too_long(path, line + lines)
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
