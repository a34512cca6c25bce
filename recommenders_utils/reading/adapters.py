"""Adapters: which column of a log is the user, the item, the time and the feedback, as a small YAML.

    about: short videos with likes and hates
    user: user_id
    item: video_id
    time: time_ms
    positive: is_like
    negative: is_hate

``forms`` lists the layouts a data set comes in, each with the keys that differ; ``columns`` names the
columns of files without a header. All keys: ``docs/data.md``.
"""

import dataclasses
import glob
import os
import re
import typing
from typing import Any, Dict, List, Sequence

import yaml

from recommenders_utils.errors import UserError, suggest
from recommenders_utils.hparams.safe_yaml import TreeLoader, parsed, read_text
from recommenders_utils.hparams.schema import Key
from recommenders_utils.reading.expressions import Expression
from recommenders_utils.reading.layout import DELIMITERS, by_spelling
from recommenders_utils.reading.times import AUTO, UNITS

# The kinds of feedback: a form has exactly one, each an expression of columns.
KINDS = {
    "label": ("label",),
    "rating": ("rating",),
    "watch_ratio": ("watch_ratio",),
    "watch_time": ("play", "duration"),
    "feedback": ("feedback",),
    "two_sided": ("positive", "negative"),
}
EXPRESSIONS = tuple(key for keys in KINDS.values() for key in keys)
EXTRAS = ("finish", "dwell")
COLUMNS = ("user", "item", "time")
CHOICES = {
    "time_unit": ("auto", *UNITS),
    "missing_time": ("malformed", "drop"),
    "zero_duration": ("drop", "negative", "positive", "malformed"),
    "conflict": ("drop", "negative", "positive", "malformed"),
    "delimiter": tuple(DELIMITERS),
}
# What a form sets in the ``data`` hyper-parameters; flags take precedence.
NUMBERS = {
    "threshold": "rating_threshold",
    "rating_min": "rating_min",
    "rating_max": "rating_max",
    "utc_offset_hours": "utc_offset_hours",
}
TOP_ONLY = ("about", "hparams", "recognise", "forms")
FORM_KEYS = (*COLUMNS, *EXPRESSIONS, *EXTRAS, *CHOICES, *NUMBERS, "columns")

_TYPES = {
    **dict.fromkeys((*COLUMNS, *CHOICES, "about", "hparams"), "str"),
    **dict.fromkeys(NUMBERS, "float"),
    "recognise": "bool",
}


