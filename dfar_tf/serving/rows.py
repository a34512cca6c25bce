"""Tables of rows to score: read in chunks, written in the same order, CSV or TSV, plain or gzip."""

import csv
import gzip
import io
import os
import zlib
from collections import Counter

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import atomic_write
from recommenders_utils.reading.layout import SPELLINGS, find
from recommenders_utils.reading.text import check_columns, first_record, open_text

# Characters of one chunk of rows: aimed at, and the most that the parser may take.
CHUNK, LONGEST_CHUNK = 1 << 25, 1 << 28
LOOKED_AT = 1 << 21  # characters at the beginning that tell how long a row is
# Role -> column names understood, the preferred first; compared as training compares a log's.
NAMES = {
    "item": ["candidate", "item", *SPELLINGS["item_id"].split()],
    "history": ["history"],
    "user": ["user", *SPELLINGS["user_id"].split()],
}
EXAMPLES = 'user,item as in u1,i9, or history,candidate as in "i1:1,i2:0",i9'


class Rows:
    """A table with a header, in chunks of bounded size.

    Args:
      path: the file; its first bytes tell whether it is gzip, its header whether it has tabs or
        commas.

    Attributes:
      roles: role -> column name: ``item`` and at least one of ``history`` and ``user``.

    Raises:
      UserError: no such file; no header with those columns; not text.
    """

    def __init__(self, path):
        self.path = path
        if not os.path.isfile(path):
            raise UserError(
                f"{path}: no such file. Give a CSV or TSV of rows to score, {EXAMPLES}."
            )
        with self._explained():
            with open(path, "rb") as stream:
                self.compressed = stream.read(2) == b"\x1f\x8b"
            with open_text(path, self.compressed, "utf-8-sig") as stream:
                header = stream.readline().rstrip("\r\n")
                first = first_record(stream)
                self._row_length = _row_length(first + stream.read(LOOKED_AT))
        self.delimiter = "\t" if "\t" in header else ","
        check_columns(path, header, self.delimiter)
        check_columns(path, first, self.delimiter, 2)
        self.columns = self._cut(header)
        found = {role: find(self.columns, names) for role, names in NAMES.items()}
        self.roles = {role: self.columns[at] for role, at in found.items() if at is not None}
        if "item" not in self.roles or len(self.roles) < 2:
            raise UserError(
                f"{path}:1: the header has the columns "
                f"{shortened(', '.join(self.columns), 300) or 'none'}; expected "
                f"{EXAMPLES}. Add such a header."
            )
        twice = [name for name, times in Counter(self.columns).items() if times > 1]
        if twice:
            raise UserError(
                f"{path}:1: column {shortened(twice[0])!r} appears twice. Rename one of the two."
            )

    def chunks(self, size):
        """Yields DataFrames of at most ``size`` rows, all text; their index counts the file's rows from 0.

        Of long rows a chunk has fewer, so that it takes about ``CHUNK`` characters.

        Raises:
          UserError: a damaged file, a row with too many fields, a row without an item.
        """
        with self._explained(), open_text(self.path, self.compressed, "utf-8-sig") as stream:
            source = _ChunkText(stream, self.path)
            reader = pd.read_csv(
                source,
                sep=self.delimiter,
                dtype=str,
                na_filter=False,
                skip_blank_lines=False,
                iterator=True,
                engine="c",
            )
            for frame in _raising(reader, source, size, self._row_length):
                # A table without rows has an index of another kind in old pandas.
                if len(frame) and not isinstance(frame.index, pd.RangeIndex):
                    raise self._error(0, "has more fields than the header. " + self._quoting())
                empty = np.flatnonzero((frame[self.roles["item"]] == "").to_numpy())
                if len(empty):
                    row = int(frame.index[empty[0]])
                    raise self._error(row, f"{self.roles['item']} is empty, expected a raw item id")
                yield frame

    def _cut(self, header):
        try:
            return next(csv.reader([header], delimiter=self.delimiter), [])
        except csv.Error as error:
            raise UserError(f"{self.path}:1: no header: {error}; expected {EXAMPLES}.") from None

    def line(self, row):
        """The name of a row of the file in messages, counted from 0: ``FILE:LINE``."""
        return f"{self.path}:{row + 2}"

    def _error(self, row, text):
        return UserError(f"{self.line(row)}: {text}. Correct the row.")

    def _quoting(self):
        comma = "a history contains commas, so quote it in a CSV" if self.delimiter == "," else ""
        return comma or "expected one field per column"

    def _explained(self):
        return _Explained(self)


def _raising(reader, source, size, length):
    """The reader's frames; an error in reading is raised as it is, not as pandas reports it.

    ``length`` is that of a row, in characters, in the first frame; then that of the one before.
    """
    try:
        while True:
            source.release()
            try:
                frame = reader.get_chunk(max(1, min(size, CHUNK // max(1, length))))
            except StopIteration:
                return
            length = sum(int(frame[name].str.len().sum()) for name in frame) // max(1, len(frame))
            yield frame
    except pd.errors.ParserError:
        if source.error is not None:
            raise source.error from None
        raise


def _row_length(text):
    """Characters of a row on average, told from the text after the header."""
    return len(text) // max(1, text.count("\n"))


class _ChunkText:
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
                    "look for an unclosed quote, or split the file"
                )
        except Exception as error:
            self.error = error
            raise
        return text


class _Explained:
    """A context that turns Python's errors on unreadable files into UserErrors."""

    def __init__(self, rows):
        self.rows = rows

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        path = self.rows.path
        if isinstance(error, pd.errors.ParserError):
            raise UserError(
                f"{path}: {str(error).strip()}: {self.rows._quoting()}. Correct the row."
            ) from None
        if isinstance(error, UnicodeDecodeError):
            raise UserError(f"{path}: not UTF-8 text; save the file as UTF-8.") from None
        of_gzip = isinstance(error, OSError) and error.errno is None
        if of_gzip or isinstance(error, (EOFError, zlib.error)):
            raise UserError(
                f"{path}: the gzip data is truncated or damaged; download or compress the file "
                "again."
            ) from None


class RowsOut:
    """A table being written: complete at the end of its context, or absent.

    Args:
      path: file to write; ``.gz`` compresses it, ``.tsv`` before that uses tabs, any other name
        commas.
    """

    def __init__(self, path):
        self.path = path
        name = path[:-3] if path.endswith(".gz") else path
        self.delimiter = "\t" if name.endswith(".tsv") else ","
        self._begun = False

    def __enter__(self):
        self._file = atomic_write(self.path, "wb")
        binary = self._file.__enter__()
        self._packed = None
        if self.path.endswith(".gz"):
            # Without name and time inside, the same rows give the same bytes.
            binary = self._packed = gzip.GzipFile("", "wb", 6, binary, mtime=0)
        self._text = io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=False)
        return self

    def write(self, frame):
        """Adds rows; the first call writes the header."""
        frame.to_csv(self._text, sep=self.delimiter, index=False, header=not self._begun)
        self._begun = True

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._text.flush()
            self._text.detach()
            if self._packed is not None:
                self._packed.close()
        except BaseException as failure:
            self._file.__exit__(type(failure), failure, failure.__traceback__)
            raise
        return self._file.__exit__(kind, error, trace)
