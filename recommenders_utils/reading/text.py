"""Text of files from anybody, read without ever holding an endless line or an endless chunk of rows.

A gzip of a few kilobytes may hold gigabytes without a line end, and a quote that is not closed makes a
parser take the rest of a file for one field.
"""

import gzip
import io

from recommenders_utils.errors import UserError

LONGEST_LINE = 16 << 20  # bytes
# Characters a parser may take for one chunk of rows: 200,000 rows of 2,600 characters.
LONGEST_CHUNK = 1 << 29
LONGEST_ID = 1000  # characters; arrays of ids are as wide as the longest
_BUFFER = 1 << 18


class BoundedLines(io.RawIOBase):
    """The bytes of another stream, as long as no line is longer than ``LONGEST_LINE``.

    Args:
      binary: the stream; closed with this one.
      raw: the file below it, which a ``GzipFile`` leaves open; closed too.
      path: for the message.
    """

    def __init__(self, binary, raw, path):
        super().__init__()
        self._binary, self._raw, self._path = binary, raw, path
        self._lines, self._length = 0, 0

    def readable(self):
        """True."""
        return True

    def readinto(self, buffer):
        """Reads on.

        Raises:
          UserError: a line that is too long.
        """
        data = self._binary.read(len(buffer))
        buffer[: len(data)] = data
        last = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._length = self._length + len(data) if last < 0 else len(data) - last - 1
        self._lines += data.count(b"\n")
        if self._length > LONGEST_LINE:
            raise UserError(
                f"{self._path}:{self._lines + 1}: a line of over {LONGEST_LINE >> 20} MiB, expected "
                "text of short lines; look for binary data or missing line ends"
            )
        return len(data)

    def close(self):
        """Closes what is below, too."""
        self._binary.close()
        self._raw.close()
        super().close()


def open_bounded(path, compressed, raw=None):
    """Opens a plain or gzip file as bytes; reading raises UserError at an endless line.

    Args:
      path: the file.
      compressed: whether it is gzip.
      raw: the file if it is open already.
    """
    if raw is None:
        raw = open(path, "rb")  # noqa: SIM115 (closed with what is given back)
    binary = gzip.GzipFile(fileobj=raw) if compressed else raw
    return io.BufferedReader(BoundedLines(binary, raw, path), _BUFFER)


class ChunkText:
    """Text for pandas' parser, which is refused more than ``LONGEST_CHUNK`` characters at once.

    Args:
      text: the stream.
      path: for the message.

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
        """The next characters.

        Raises:
          UserError: the rows of one chunk are too long.
        """
        try:
            text = self._text.read(size)
            self._held += len(text)
            if self._held > LONGEST_CHUNK:
                raise UserError(
                    f"{self._path}: rows of over {LONGEST_CHUNK >> 20} Mi characters in one chunk; "
                    "look for a quote that is not closed"
                )
        except Exception as error:
            self.error = error
            raise
        return text
