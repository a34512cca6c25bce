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
import datetime
import glob
import os
import re
import typing
from typing import Any, List

import yaml

from recommenders_utils.errors import UserError, suggest
from recommenders_utils.hparams.safe_yaml import TreeLoader, parsed, read_text
from recommenders_utils.hparams.schema import Key
from recommenders_utils.reading.expressions import Expression
from recommenders_utils.reading.forms import (
    CHOICES,
    COLUMNS,
    EXPRESSIONS,
    EXTRAS,
    FORM_KEYS,
    KINDS,
    LEVELS,
    LISTS,
    SETTINGS,
    TOP_ONLY,
    Form,
    level_key,
)

NUMBERS = tuple(key for key in SETTINGS if key not in CHOICES)
MOST_LEVELS = 100
TEXTS = ("separator", "entry_separator", "time_format")
_TYPES = {
    **dict.fromkeys((*COLUMNS, *CHOICES, *TEXTS, "about", "hparams"), "str"),
    **dict.fromkeys(NUMBERS, "float"),
    "recognise": "bool",
}


@dataclasses.dataclass
class Adapter:
    """A data set's layouts.

    Attributes:
      name: the file's name without its ending.
      path: the file, or a description of where the adapter comes from.
      forms: the layouts, the preferred one first.
      hparams: name of the hyper-parameters a command merges for it, or None.
      recognise: whether a file may be recognised as this data set by its columns alone, or the columns
        that it must have for that besides those of a form.
      about: one line for the user.
    """

    name: str
    path: str
    forms: typing.List[Form]
    hparams: typing.Optional[str] = None
    recognise: typing.Union[bool, typing.List[str]] = True
    about: str = ""

    def marks(self, form: Form) -> typing.Set[str]:
        """The columns that a file must have to be recognised as of a form."""
        more = self.recognise if isinstance(self.recognise, list) else []
        return {*form.needed(), *more}

    def recognises(self, form: Form, layout: Any) -> bool:
        """Whether a file of this layout is recognised as of a form."""
        if not self.recognise or not form.fits(layout):
            return False
        return layout.header is None or self.marks(form) <= set(form.names(layout))


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
    by_columns = _are_names(top.get("recognise"), 1)
    _check({key: top[key] for key in top if not (by_columns and key == "recognise")}, path)
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
    if columns is not None and not _are_names(columns, 3):
        raise UserError(f"{path}: columns: expected a list of different names, such as [u, i, t]")
    _check_lists(keys, path)
    _check_time_format(keys, path)
    told = [key for key in (*EXPRESSIONS, *EXTRAS) if key in keys]
    expressions = {key: Expression(keys[key], f"{path}: {key}") for key in told}
    given = {key for key in (*told, LEVELS) if key in keys and key not in EXTRAS}
    kinds = [kind for kind, parts in [*KINDS.items(), (LEVELS, [LEVELS])] if set(parts) == given]
    if not kinds:
        expected = "; ".join([*(" with ".join(parts) for parts in KINDS.values()), LEVELS])
        got = ", ".join(sorted(given)) or "none"
        raise UserError(f"{path}: feedback: expected exactly one of: {expected}; got {got}")
    _check_levels(keys, path)
    for level, text in keys.get(LEVELS, {}).items():
        expressions[level_key(level)] = Expression(text, f"{path}: {level_key(level)}")
    told += map(level_key, keys.get(LEVELS, ()))
    form = Form(name, keys, kinds[0], expressions, columns)
    lacking = set(form.needed()) - set(columns or form.needed())
    if lacking:
        raise UserError(f"{path}: columns: {min(lacking)!r} is not among them, but is used")
    both = set(form.columns_of(told, "texts")) & set(form.columns_of(told, "numbers"))
    if both:
        raise UserError(
            f"{path}: {min(both)!r} is compared with text in one key and is a number in another; write "
            "the number as text, such as '1'"
        )
    return form


def _are_names(value, least):
    """Whether a value is a list of at least so many different texts."""
    if not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        return False
    return len(set(value)) == len(value) >= least


def _check_lists(keys, path):
    """Raises UserError unless the keys of columns that hold lists fit together."""
    explode, entry = keys.get("explode"), keys.get("entry")
    lone = [key for key in LISTS[1:] if key in keys]
    if explode is None and lone:
        raise UserError(
            f"{path}: {lone[0]}: expected explode beside it, the column that holds lists"
        )
    if explode is not None and not (isinstance(explode, str) or _are_names(explode, 1)):
        raise UserError(
            f"{path}: explode: expected a column that holds lists, or a list of such columns"
        )
    if entry is None:
        if "entry_separator" in keys:
            raise UserError(f"{path}: entry_separator: expected entry beside it, such as [item, y]")
    elif not _are_names(entry, 2) or not isinstance(explode, str):
        raise UserError(
            f"{path}: entry: expected a list of different names, such as [item, clicked], of one "
            "explode column"
        )
    for key in ("separator", "entry_separator"):
        if keys.get(key) == "":
            raise UserError(f'{path}: {key}: is empty, expected text such as " " or "-"')
    if entry is not None and "entry_separator" not in keys:
        raise UserError(f'{path}: entry_separator: expected the text between {entry}, such as "-"')


def _check_levels(keys, path):
    """Raises UserError unless levels have usable names, and the threshold is one of them."""
    levels, threshold = keys.get(LEVELS), keys.get("level_threshold")
    if levels is None:
        if threshold is not None:
            raise UserError(f"{path}: level_threshold: expected levels beside it")
        return
    if not isinstance(levels, dict) or not 2 <= len(levels) <= MOST_LEVELS:
        raise UserError(
            f"{path}: levels: expected 2 to {MOST_LEVELS} lines 'name: expression', weakest first, such as "
            "'skip: is_click == 0'"
        )
    for name in levels:
        if not (isinstance(name, str) and re.match(r"[^\W\d]\w*$", name)):
            raise UserError(
                f"{path}: levels: {name!r}: expected a name of letters, digits and _, such as long_view"
            )
    if threshold not in list(levels)[1:]:
        raise UserError(
            f"{path}: level_threshold: {threshold!r}: expected the weakest level that is positive "
            f"feedback, one of {', '.join(list(levels)[1:])}"
        )


def _check_time_format(keys, path):
    """Raises UserError for a format of times that Python does not know, or a unit beside it."""
    told = keys.get("time_format")
    if told is None:
        return
    if "time_unit" in keys:
        raise UserError(f"{path}: time_format and time_unit: give only one of the two")
    try:
        datetime.datetime.strptime("", told)
    except ValueError as error:
        known = "%" in told and "directive" not in str(error) and "stray" not in str(error)
    else:
        known = False  # a format of nothing
    if not known:
        raise UserError(
            f"{path}: time_format: {told!r} is no format of times; expected one such as "
            "'%m/%d/%Y %I:%M:%S %p' (Python's strptime)"
        )
