"""A form: one layout of a log, and all there is to know to read it."""

import dataclasses
import typing
from typing import Any, Dict, List, Sequence

from recommenders_utils.reading.expressions import Expression
from recommenders_utils.reading.layout import DELIMITERS, by_spelling
from recommenders_utils.reading.times import AUTO, FORMATTED, UNITS

# The kinds of feedback: a form has exactly one, each an expression of columns.
KINDS = {
    "label": ("label",),
    "rating": ("rating",),
    "watch_ratio": ("watch_ratio",),
    "watch_time": ("play", "duration"),
    "feedback": ("feedback",),
    "two_sided": ("positive", "negative"),
}
LEVELS = "levels"  # the kind of a form with strengths of feedback, each with its expression
LEVEL = "level"  # the extra that says which a record has, from 0
EXPRESSIONS = tuple(key for keys in KINDS.values() for key in keys)
EXTRAS = ("finish", "dwell")
COLUMNS = ("user", "item", "time")
ROW_ORDER = "row_order"  # in place of a time column: a user's records are in the file's order
# Columns that hold lists: which, what is between the entries of a text, the columns within an entry and
# what is between those.
LISTS = ("explode", "separator", "entry", "entry_separator")
CHOICES = {
    "time_unit": ("auto", *UNITS),
    "missing_time": ("malformed", "drop"),
    "missing_number": ("malformed", "zero"),
    "zero_duration": ("drop", "negative", "positive", "malformed"),
    "conflict": ("drop", "negative", "positive", "malformed"),
    "delimiter": tuple(DELIMITERS),
    "duplicates": ("first", "last", "earliest", "latest", "all"),
}
# What a form sets in the ``data`` hyper-parameters; flags take precedence.
SETTINGS = {
    "threshold": "rating_threshold",
    "rating_min": "rating_min",
    "rating_max": "rating_max",
    "utc_offset_hours": "utc_offset_hours",
    "duplicates": "duplicates",
}
TOP_ONLY = ("about", "hparams", "recognise", "forms")
FORM_KEYS = tuple(
    dict.fromkeys(
        (
            *(*COLUMNS, *EXPRESSIONS, *EXTRAS, *CHOICES, *SETTINGS, *LISTS),
            *("columns", "time_format", LEVELS, "level_threshold"),
        )
    )
)


