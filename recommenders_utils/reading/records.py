"""A file of any layout in, records out: users, items, labels and times as arrays.

Of the text no more than a block is held at a time; what is kept of a record is numbers. The result is the
same for any size of block.
"""

import functools
import itertools
import os
import typing
from typing import Any, Callable, Dict, Iterable, Iterator, Tuple

import numpy as np

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import ColumnReader
from recommenders_utils.reading.ids import Vocabulary
from recommenders_utils.reading.layout import DELIMITERS, EXAMPLE
from recommenders_utils.reading.recognise import ratings
from recommenders_utils.reading.rows import Judge, Tally
from recommenders_utils.reading.text import readable, text_blocks
from recommenders_utils.reading.times import require_one_unit


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


def flat_map(function: Callable[..., Any], blocks: Iterable[Any]) -> Iterable[Any]:
    """Yields what a function yields for each block, in this process."""
    return itertools.chain.from_iterable(map(function, blocks))


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

    def read(
        self, data: Any, flat_map: Callable[..., Iterable[Any]] = flat_map
    ) -> Tuple["Records", Dict[str, Any]]:
        """Reads the log.

        Args:
          data: has ``rating_threshold``, ``rating_min``, ``rating_max``, ``utc_offset_hours`` and
            ``max_malformed``.
          flat_map: yields what a function yields for each of some blocks, in order, wherever it runs.

        Returns:
          (Records, report): JSON-able, ``file, rows, kept, malformed`` and ``dropped`` (kind -> count and
          first_line), ``time_unit``, ``adapter``, ``feedback`` and the layout.

        Raises:
          UserError: anything wrong with the file, naming the line and how to fix it; a threshold that
            gives all ratings of a ratings file the same label.
        """
        low, high, threshold = data.rating_min, data.rating_max, data.rating_threshold
        if self.form.built_in and not low <= threshold < high:
            raise UserError(
                f"rating_threshold: {threshold:g} gives all ratings from rating_min={low:g} to "
                f"rating_max={high:g} the same label; expected a value between them"
            )
        seen: Dict[str, Any] = {}
        malformed, dropped, parts = Tally(), Tally(), []
        vocabularies = Vocabulary(), Vocabulary()
        with readable(self.layout.path):
            blocks = text_blocks(self.layout, self.block_bytes, self.show_progress)
            for found in flat_map(functools.partial(self.parse, data), blocks):
                malformed.merge(found.malformed)
                dropped.merge(found.dropped)
                seen = {**found.units, **seen}
                ids = zip(vocabularies, (found.users, found.items))
                parts.append([*(known.codes(column) for known, column in ids), *found.values])
        kept = sum(len(part[0]) for part in parts)
        self._require(kept, malformed, dropped, data.max_malformed)
        require_one_unit(self.layout.path, seen)
        return self._records(parts, vocabularies), self._report(kept, malformed, dropped, seen)

    def parse(self, data: Any, block: Any) -> Iterator[Any]:
        """Yields ``Found`` for the rows of a block; needs nothing but the block."""
        part = self.columns.fast(block)
        judged = part and self._judged(part, data)
        if judged and not judged.malformed:
            yield judged.found()
            return
        for part in self.columns.careful(block):
            yield self._judged(part, data).found()

    def _judged(self, part, data):
        return Judge(part, self.form, self.extras, self.layout.width, data)

    def _require(self, kept, malformed, dropped, most):
        """Raises UserError if no record is left, or more than a fraction or all rows are malformed."""
        path, wrong = self.layout.path, malformed.total()
        rows = kept + wrong + dropped.total()
        if not rows:
            raise UserError(f"{path}: no record found, expected lines such as {EXAMPLE}")
        if wrong > most * rows or wrong == rows:
            raise UserError(
                f"{path}:{malformed.summary(rows)}, more than max_malformed={most:g} allows; correct "
                "the file, or raise max_malformed to drop them"
            )
        if not kept:
            kinds = ", ".join(f"{found['count']} {k}" for k, found in dropped.report().items())
            raise UserError(
                f"{path}: no record is left, all were dropped: {kinds} ({self.form.feedback()}); "
                "choose other feedback or options in the adapter"
            )

    def _report(self, kept, malformed, dropped, seen):
        layout = self.layout
        return {
            "file": os.path.basename(layout.path),
            "rows": kept + malformed.total() + dropped.total(),
            "kept": kept,
            "malformed": malformed.report(),
            "dropped": dropped.report(),
            "time_unit": next(iter(seen), "seconds"),
            "adapter": self.form.name,
            "feedback": self.form.feedback(),
            "delimiter": DELIMITERS[layout.delimiter],
            "header": layout.header is not None,
            "compressed": layout.compressed,
            "columns": self.form.found(layout),
        }

    def _records(self, parts, vocabularies):
        """``Records`` of all parts, which are given up."""
        columns = []
        while parts[0]:
            # One column at a time, so that the parts and the whole never stand side by side.
            columns.append(np.concatenate([part.pop(0) for part in parts]))
        users, items, labels, times, *extras = columns
        whole = times.astype(np.int64)
        times = whole if np.array_equal(whole, times) else times
        ids = (known.array() for known in vocabularies)
        return Records(users, items, labels, times, *ids, dict(zip(self.extras, extras)))


def ratings_reader(path: str, show_progress: bool = False) -> "RecordReader":
    """The ``RecordReader`` of a ratings file; see ``recognise.ratings`` for what is refused."""
    return RecordReader(*ratings(path), show_progress)