@dataclasses.dataclass
class Form:
    """One layout of a log, and all there is to know to read it.

    Attributes:
      name: of its adapter.
      keys: its keys in the adapter, without defaults; JSON-able.
      kind: a key of ``KINDS``.
      expressions: ``Expression`` by key: those of the kind, ``finish`` and ``dwell``.
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

    def needed(self) -> List[str]:
        """Columns that the form needs, in order, each once."""
        return list(dict.fromkeys([*(self.keys[key] for key in COLUMNS), *self.numeric()]))

    def used(self, names: Sequence[str]) -> List[str]:
        """Columns that are read of a file with these, in order, each once."""
        return list(dict.fromkeys([*self.needed(), *self.numeric(self.extras(names))]))

    def numeric(self, extras: Sequence[str] = ()) -> List[str]:
        """Columns that must hold numbers: those of the feedback and of these extras."""
        keys = (*KINDS[self.kind], *extras)
        return list(dict.fromkeys(c for key in keys for c in self.expressions[key].columns))

    def extras(self, names: Sequence[str]) -> List[str]:
        """Which of ``finish`` and ``dwell`` a file with these columns provides."""
        told = [key for key in EXTRAS if key in self.expressions]
        return [key for key in told if set(self.expressions[key].columns) <= set(names)]

    def overrides(self) -> Dict[str, Any]:
        """The data hyper-parameters the form sets."""
        return {name: self.keys[key] for key, name in NUMBERS.items() if key in self.keys}

    def feedback(self) -> str:
        """The feedback in words."""
        return ", ".join(f"{key}: {self.expressions[key].text}" for key in KINDS[self.kind])


@dataclasses.dataclass
class Adapter:
    """A data set's layouts.

    Attributes:
      name: the file's name without its ending.
      path: the file, or a description of where the adapter comes from.
      forms: the layouts, the preferred one first.
      hparams: name of the hyper-parameters a command merges for it, or None.
      recognise: whether a file may be recognised as this data set by its columns alone.
      about: one line for the user.
    """

    name: str
    path: str
    forms: typing.List[Form]
    hparams: typing.Optional[str] = None
    recognise: bool = True
    about: str = ""


def adapter_files(folder: str) -> List[str]:
    """Paths of the adapters that come by name, sorted."""
    return sorted(glob.glob(os.path.join(folder, "*.yaml")))


def is_path(named: str) -> bool:
    """Whether ``--adapter`` names a file rather than a built-in adapter."""
    return os.sep in named or "/" in named or named.lower().endswith((".yaml", ".yml"))


def path_of(named: str, folder: str) -> str:
    """The file of an adapter that is named by its name or its path; raises UserError if there is none."""
    path = named if is_path(named) else os.path.join(folder, named + ".yaml")
    if is_path(named) or os.path.isfile(path):
        return path
    names = [os.path.splitext(os.path.basename(file))[0] for file in adapter_files(folder)]
    raise UserError(
        f"--adapter={named}: no such adapter; {suggest(named, names)} Or give the "
        "path of a YAML file of your own"
    )


def load_adapter(path: str) -> "Adapter":
    """Reads an adapter's YAML file.

    Raises:
      UserError: no such file, not YAML, an unknown, missing or contradictory key, naming it.
    """
    with parsed(path, "'key: value' lines"):
        content = yaml.load(read_text(path), Loader=TreeLoader)
    return adapter_from(content, os.path.splitext(os.path.basename(path))[0], path)


def adapter_from(content: Any, name: str, path: str) -> "Adapter":
    """An ``Adapter`` from what its YAML holds; ``path`` is for messages. Raises as ``load_adapter``."""
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines such as 'user: user_id'")
    common = dict(content)
    top = {key: common.pop(key) for key in TOP_ONLY if key in common}
    forms = top.pop("forms", [{}])
    if not (isinstance(forms, list) and forms and all(isinstance(form, dict) for form in forms)):
        raise UserError(f"{path}: forms: expected a list of 'key: value' groups")
    _check(top, path)
    if not re.match(r"\w*$", top.get("hparams", "")):
        raise UserError(f"{path}: hparams: expected a name such as kuairand, not a path")
    return Adapter(name, path, [_form({**common, **form}, name, path) for form in forms], **top)


def _check(keys, path):
    for key, kind in _TYPES.items():
        if key in keys:
            Key(key, "", kind, CHOICES.get(key, ()), (), "").check(keys[key], path)


def _form(keys, name, path):
    for key in keys.keys() - set(FORM_KEYS):
        told = suggest(str(key), [*FORM_KEYS, *TOP_ONLY])
        raise UserError(f"{path}: unknown key {key!r}; {told}")
    for key in COLUMNS:
        if not keys.get(key):
            raise UserError(f"{path}: {key}: expected the name of a column, such as {key}_id")
    _check(keys, path)
    columns = keys.get("columns")
    names = isinstance(columns, list) and all(isinstance(column, str) for column in columns)
    if columns is not None and not (names and len(set(columns)) == len(columns) >= 3):
        raise UserError(f"{path}: columns: expected a list of different names, such as [u, i, t]")
    told = [key for key in (*EXPRESSIONS, *EXTRAS) if key in keys]
    expressions = {key: Expression(keys[key], f"{path}: {key}") for key in told}
    given = {key for key in told if key not in EXTRAS}
    kinds = [kind for kind, parts in KINDS.items() if set(parts) == given]
    if not kinds:
        expected = "; ".join(" with ".join(parts) for parts in KINDS.values())
        got = ", ".join(sorted(given)) or "none"
        raise UserError(f"{path}: feedback: expected exactly one of: {expected}; got {got}")
    form = Form(name, keys, kinds[0], expressions, columns)
    lacking = set(form.needed()) - set(columns or form.needed())
    if lacking:
        raise UserError(f"{path}: columns: {min(lacking)!r} is not among them, but is used")
    return form
