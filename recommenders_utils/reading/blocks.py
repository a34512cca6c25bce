"""A text file in blocks of whole records, so that reading it takes no more memory than a block."""

import gzip
import os

from tqdm import tqdm

BLOCK_BYTES = 32 << 20
# A record, quoted line breaks included, that is longer than this is no record.
LONGEST_RECORD = 16 << 20
BOM = b"\xef\xbb\xbf"


class RecordTooLong(ValueError):
    """No end of a record within ``LONGEST_RECORD`` bytes."""


def text_blocks(path, compressed, skip_lines=0, block_bytes=BLOCK_BYTES):
    """Cuts a CSV or TSV file into blocks that end where a record ends.

    A line break inside a quoted field ends no record: a block with an odd number of quotes goes on.
    Shows a progress bar in bytes of the file where it is more than one block.

    Args:
      path: the file.
      compressed: whether it is gzip.
      skip_lines: lines at the beginning to leave out, such as a header.
      block_bytes: about how large a block is, in bytes of text.

    Yields:
      bytes, the lines of a block; the first without a byte order mark.

    Raises:
      RecordTooLong: a record of more than ``LONGEST_RECORD`` bytes.
      EOFError, OSError, zlib.error: from reading.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as raw, gzip.open(raw) if compressed else raw as stream:
        for _ in range(skip_lines):
            if not stream.readline(LONGEST_RECORD).endswith((b"\n", b"\r")):
                raise RecordTooLong(path)
        first = skip_lines == 0
        bar = None
        try:
            while True:
                block = stream.read(block_bytes)
                if not block:
                    return
                block = _to_record_end(block, stream, path)
                if bar is None and size > block_bytes:
                    bar = tqdm(
                        total=size,
                        desc="reading",
                        unit="B",
                        unit_scale=True,
                        leave=False,
                        mininterval=0.5,
                        disable=None,  # off where nobody watches
                    )
                if bar is not None:
                    bar.update(raw.tell() - bar.n)
                yield block[len(BOM) :] if first and block.startswith(BOM) else block
                first = False
        finally:
            if bar is not None:
                bar.close()


def _to_record_end(block, stream, path):
    """``block`` and what is missing of its last record."""
    more, quotes = [], block.count(b'"')
    length = 0
    ended = block.endswith(b"\n")
    while not ended or quotes % 2:
        line = stream.readline(LONGEST_RECORD - length)
        if not line:  # the end of the file
            break
        length += len(line)
        if length >= LONGEST_RECORD:
            raise RecordTooLong(path)
        quotes += line.count(b'"')
        ended = line.endswith(b"\n")
        more.append(line)
    return b"".join([block, *more])
