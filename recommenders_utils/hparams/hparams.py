"""Hyper-parameters from YAML files, in the manner of Microsoft Recommenders.

The first file names every key with its type and meaning in a trailing comment; later files and
keyword overrides change values. A later file's ``model`` section may bring a model's own keys,
with the same comment.
"""

from keyword import iskeyword
from typing import Any, Dict, Mapping

from recommenders_utils.errors import UserError, shortened, suggest
from recommenders_utils.files import atomic_write
from recommenders_utils.hparams.entries import read_entries
from recommenders_utils.hparams.schema import COMMENT_FORM, SECTIONS, Key, brief, to_yaml


def prepare_hparams(*yaml_files: str, **overrides: Any) -> "HParams":
    """Merges YAML files, then overrides, into one set of hyper-parameters.

    Args:
      *yaml_files: paths. The first is the schema: every key with default, type and meaning; the
        others override it in their order and may bring new keys in section ``model``.
      **overrides: values by key, as Python values or as the command line's text (``"1e-3"``,
        ``"true"``, ``"a,b,c"``, ``"null"``).

    Returns:
      HParams.

    Raises:
      UserError: a file that is missing or not plain YAML; a key that is unknown, given twice or in
        another section; a value of another type, out of its bounds or not among its choices.
    """
    if not yaml_files:
        raise UserError("prepare_hparams needs at least one YAML file, the one with every key")
    schema: Dict[str, Key] = {}
    values: Dict[str, Any] = {}
    for number, path in enumerate(yaml_files):
        for entry in read_entries(path):
            key = schema.get(entry.name)
            if key is None:
                key = _declare(entry, schema, first=number == 0)
                schema[entry.name] = key
            elif key.section != entry.section:
                raise UserError(
                    f"{entry.where}: '{entry.name}' belongs in section {key.section}, not "
                    f"{entry.section}; move it there (a key may be in one section only)"
                )
            values[entry.name] = key.check(entry.value, entry.where)
        if not schema:
            raise UserError(f"{path}: no hyper-parameters in it; give the file with every key")
    return HParams(schema, values).replace(**overrides)


