"""A file of any layout in, records out: users, items, labels and times as arrays.

Of the text no more than a block is held at a time; what is kept of a record is numbers. The result is the
same for any size of block.
"""

import os
import typing

import numpy as np

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import ColumnReader
from recommenders_utils.reading.ids import Vocabulary
from recommenders_utils.reading.layout import DELIMITERS
from recommenders_utils.reading.recognise import ratings
from recommenders_utils.reading.rows import Judged, Tally, refuse_malformed
from recommenders_utils.reading.text import readable, text_blocks
from recommenders_utils.reading.times import Times


class Records(typing.NamedTuple):
    """What a log holds: n records in file order.

    Attributes:
      users, items: int32 [n], codes into the ids, which are in order of first appearance.
      labels: int8 [n], 1 positive, 0 negative.
      times: [n] unix seconds, int64, or float64 where the log is finer.
      user_ids, item_ids: unicode arrays.
      extras: name -> float32 [n], such as ``finish`` and ``dwell``.
    """

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    times: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    extras: typing.Dict[str, np.ndarray]


class RecordReader:
    """Reads one log.

    Args:
      layout: ``Layout`` of the file.
      form: the ``Form`` that fits it.
      show_progress: whether to show bytes read, with rate and time left, on a terminal.
      block_bytes: how much text is read at a time; by default ``text.BLOCK_BYTES``.
    """

    def __init__(self, layout, form, show_progress=False, block_bytes=None):
        self.layout, self.form = layout, form
        self.block_bytes, self.show_progress = block_bytes, show_progress
        self.extras = form.extras(form.names(layout))
        self.columns = ColumnReader(layout, form)

    def read(self, data):
        """Reads the log.

        Args:
          data: has ``rating_threshold``, ``rating_min``, ``rating_max``, ``utc_offset_hours`` and
            ``max_malformed``.

        Returns:
          (Records, report), see ``Reading.report``.

        Raises:
          UserError: anything wrong with the file, naming the line and how to fix it; a threshold that
            gives all ratings of a ratings file the same label.
        """
        reading = Reading(self, data)
        with readable(self.layout.path):
            for block in text_blocks(self.layout, self.block_bytes, self.show_progress):
                part = self.columns.fast(block)
                if part is None or not reading.add(part, if_sound=True):
                    for part in self.columns.careful(block):
                        reading.add(part)
        reading.require()
        return reading.records(), reading.report()


class Reading:
    """What has been read of a log so far.

    Attributes:
      kept: how many records are kept.
      malformed, dropped: ``Tally``: rows that are not records, and records that are left out.
      times: ``Times``.
    """

    def __init__(self, reader, data):
        self.layout, self.form, self.extras = reader.layout, reader.form, reader.extras
        self.data, low, high = data, data.rating_min, data.rating_max
        if self.form.built_in and not low <= data.rating_threshold < high:
            raise UserError(
                f"rating_threshold: {data.rating_threshold:g} gives all ratings from rating_min="
                f"{low:g} to rating_max={high:g} the same label; expected a value between them"
            )
        self.kept, self.malformed, self.dropped = 0, Tally(), Tally()
        offset = 0.0 if self.form.built_in else data.utc_offset_hours
        self.times = Times(self.form.units(), offset)
        self._vocabularies, self._parts = (Vocabulary(), Vocabulary()), []

    def judge(self, part):
        """``Judged`` rows of a ``Part``."""
        return Judged(part, self.form, self.extras, self.layout.width, self.times, self.data)

    def add(self, part, if_sound=False):
        """Takes the next ``Part``, or only if no row is malformed; returns whether it did."""
        judged = self.judge(part)
        if if_sound and not judged.sound():
            return False
        judged.note(part, self.malformed, self.dropped)
        user, item, time = (part.columns[self.form.keys[key]] for key in ("user", "item", "time"))
        rows = np.flatnonzero(judged.code == 0)
        self.times.note(judged.units, time, rows, part.lines)
        self.kept += len(rows)
        codes = [known.codes(ids, rows) for known, ids in zip(self._vocabularies, (user, item))]
        values = judged.labels, judged.seconds, *judged.extras
        self._parts.append([*codes, *(each[rows] for each in values)])
        return True

    def rows(self):
        """How many rows have been read."""
        return self.kept + self.malformed.total() + self.dropped.total()

    def require(self):
        """Raises UserError if too many rows are malformed, no record is left, or times are mixed."""
        path, sound = self.layout.path, self.kept + self.dropped.total()
        refuse_malformed(path, sound, self.malformed, self.data.max_malformed)
        if not self.kept:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self.dropped.counts.items())
            raise UserError(
                f"{path}: no record is left, all were dropped: {kinds} ({self.form.feedback()}); "
                "choose other feedback or options in the adapter"
            )
        self.times.require_one_unit(path)

    def report(self):
        """JSON-able: ``file, rows, kept, malformed`` and ``dropped`` (kind -> count and first_line),
        ``time_unit``, ``adapter``, ``feedback`` and the layout."""
        layout = self.layout
        return {
            "file": os.path.basename(layout.path),
            "rows": self.rows(),
            "kept": self.kept,
            "malformed": self.malformed.report(),
            "dropped": self.dropped.report(),
            "time_unit": next(iter(self.times.seen), "seconds"),
            "adapter": self.form.name,
            "feedback": self.form.feedback(),
            "delimiter": DELIMITERS[layout.delimiter],
            "header": layout.header is not None,
            "compressed": layout.compressed,
            "columns": self.form.found(layout),
        }

    def records(self):
        """``Records`` of all parts, which are given up."""
        columns = []
        while self._parts and self._parts[0]:
            # One column at a time, so that the parts and the whole never stand side by side.
            columns.append(np.concatenate([part.pop(0) for part in self._parts]))
        users, items, labels, times, *extras = columns
        whole = times.astype(np.int64)
        times = whole if np.array_equal(whole, times) else times
        ids = (known.array() for known in self._vocabularies)
        return Records(users, items, labels, times, *ids, dict(zip(self.extras, extras)))


def ratings_reader(path, show_progress=False):
    """The ``RecordReader`` of a ratings file; see ``recognise.ratings`` for what is refused."""
    return RecordReader(*ratings(path), show_progress)
