"""Parquet files, through pyarrow where it is installed: batches of rows as the reader's columns.

A row's number stands for its line. Numbers and truth values stay numbers, text and whatever has an
empty value becomes text, moments and durations become numbers of the adapter's ``time_unit``, and lists
are exploded (see ``lists``).
"""

import contextlib
from typing import Iterator, List, Tuple

import numpy as np
from tqdm import tqdm

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import Part, Texts, positions_of
from recommenders_utils.reading.lists import Lists
from recommenders_utils.reading.text import MOST_COLUMNS, Block
from recommenders_utils.reading.times import DAY, per_second

ROWS, ROWS_OF_LISTS = 1 << 18, 1 << 10  # of a batch
_INSTALL = (
    "install it with `pip install dfar-tf[parquet]` (into a checkout's environment: `pip install -r "
    "requirements/parquet.txt`), or convert the file to CSV"
)


def is_parquet(path: str) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    with open(path, "rb") as stream:
        return stream.read(4) == b"PAR1"


def names_and_samples(path: str, count: int) -> Tuple[List[str], List[List[str]]]:
    """The names of a file's columns, and the first ``count`` rows as texts.

    Raises:
      UserError: pyarrow is missing; the file is damaged, or has no row.
    """
    with _sound(path):
        file = _opened(path)
        names = list(file.schema_arrow.names)
        if len(names) > MOST_COLUMNS:
            raise UserError(
                f"{path}: {len(names):,} columns, expected at most {MOST_COLUMNS:,}; give a file with "
                "the needed columns only"
            )
        if not file.metadata.num_rows:
            raise UserError(f"{path}: the file has no row")
        rows = next(file.iter_batches(batch_size=count)).to_pydict()
    rows = [rows.get(name, []) for name in names]
    return names, [[_shown(value) for value in row] for row in zip(*rows)]


class ParquetColumns:
    """Makes ``Part``s of a Parquet file with a ``Layout``, by its ``Form``; stands beside ``ColumnReader``.

    Raises:
      UserError: two columns of a name that the form uses.
    """

    def __init__(self, layout, form):
        self.path = layout.path
        # Name in the form -> in the file; they differ in a ratings file.
        self.names = {name: layout.header[at] for name, at in positions_of(layout, form).items()}
        extras = form.extras(form.names(layout))
        # Ids and what is compared with text or cut into entries are texts, whatever they are stored as.
        texts = [form.source(name) for name in form.textual(extras)]
        self._texts = {form.roles()["user"], form.roles()["item"], *texts}
        self._texts |= set(form.exploded if form.entry else ())
        self._scale = per_second(form.option("time_unit"))

    def blocks(self, show_progress: bool = False) -> Iterator[Block]:
        """Yields ``Block``s whose ``text`` is a dict of columns, so that no worker needs pyarrow.

        Raises:
          UserError: pyarrow is missing; a damaged file; a column of a type that is no value.
        """
        with _sound(self.path):
            file = _opened(self.path)
            types = [file.schema_arrow.field(name).type for name in self.names.values()]
            size = ROWS_OF_LISTS if any(map(_is_list, types)) else ROWS
            total, row = file.metadata.num_rows, 1
            bar = tqdm(
                total=total,
                desc="reading",
                unit="row",
                unit_scale=True,
                leave=False,
                disable=None if show_progress and total > ROWS else True,
            )
            read = list(dict.fromkeys(self.names.values()))
            with bar:
                for batch in file.iter_batches(batch_size=size, columns=read):
                    columns = {
                        name: self._column(name, batch.column(batch.schema.get_field_index(own)))
                        for name, own in self.names.items()
                    }
                    yield Block(columns, row, batch.num_rows)
                    row += batch.num_rows
                    bar.update(batch.num_rows)

    def fast(self, block: Block) -> Part:
        """A block's ``Part``."""
        return Part(block.text, range(block.line, block.line + block.lines))

    def careful(self, block: Block) -> Iterator[Part]:
        """Yields the same ``Part``."""
        yield self.fast(block)

    def _column(self, name, array):
        if _is_list(array.type):
            import pyarrow.compute as compute

            lengths = compute.list_value_length(array).fill_null(0)
            values = self._values(name, array.flatten())
            return Lists(np.asarray(lengths, np.int64), values)
        return self._values(name, array)

    def _values(self, name, array):
        """``Texts``, or int64 or float64 numbers."""
        import pyarrow as pa

        kinds, kind = pa.types, array.type
        if kinds.is_nested(kind):
            raise UserError(
                f"{self.path}: column {name} holds {kind}, expected a value or a list of values in each "
                "row; write it as columns of its own"
            )
        if kinds.is_temporal(kind) and not kinds.is_time(kind):
            return _seconds(array) * self._scale
        if kinds.is_boolean(kind):
            array = array.cast(pa.int8())
        elif kinds.is_decimal(kind):
            array = array.cast(pa.float64())
        number = kinds.is_integer(array.type) or kinds.is_floating(array.type)
        if name in self._texts or not number:
            return _texts(array)
        if array.null_count or kinds.is_floating(array.type) or kinds.is_uint64(array.type):
            return np.asarray(array.cast(pa.float64()).fill_null(np.nan), np.float64)
        return np.asarray(array.cast(pa.int64()), np.int64)


def _is_list(kind):
    import pyarrow as pa

    return any(
        test(kind)
        for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    )


def _texts(array):
    """``Texts`` of any values; "" where there is none, whole numbers without a point."""
    import pyarrow as pa

    kinds = pa.types
    if not kinds.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes, values = array.indices, array.dictionary.to_pylist()
    texts = np.array([*map(_shown, values), ""], object)
    return Texts(np.asarray(codes.cast(pa.int64()).fill_null(len(values)), np.int32), texts)


def _shown(value):
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _seconds(array):
    """Float64, unix seconds of moments and days, seconds of durations; NaN where there is none."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_date(kind):
        counts, per = array.cast(pa.date32()).cast(pa.int32()), 1 / DAY
    else:
        counts = array.cast(pa.int64())
        per = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    return np.asarray(counts.cast(pa.float64(), safe=False).fill_null(np.nan), np.float64) / per


def _opened(path):
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UserError(
            f"{path}: is a Parquet file, which needs pyarrow: {error}; {_INSTALL}"
        ) from error
    return parquet.ParquetFile(path)


@contextlib.contextmanager
def _sound(path):
    """Context in which what pyarrow says of a file becomes a UserError."""
    try:
        yield
    except (ValueError, NotImplementedError, KeyError) as error:  # pyarrow's own are of these
        reason = str(error).strip().split("\n")[0][:200]
        raise UserError(
            f"{path}: cannot be read as Parquet: {reason}; download or write the file again"
        ) from error