class HParams:
    """Immutable hyper-parameters: ``hp.batch_size`` or, by section, ``hp.train.batch_size``.

    Attributes hold tuples for lists; ``values`` and ``to_dict`` give lists. ``hp.schema`` maps each
    key to its ``Key`` (type, choices, bounds, meaning, section). Two are equal if their keys,
    schemas and values are; they hash and pickle.
    """

    __slots__ = ("_schema", "_values")

    def __init__(self, schema: Mapping[str, Key], values: Mapping[str, Any]) -> None:
        """Takes ``{name: Key}`` and ``{name: checked value}``; use ``prepare_hparams``."""
        object.__setattr__(self, "_schema", dict(schema))
        object.__setattr__(self, "_values", {name: values[name] for name in schema})

    def __getattr__(self, name):
        if name in SECTIONS:
            keys = [key for key in self._schema.values() if key.section == name]
            return Section(name, {key.name: self._values[key.name] for key in keys})
        return _lookup(self._values, name, "hyper-parameter")

    def __setattr__(self, name, value):
        raise AttributeError("hyper-parameters are immutable; use hp.replace(key=value)")

    def __delattr__(self, name):
        raise AttributeError("hyper-parameters are immutable; use hp.replace(key=value)")

    def __contains__(self, name):
        return name in self._values

    def __eq__(self, other):
        if not isinstance(other, HParams):
            return NotImplemented
        return self._schema == other._schema and self._values == other._values

    def __hash__(self):
        return hash(frozenset(self._values.items()))

    def __reduce__(self):
        return HParams, (self._schema, self._values)

    def __dir__(self):
        return [*super().__dir__(), *SECTIONS, *self._values]

    def __repr__(self):
        return "HParams({})".format(", ".join(f"{k}={v!r}" for k, v in self.values().items()))

    @property
    def schema(self) -> Dict[str, Key]:
        """``{name: Key}``, a copy, in the files' order."""
        return dict(self._schema)

    def values(self) -> Dict[str, Any]:
        """Flat ``{key: value}``, lists as lists."""
        return {name: _plain(value) for name, value in self._values.items()}

    def to_dict(self) -> Dict[str, Dict[str, Any]]:
        """Nested ``{section: {key: value}}``, lists as lists."""
        nested: Dict[str, Dict[str, Any]] = {section: {} for section in SECTIONS}
        for name, value in self.values().items():
            nested[self._schema[name].section][name] = value
        return nested

    def replace(self, **overrides: Any) -> "HParams":
        """A copy with some values changed, checked and parsed as in ``prepare_hparams``."""
        values = dict(self._values)
        for name, value in overrides.items():
            if name not in self._schema:
                raise UserError(f"--{name}: unknown key; {suggest(name, self._schema, '--')}")
            values[name] = self._schema[name].check(value, f"--{name}", text=True)
        return HParams(self._schema, values)

    def describe(self) -> str:
        """Text: one key a line under its section, value and meaning in columns."""
        shown = {name: to_yaml(value) for name, value in self._values.items()}
        width = max(map(len, shown))
        # A long list must not push all meanings off the screen.
        room = min(max(map(len, shown.values())), 24)
        lines = []
        for section, keys in self._by_section():
            lines.append(section)
            for key in keys:
                lines.append(f"  {key.name:{width}}  {shown[key.name]:{room}}  {key.meaning}")
        return "\n".join(lines)

    def save(self, path: str) -> None:
        """Writes YAML with every key's comment; ``prepare_hparams(path)`` reads it back equal."""
        with atomic_write(path) as stream:
            stream.write(self.to_text())

    def to_text(self) -> str:
        """The YAML that ``save`` writes."""
        lines = ["# Merged hyper-parameters: every key with its type and meaning."]
        for section, keys in self._by_section():
            lines += ["", section + ":"]
            for key in keys:
                entry = f"  {key.name}: {to_yaml(self._values[key.name])}"
                lines.append(f"{entry:34} # {key.kind}: {key.meaning}")
        return "\n".join(lines) + "\n"

    def _by_section(self):
        for section in SECTIONS:
            keys = [key for key in self._schema.values() if key.section == section]
            if keys:
                yield section, keys


class Section:
    """One section's values, read only: ``hp.data.split``."""

    __slots__ = ("_name", "_values")

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_values", values)

    def __getattr__(self, name):
        return _lookup(self._values, name, f"hyper-parameter in section {self._name}")

    def __setattr__(self, name, value):
        raise AttributeError("hyper-parameters are immutable; use hp.replace(key=value)")

    def __reduce__(self):
        return Section, (self._name, self._values)

    def __dir__(self):
        return [*super().__dir__(), *self._values]

    def __repr__(self):
        return "{}({})".format(self._name, ", ".join(f"{k}={v!r}" for k, v in self._values.items()))


def _declare(entry, schema, first):
    """The ``Key`` of an entry that no earlier file has."""
    key = Key.from_comment(entry.name, entry.section, entry.comment)
    if first or entry.section == "model":
        if key is not None and _unusable(entry.name):
            raise UserError(
                f"{entry.where}: '{shortened(entry.name)}' cannot be a key's name (it is not a "
                "plain word, or is reserved"
                "); choose another"
            )
        if key is not None:
            return key
    if first:
        raise UserError(
            f"{entry.where}: '{shortened(entry.name)}' needs a comment {COMMENT_FORM} after its "
            "value; "
            f"got {brief(entry.comment)}"
        )
    hint = ""
    if entry.section == "model":
        hint = f" A model's own new key needs a comment {COMMENT_FORM} after its value"
    elif key is not None:
        hint = " Only section model may bring new keys"
    raise UserError(
        f"{entry.where}: unknown key '{shortened(entry.name)}'; {suggest(entry.name, schema)}{hint}"
    )


def _lookup(values, name, what):
    try:
        return values[name]
    except KeyError:
        raise AttributeError(f"no {what} '{name}'; {suggest(name, values)}") from None


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def _unusable(name):
    """Whether ``hp.name`` could not be written or means something else."""
    return name in _RESERVED or iskeyword(name) or not name.isidentifier()


_RESERVED = frozenset(SECTIONS) | frozenset(
    name for name in dir(HParams) if not name.startswith("__")
)
