"""Files of any layout in, records out: users, items, labels and times as arrays.

Of the text no more than a block is held at a time; what is kept of a record is numbers. The result is the
same for any size of block.
"""

import functools
import itertools
import os
import typing
from typing import Any, Callable, Dict, Iterable, Iterator, Sequence, Tuple

import numpy as np

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import ColumnReader
from recommenders_utils.reading.forms import ROW_ORDER
from recommenders_utils.reading.ids import Vocabulary
from recommenders_utils.reading.layout import DELIMITERS, EXAMPLE
from recommenders_utils.reading.lists import exploded
from recommenders_utils.reading.parquet import ParquetColumns
from recommenders_utils.reading.recognise import ratings
from recommenders_utils.reading.rows import Judge, Tally
from recommenders_utils.reading.text import bad_text, readable, text_blocks
from recommenders_utils.reading.times import require_one_unit
from recommenders_utils.tables import counted


class Records(typing.NamedTuple):
    """What a log holds: n records in file order.

    Attributes:
      users, items: int32 [n], codes into the ids, which are in order of first appearance.
      labels: int8 [n], 1 positive, 0 negative.
      times: [n] unix seconds, int64, or float64 where the log is finer; of a log without times
        (``row_order``) 0, 1, 2, ...
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


def and_more(names: Sequence[str]) -> str:
    """The only name of a list, or the first and how many more there are."""
    more = len(names) - 1
    return names[0] + (f" and {counted(more, 'more file')}" if more else "")


def flat_map(function: Callable[..., Any], blocks: Iterable[Any]) -> Iterable[Any]:
    """Yields what a function yields for each block, in this process."""
    return itertools.chain.from_iterable(map(function, blocks))


class RecordReader:
    """Reads one log, of one file or several.

    Args:
      layout: ``Layout`` of the file, or a list of those of files with the same columns, in the order in
        which they are read.
      form: the ``Form`` that fits.
      show_progress: whether to show bytes read, with rate and time left, on a terminal.
      block_bytes: how much text is read at a time; by default ``text.BLOCK_BYTES``.
    """

    def __init__(self, layout, form, show_progress=False, block_bytes=None):
        self.layouts = layout if isinstance(layout, list) else [layout]
        self.layout, self.form = self.layouts[0], form
        self.paths = [each.path for each in self.layouts]
        self.block_bytes, self.show_progress = block_bytes, show_progress
        self.extras = form.extras(form.names(self.layout))
        self._columns = [
            (ParquetColumns if each.parquet else ColumnReader)(each, form) for each in self.layouts
        ]
        self.columns = self._columns[0]

    @property
    def title(self) -> str:
        """The file's path, or that of the first of several and how many more there are."""
        return and_more(self.paths)

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
          first_line), ``time_unit``, ``adapter``, ``feedback`` and the layout; ``files`` if there are
          several. Of lists an entry counts as a row.

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
        try:
            for found in flat_map(functools.partial(self.parse, data), self._blocks()):
                malformed.merge(found.malformed, found.file)
                dropped.merge(found.dropped, found.file)
                units = {u: ((found.file, line), text) for u, (line, text) in found.units.items()}
                seen = {**units, **seen}
                ids = zip(vocabularies, (found.users, found.items))
                parts.append([*(known.codes(column) for known, column in ids), *found.values])
        except UnicodeDecodeError as error:
            raise UserError(bad_text(self.paths)) from error
        kept = sum(len(part[0]) for part in parts)
        self._require(kept, malformed, dropped, data.max_malformed)
        require_one_unit(self.paths, seen)
        return self._records(parts, vocabularies), self._report(kept, malformed, dropped, seen)

    def _blocks(self):
        """Yields the blocks of each file in turn."""
        for file, (layout, columns) in enumerate(zip(self.layouts, self._columns)):
            with readable(layout.path):
                blocks = (
                    columns.blocks(self.show_progress)
                    if layout.parquet
                    else text_blocks(layout, self.block_bytes, self.show_progress)
                )
                for block in blocks:
                    yield block._replace(file=file) if file else block

    def parse(self, data: Any, block: Any) -> Iterator[Any]:
        """Yields ``Found`` for the rows of a block; needs nothing but the block."""
        columns = self._columns[block.file]
        part = columns.fast(block)
        judged = part and self._judged(part, data)
        if judged and not judged.malformed:
            yield judged.found(block.file)
            return
        for part in columns.careful(block):
            yield self._judged(part, data).found(block.file)

    def _judged(self, part, data):
        width = self.layout.width
        return Judge(exploded(part, self.form, width), self.form, self.extras, width, data)

    def _require(self, kept, malformed, dropped, most):
        """Raises UserError if no record is left, or more than a fraction or all rows are malformed."""
        wrong = malformed.total()
        rows = kept + wrong + dropped.total()
        if not rows:
            raise UserError(f"{self.title}: no record found, expected lines such as {EXAMPLE}")
        if wrong > most * rows or wrong == rows:
            raise UserError(
                f"{malformed.summary(rows, self.paths)}, more than max_malformed={most:g} allows; "
                "correct the file, or raise max_malformed to drop them"
            )
        if not kept:
            dropped = dropped.report(self.paths).items()
            kinds = ", ".join(f"{found['count']} {kind}" for kind, found in dropped)
            raise UserError(
                f"{self.title}: no record is left, all were dropped: {kinds} "
                f"({self.form.feedback()}); choose other feedback or options in the adapter"
            )

    def _report(self, kept, malformed, dropped, seen):
        layout, names = self.layout, [os.path.basename(path) for path in self.paths]
        unit = ROW_ORDER if self.form.row_order else next(iter(seen), "seconds")
        return {
            "file": and_more(names),
            **({"files": names} if len(names) > 1 else {}),
            "rows": kept + malformed.total() + dropped.total(),
            "kept": kept,
            "malformed": malformed.report(self.paths),
            "dropped": dropped.report(self.paths),
            "time_unit": unit,
            "adapter": self.form.name,
            "feedback": self.form.feedback(),
            "delimiter": DELIMITERS.get(layout.delimiter, "none, Parquet"),
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
        times = np.arange(len(times)) if self.form.row_order else times
        whole = times.astype(np.int64)
        times = whole if np.array_equal(whole, times) else times
        ids = (known.array() for known in vocabularies)
        return Records(users, items, labels, times, *ids, dict(zip(self.extras, extras)))


def ratings_reader(path: str, show_progress: bool = False) -> "RecordReader":
    """The ``RecordReader`` of a ratings file; see ``recognise.ratings`` for what is refused."""
    return RecordReader(*ratings(path), show_progress)
