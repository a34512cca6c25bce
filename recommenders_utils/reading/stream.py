"""A log as a stream of text: fills up short rows, shows progress, knows whether every row is one line."""

import csv
import io
import itertools
import os

from tqdm import tqdm

from recommenders_utils.errors import UserError
from recommenders_utils.reading.text import ChunkText, open_bounded


class LogStream:
    """Text of a log for pandas' parser, read in pieces.

    Every line ends in ``width`` delimiters more than in the file. The parser, told which columns to read,
    stops at a chunk of short rows and cuts rows that are too long without a word; this way no row is too
    short, and one that is too long has something in the column after the last. A header made here comes
    first, since the parser expects of all rows what the first one has.

    Args:
      layout: ``LogLayout``.
      delimiter: one character.
      width: columns that every row is to have, at least.
      show_progress: whether to show bytes read (of a gzip file, as packed), rate and time left.
    """

    def __init__(self, layout, delimiter, width, show_progress=False):
        self.layout, self.show_progress = layout, show_progress
        self.error = None  # what reading raised: pandas may put another error in its place
        self.lines = 0  # of records, read so far; a last one without an end too
        self._end = delimiter * width + "\n"
        self._last, self._header = "\n", self._end

    def __enter__(self):
        self._raw = open(self.layout.path, "rb")
        binary = open_bounded(self.layout.path, self.layout.compressed, self._raw)
        text = io.TextIOWrapper(binary, encoding=self.layout.encoding, newline=None)
        self._text, self._source = text, ChunkText(text, self.layout.path)
        self._bar = tqdm(
            total=os.path.getsize(self.layout.path),
            desc="reading",
            unit="B",
            unit_scale=True,
            leave=False,
            disable=not self.show_progress,
        )
        try:
            for _ in range(self.layout.first_line - 1):
                self._text.readline()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._bar.close()
        self._text.close()
        self._raw.close()

    def __iter__(self):  # pandas asks for it of anything to read from
        return iter(self._text)

    def release(self):
        """To be called when a chunk of rows has been made: the next may be as long again."""
        self._source.release()

    def read(self, size=-1):
        """The next ``size`` characters of the file, or fewer at its end; none means the end."""
        if self._header:
            header, self._header = self._header, ""
            return header
        try:
            text = self._source.read(size)
        except Exception as error:
            self.error = error
            raise
        if not text and self._last != "\n" and size:
            text = "\n"
        self._last = text[-1:] or self._last
        self.lines += text.count("\n")
        self._bar.update(self._raw.tell() - self._bar.n)
        return text.replace("\n", self._end)


def lines_of_rows(layout, rows, row_is_line):
    """Line numbers of some rows.

    Args:
      layout: ``LogLayout``.
      rows: numbers of rows from the first record, from 0.
      row_is_line: whether no row of the log goes over several lines.

    Returns:
      dict: row -> line number of its beginning.
    """
    if row_is_line or len(layout.delimiter) > 1 or not rows:
        return {row: layout.first_line + row for row in rows}
    found, wanted = {}, set(rows)
    with layout.open() as stream:
        for _ in itertools.islice(stream, layout.first_line - 1):
            pass
        reader = csv.reader(stream, delimiter=layout.delimiter, skipinitialspace=True)
        begin = layout.first_line
        try:
            for row, _ in enumerate(reader):
                if row in wanted:
                    found[row] = begin
                    if len(found) == len(wanted):
                        break
                begin = layout.first_line + reader.line_num
        except csv.Error as error:
            raise UserError(
                f"{layout.path}:{layout.first_line + reader.line_num}: cannot be read as delimited "
                f"text: {error}; look for binary data or a quote that is not closed"
            ) from error
    return {row: found.get(row, begin) for row in rows}
