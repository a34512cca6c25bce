"""Checks of a benchmark file: every message names the file and the key."""

import functools

from dfar_tf.models import model_names, untrained_names
from dfar_tf.settings import hparams_file
from recommenders_utils.errors import UserError, shortened, suggest
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.hparams.schema import Key, brief


class Checks:
    """Checks of the file at a path."""

    def __init__(self, path):
        self.path = path

    def fail(self, where, text):
        """Raises UserError with the file, the place in it and a text."""
        raise UserError(f"{self.path}: {where}{': ' if where else ''}{text}")

    def mapping(self, value, where, needed, optional):
        """A mapping with all of the keys that are needed and no other than these and the optional ones."""
        value = {} if value is None else value
        if not isinstance(value, dict):
            self.fail(where, f"expected 'key: value' lines, got {brief(value)}")
        known = (*needed, *optional)
        for key in value:
            if key not in known:
                self.fail(where, f"unknown key {shortened(str(key))!r}; {suggest(str(key), known)}")
        for key in needed:
            if not value.get(key):
                self.fail(where, f"{key!r} is missing")
        return value

    def table(self, value, where):
        """A mapping whose keys are names of the file's own choice."""
        if not isinstance(value, dict):
            self.fail(where, f"expected 'name: ...' lines, got {brief(value)}")
        for name in value:
            if not isinstance(name, str) or not name.isidentifier():
                self.fail(where, f"{brief(name)} cannot be a name; use letters, digits and _")
        return value

    def number(self, value, where, kind):
        """A number of a kind: ``int >= 1``, ``float >= 0`` or ``float in (0, 1]``."""
        name = where.split(": ")[-1]
        op, _, limit = kind.partition(" >= ")
        if kind == "float in (0, 1]":
            key = Key(name, "", "float", (), ((">", 0.0), ("<=", 1.0)), "")
        else:
            key = Key(name, "", op, (), ((">=", float(limit)),), "")
        return key.check(value, f"{self.path}: {where}")

    def numbers(self, values, where, table):
        """``{key: number}`` of a table ``{key: (default, kind)}``."""
        return {
            key: self.number(values.get(key, default), f"{where}: {key}", kind)
            for key, (default, kind) in table.items()
        }

    def names(self, value, where):
        """A list of text, or None if there is none."""
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self.fail(where, f"expected a list of names such as [a, b], got {brief(value)}")
        return list(dict.fromkeys(value))

    def models(self, value, where, known):
        """A list of known models, or None if there is none."""
        names = self.names(value, where)
        for name in names or ():
            if name not in known:
                self.fail(where, f"unknown model {shortened(name)!r}; {suggest(name, known)}")
        return names

    def one_of(self, value, where, what, known):
        """A name that is among those known."""
        if not isinstance(value, str) or value not in known:
            self.fail(
                where, f"unknown {what} {shortened(str(value))!r}; {suggest(str(value), known)}"
            )
        return value

    def settings(self, values, where):
        """Hyper-parameters by key, checked against every model's schema."""
        if values is None:
            return {}
        if not isinstance(values, dict):
            self.fail(where, f"expected 'key: value' lines, got {brief(values)}")
        schema = all_keys()
        for key, value in values.items():
            self.one_of(key, where, "hyper-parameter", schema)
            schema[key].check(value, f"{self.path}: {where}")
        return dict(values)

    def values(self, table, where):
        """``{key: its values}`` of the random search."""
        schema = all_keys()
        if not isinstance(table, dict):
            self.fail(where, f"expected 'key: [value, value]' lines, got {brief(table)}")
        for key, values in table.items():
            self.one_of(key, where, "hyper-parameter", schema)
            if not isinstance(values, list) or not values:
                self.fail(f"{where}: {key}", f"expected a list of values, got {brief(values)}")
            for value in values:
                schema[key].check(value, f"{self.path}: {where}")
        return table

    def by_objective(self, values, where, objectives):
        """What a mapping has under ``objectives``, by their names."""
        where += ": objectives"
        own = self.table(values.get("objectives", {}), where)
        for name in own:
            self.one_of(name, where, "objective", objectives)
        return own

    def seconds(self, table, where):
        """``{model: seconds}``."""
        table = self.mapping(table, where, (), model_names())
        return {k: self.number(v, f"{where}: {k}", "float >= 0") for k, v in table.items()}


@functools.lru_cache(maxsize=None)
def defaults_of(model):
    """The hyper-parameters of a model as its own file and base.yaml have them."""
    return prepare_hparams(hparams_file("base"), hparams_file("model_" + model))


@functools.lru_cache(maxsize=None)
def keys_of(model):
    """``{name: Key}`` of the hyper-parameters that a model has."""
    return defaults_of(model).schema


@functools.lru_cache(maxsize=None)
def all_keys():
    """``{name: Key}`` of every hyper-parameter of any model."""
    found = {}
    for name in [*model_names(), *untrained_names()]:
        found.update(keys_of(name))
    return found
