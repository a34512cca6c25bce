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
import typing

import yaml

from recommenders_utils.errors import UserError, shortened, suggest
from recommenders_utils.hparams.safe_yaml import TooLong, TreeLoader, read_text
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

    def option(self, key):
        """The value of a choice, its first one if the adapter does not say."""
        return self.keys.get(key, CHOICES[key][0])

    def units(self):
        """The units that times may be in."""
        if self.built_in:
            return ("seconds", "milliseconds", "text")
        unit = self.option("time_unit")
        return AUTO if unit == "auto" else (unit,)

    def identity(self):
        """JSON-able, or None: with the file's content and the protocol it decides the arrays."""
        return None if self.built_in else {"adapter": self.name, **self.keys}

    def names(self, layout):
        """The form's names of a file's columns, in order."""
        if layout.header is None:
            return self.columns or []
        if not self.built_in:
            return layout.header
        roles = {at: role for role, at in by_spelling(layout.header).items()}
        return [roles.get(at, "") for at in range(layout.width)]

    def found(self, layout):
        """Name of each column that is read -> what the file calls it."""
        names = self.names(layout)
        header = layout.header or [f"column {k + 1}" for k in range(layout.width)]
        return {name: header[names.index(name)] for name in self.used(names)}

    def fits(self, layout):
        """Whether a file of this layout can be read with the form."""
        if self.keys.get("delimiter", layout.delimiter) != layout.delimiter:
            return False
        if layout.header is None:
            return self.columns is not None and len(self.columns) == layout.width
        return self.columns is None and set(self.needed()) <= set(self.names(layout))

    def needed(self):
        """Columns that the form needs, in order, each once."""
        return list(dict.fromkeys([*(self.keys[key] for key in COLUMNS), *self.numeric()]))

    def used(self, names):
        """Columns that are read of a file with these, in order, each once."""
        return list(dict.fromkeys([*self.needed(), *self.numeric(self.extras(names))]))

    def numeric(self, extras=()):
        """Columns that must hold numbers: those of the feedback and of these extras."""
        keys = (*KINDS[self.kind], *extras)
        return list(dict.fromkeys(c for key in keys for c in self.expressions[key].columns))

    def extras(self, names):
        """Which of ``finish`` and ``dwell`` a file with these columns provides."""
        told = [key for key in EXTRAS if key in self.expressions]
        return [key for key in told if set(self.expressions[key].columns) <= set(names)]

    def overrides(self):
        """The data hyper-parameters the form sets."""
        return {name: self.keys[key] for key, name in NUMBERS.items() if key in self.keys}

    def feedback(self):
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


def adapter_files(folder):
    """Paths of the adapters that come by name, sorted."""
    return sorted(glob.glob(os.path.join(folder, "*.yaml")))


def is_path(named):
    """Whether ``--adapter`` names a file rather than a built-in adapter."""
    return os.sep in named or "/" in named or named.lower().endswith((".yaml", ".yml"))


def path_of(named, folder):
    """The file of an adapter that is named by its name or its path; raises UserError if there is none."""
    path = os.path.join(folder, named + ".yaml")
    if is_path(named) or os.path.isfile(path):
        return named if is_path(named) else path
    names = [os.path.splitext(os.path.basename(file))[0] for file in adapter_files(folder)]
    raise UserError(
        f"--adapter={named}: no such adapter; {suggest(named, names)} Or give the "
        "path of a YAML file of your own"
    )


def load_adapter(path):
    """Reads an adapter's YAML file.

    Raises:
      UserError: no such file, not YAML, an unknown, missing or contradictory key, naming it.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            content = yaml.load(read_text(stream), Loader=TreeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            f"{path}:{mark.line + 1 if mark else 1}: not YAML: "
            f"{shortened(str(getattr(error, 'problem', None) or error), 300)}; expected "
            "'key: value' lines"
        ) from None
    except TooLong as error:
        raise UserError(f"{path}: {error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise UserError(f"{path}: not a text of 'key: value' lines; save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: the adapter cannot be read: {error.strerror}") from None
    name = os.path.splitext(os.path.basename(path))[0]
    return adapter_from(content, name, path)


def adapter_from(content, name, path):
    """An ``Adapter`` from what its YAML holds; ``path`` is for messages. Raises as ``load_adapter``."""

    def require(sound, wrong):
        if not sound:
            raise UserError(f"{path}: {wrong}")

    require(isinstance(content, dict), "expected 'key: value' lines such as 'user: user_id'")
    common = dict(content)
    top = {key: common.pop(key) for key in TOP_ONLY if key in common}
    forms = top.pop("forms", [{}])
    groups = isinstance(forms, list) and forms and all(isinstance(form, dict) for form in forms)
    require(groups, "forms: expected a list of 'key: value' groups")
    require(isinstance(top.get("recognise", True), bool), "recognise: expected true or false")
    for key in ("about", "hparams"):
        require(isinstance(top.get(key, ""), str), f"{key}: expected text")
    forms = [_form({**common, **form}, name, path, require) for form in forms]
    return Adapter(name, path, forms, **top)


def _form(keys, name, path, require):
    for key in keys.keys() - set(FORM_KEYS):
        require(False, f"unknown key {key!r}; {suggest(str(key), [*FORM_KEYS, *TOP_ONLY])}")
    for key in COLUMNS:
        named = isinstance(keys.get(key), str) and keys[key]
        require(named, f"{key}: expected the name of a column, such as {key}_id")
    for key, choices in CHOICES.items():
        expected = ", ".join(map(repr, choices))
        known = key not in keys or keys[key] in choices
        require(known, f"{key}: {keys.get(key)!r} is unknown, expected one of {expected}")
    for key in NUMBERS:
        value = keys.get(key, 0)
        sound = isinstance(value, (int, float)) and not isinstance(value, bool)
        require(sound, f"{key}: {value!r} is not a number")
    columns = keys.get("columns")
    if columns is not None:
        names = isinstance(columns, list) and all(isinstance(c, str) for c in columns)
        names = names and len(set(columns)) == len(columns) >= 3
        require(names, "columns: expected a list of different names, such as [u, i, t]")
    told = [key for key in (*EXPRESSIONS, *EXTRAS) if key in keys]
    expressions = {key: Expression(keys[key], f"{path}: {key}") for key in told}
    given = {key for key in told if key not in EXTRAS}
    kinds = [kind for kind, parts in KINDS.items() if set(parts) == given]
    expected = "; ".join(" with ".join(parts) for parts in KINDS.values())
    got = ", ".join(sorted(given)) or "none"
    require(kinds, f"feedback: expected exactly one of: {expected}; got {got}")
    form = Form(name, keys, kinds[0], expressions, columns)
    for column in form.needed() if columns else ():
        require(column in columns, f"columns: {column!r} is not among them, but is used")
    return form
