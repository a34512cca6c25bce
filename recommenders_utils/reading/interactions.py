"""Reads a log of any layout through an adapter, chunk by chunk.

Only the columns in use are parsed, and of the text no more than a chunk is held at a time; what is kept of
a record is numbers. The result is the same for any size of chunk.
"""

import csv
import os

import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.reading.ratings import refuse_malformed
from recommenders_utils.reading.ratings_layout import DELIMITERS, readable
from recommenders_utils.reading.records import Records
from recommenders_utils.reading.rows import Reading
from recommenders_utils.reading.stream import LogStream, lines_of_rows

CHUNK = 200000  # rows


class LogReader:
    """Reads one log; ``prepare`` takes it in place of the reader of ratings.

    Args:
      layout: ``LogLayout`` of the file.
      form: the adapter's ``Form`` that fits it.
      show_progress: whether to show bytes read, with rate and time left.
      chunk: rows held as text at a time.
    """

    WHAT = "records"

    def __init__(self, layout, form, show_progress=False, chunk=CHUNK):
        self.layout, self.form = layout, form
        self.show_progress, self.chunk = show_progress, chunk
        self.columns = form.columns or layout.header
        self.extras = form.extras(self.columns)

    def identity(self):
        """JSON-able: with the file's content and the protocol it decides the arrays."""
        return {"adapter": self.form.name, **self.form.keys}

    def read(self, data):
        """Reads the log.

        Args:
          data: has ``rating_threshold``, ``rating_min``, ``rating_max``, ``utc_offset_hours`` and
            ``max_malformed``.

        Returns:
          (Records, report). report is JSON-able: ``file, rows, kept, malformed`` and ``dropped``
          (kind -> count and first_line), ``time_unit``, ``adapter``, ``feedback`` and the layout.

        Raises:
          UserError: anything wrong with the file, naming the line and how to mend it.
        """
        reading, path, rows = Reading(self.form, self.extras, data), self.layout.path, 0
        width, delimiter = self.layout.width, self.layout.delimiter
        step = len(delimiter)
        if step > 1:
            # "a::b" is a, "", b between single colons, which the fast parser can do.
            width, delimiter = step * (width - 1) + 1, delimiter[0]
        source = LogStream(self.layout, delimiter, width, self.show_progress)
        with readable(path), source as stream:
            for texts, overlong in self._chunks(stream, delimiter, width, step):
                reading.add(rows, texts, overlong)
                rows += len(overlong)
            row_is_line = stream.lines == rows
            reading.number_lines(lambda wanted: lines_of_rows(self.layout, wanted, row_is_line))
        malformed, dropped = reading.malformed, reading.dropped
        refuse_malformed(path, reading.kept + dropped.total(), malformed, data.max_malformed)
        if not reading.kept:
            kinds = ", ".join(f"{count} {kind}" for kind, count in dropped.counts.items())
            raise UserError(
                f"{path}: no record is left, all were dropped: {kinds} ({self.form.feedback()}); "
                "choose another feedback or other options in the adapter"
            )
        reading.times.require_one_unit(path)
        records = Records(*reading.arrays())
        return records, {
            "file": os.path.basename(path),
            "rows": reading.kept + malformed.total() + dropped.total(),
            "kept": reading.kept,
            "malformed": malformed.report(),
            "dropped": dropped.report(),
            "time_unit": reading.times.found(),
            "adapter": self.form.name,
            "feedback": self.form.feedback(),
            "delimiter": DELIMITERS[self.layout.delimiter],
            "header": self.layout.header is not None,
            "compressed": self.layout.compressed,
        }

    def _chunks(self, stream, delimiter, width, step):
        """Yields (texts, overlong): name -> object array [m], whether a row has too many columns."""
        names = dict.fromkeys([*self.form.needed(), *self.form.numeric(self.extras)])
        wanted = {name: step * self.columns.index(name) for name in names}
        empty = [width, *(at for at in range(width) if at % step)]
        try:
            frames = pd.read_csv(
                stream,
                sep=delimiter,
                header=0,
                names=list(range(width + 1)),
                usecols=sorted({*wanted.values(), *empty}),
                index_col=False,
                skip_blank_lines=False,
                dtype=str,
                na_filter=False,
                skipinitialspace=True,
                quoting=csv.QUOTE_NONE if step > 1 else csv.QUOTE_MINIMAL,
                chunksize=self.chunk,
                engine="c",
            )
            for frame in frames:
                stream.release()
                texts = {name: frame[at].to_numpy(object) for name, at in wanted.items()}
                yield texts, (frame[empty] != "").to_numpy().any(axis=1)
        except pd.errors.EmptyDataError:
            return
        except pd.errors.ParserError as error:
            if stream.error is not None:
                raise stream.error from None
            raise UserError(
                f"{self.layout.path}: cannot be read as delimited text: {str(error).strip()}; look "
                "for binary data or a quote that is not closed"
            ) from error