@dataclasses.dataclass
class Form:
    """One layout of a log, and all there is to know to read it.

    Attributes:
      name: of its adapter.
      keys: its keys in the adapter, without defaults; JSON-able.
      kind: a key of ``KINDS``, or ``LEVELS``.
      expressions: ``Expression`` by key: those of the kind, ``finish`` and ``dwell``; a level's key is
        ``level_key`` of its name.
      columns: names of the columns of a file without a header, or None for a file with one.
      built_in: whether it is the form of ratings files: a header's columns go by their common
        spellings, every row has all of them, times are seconds, milliseconds or dates in UTC, the
        threshold lies within the scale, and it is no part of a fingerprint.
    """

    name: str
    keys: dict
    kind: str
    expressions: typing.Dict[str, Expression]
    columns: typing.Optional[typing.List[str]]
    built_in: bool = False

    def option(self, key: str) -> Any:
        """The value of a choice, its first one if the adapter does not say."""
        return self.keys.get(key, CHOICES[key][0])

    def units(self) -> Any:
        """The units that times may be in."""
        if self.built_in:
            return ("seconds", "milliseconds", "text")
        if "time_format" in self.keys:
            return (FORMATTED,)
        unit = self.option("time_unit")
        return AUTO if unit == "auto" else (unit,)

    def identity(self) -> Any:
        """JSON-able, or None: with the file's content and the protocol it decides the arrays."""
        return None if self.built_in else {"adapter": self.name, **self.keys}

    def names(self, layout: Any) -> Any:
        """The form's names of a file's columns, in order."""
        if layout.header is None:
            return self.columns or []
        if not self.built_in:
            return layout.header
        roles = {at: role for role, at in by_spelling(layout.header).items()}
        return [roles.get(at, "") for at in range(layout.width)]

    def found(self, layout: Any) -> Dict[str, Any]:
        """Name of each column that is read -> what the file calls it."""
        names = self.names(layout)
        header = layout.header or [f"column {k + 1}" for k in range(layout.width)]
        return {name: header[names.index(name)] for name in self.used(names)}

    def fits(self, layout: Any) -> bool:
        """Whether a file of this layout can be read with the form."""
        if self.keys.get("delimiter", layout.delimiter) != layout.delimiter:
            return False
        if layout.header is None:
            return self.columns is not None and len(self.columns) == layout.width
        return self.columns is None and set(self.needed()) <= set(self.names(layout))

    @property
    def levels(self) -> List[str]:
        """Names of the strengths of feedback, weakest first; none of a form with two sides."""
        return list(self.keys[LEVELS]) if self.kind == LEVELS else []

    @property
    def threshold_level(self) -> int:
        """The weakest level that is positive feedback."""
        return self.levels.index(self.keys["level_threshold"])

    @property
    def parts(self) -> Sequence[str]:
        """Keys of the expressions that tell the feedback."""
        return tuple(map(level_key, self.levels)) or KINDS[self.kind]

    @property
    def row_order(self) -> bool:
        """Whether the log has no time: a user's records are in the file's order."""
        return not self.built_in and self.keys["time"] == ROW_ORDER

    @property
    def exploded(self) -> List[str]:
        """The columns that hold lists; lists of a Parquet file need not be told."""
        told = self.keys.get("explode", [])
        return [told] if isinstance(told, str) else told

    @property
    def entry(self) -> List[str]:
        """The columns within each entry of the one list column, or none."""
        return self.keys.get("entry", [])

    def source(self, column: str) -> str:
        """The file's column that a column is read from: of one within an entry, the list."""
        return self.exploded[0] if column in self.entry else column

    def roles(self) -> Dict[str, str]:
        """``user``, ``item`` and ``time``, if there is one, -> the file's column."""
        keys = COLUMNS[:2] if self.row_order else COLUMNS
        return {key: self.source(self.keys[key]) for key in keys}

    def needed(self) -> List[str]:
        """The file's columns that the form needs, in order, each once."""
        feedback = map(self.source, self.columns_of(self.parts))
        return list(dict.fromkeys([*self.roles().values(), *feedback, *self.exploded]))

    def used(self, names: Sequence[str]) -> List[str]:
        """Columns that are read of a file with these, in order, each once."""
        extras = map(self.source, self.columns_of(self.extras(names)))
        return list(dict.fromkeys([*self.needed(), *extras]))

    def columns_of(self, keys: Sequence[str], part: str = "columns") -> List[str]:
        """The ``columns``, ``numbers`` or ``texts`` of some expressions, in order, each once."""
        told = (self.expressions[key] for key in keys if key in self.expressions)
        found = (c for expression in told for c in getattr(expression, part))
        return list(dict.fromkeys(found))

    def numeric(self, extras: Sequence[str] = ()) -> List[str]:
        """Columns that must hold numbers: of the feedback and of these extras."""
        return self.columns_of((*self.parts, *extras), "numbers")

    def textual(self, extras: Sequence[str] = ()) -> List[str]:
        """Columns that are compared with text."""
        return self.columns_of((*self.parts, *extras), "texts")

    def extras(self, names: Sequence[str]) -> List[str]:
        """Which of ``finish`` and ``dwell`` a file with these columns provides; ``level`` with levels."""
        told = [key for key in EXTRAS if key in self.expressions]
        told = [key for key in told if set(map(self.source, self.columns_of([key]))) <= set(names)]
        return [*told, *([LEVEL] if self.levels else [])]

    def overrides(self) -> Dict[str, Any]:
        """The data hyper-parameters the form sets."""
        return {name: self.keys[key] for key, name in SETTINGS.items() if key in self.keys}

    def feedback(self) -> str:
        """The feedback in words."""
        return ", ".join(f"{key}: {self.expressions[key].text}" for key in self.parts)


def level_key(name: str) -> str:
    """The key of a level's expression."""
    return f"{LEVELS}: {name}"
