"""A benchmark file of ``hparams/benchmarks/``: logs, objectives, models, budgets and seeds, checked."""

import os
import typing

import yaml

from dfar_tf.experiments.book.checks import Checks
from dfar_tf.experiments.cells import compared_models
from dfar_tf.models import about_model, model_names, untrained_names
from dfar_tf.paths import HPARAMS, in_checkout
from dfar_tf.runs.paper import paper_datasets
from dfar_tf.settings import hparams_file
from recommenders_utils.errors import UserError, shortened, suggest
from recommenders_utils.hparams.safe_yaml import TreeLoader, parsed, read_text
from recommenders_utils.hparams.schema import Key, brief

FOLDER = os.path.join(HPARAMS, "benchmarks")
SOURCES = ("prepared", "ratings", "interactions")  # keys that name a log's file or folder
EXTRAS = ("published", "ablations", "weights")
TUNING = {
    "draws": (8, "int >= 0"),
    "share": (1 / 3, "float in (0, 1]"),
    "finalists": (3, "int >= 1"),
    "seed": (1, "int >= 0"),
}
SEEDS = {
    "first": (1, "int >= 0"),
    "most": (5, "int >= 1"),
    "best_others": (3, "int >= 0"),
    "rest": (3, "int >= 1"),
}


class Log(typing.NamedTuple):
    """A log of a benchmark.

    Attributes:
      name, title: as the file and as tables call it.
      data: name of a data set's file in ``hparams/``.
      source: absolute path of its file or prepared folder.
      settings: hyper-parameters, the source's key among them.
      objectives: ``{objective: further hyper-parameters}``.
      paper: column of the paper whose claims are judged on it.
    """

    name: str
    title: str
    data: str
    source: str
    settings: dict
    objectives: dict
    paper: str


class Part(typing.NamedTuple):
    """One log with one objective: cells that are compared with each other.

    Attributes:
      log, objective: names.
      models: names of the trained ones.
      extras: among ``EXTRAS``.
      tuned_as: (log, objective) of the part whose settings it takes, or None if it is tuned itself.
      rivals: names of the trained ones among which the best others are: the file's, also those that
        ``--only`` leaves out.
    """

    log: str
    objective: str
    models: tuple
    extras: tuple
    tuned_as: typing.Optional[tuple]
    rivals: tuple

    @property
    def name(self):
        """``toys_released, ranking``."""
        return f"{self.log}, {self.objective}"

    @property
    def key(self):
        """(log, objective)."""
        return self.log, self.objective


class Benchmark(typing.NamedTuple):
    """What a benchmark file says; see ``hparams/benchmarks/book.yaml`` for the meaning of its keys."""

    name: str
    path: str
    logs: dict
    objectives: dict
    parts: tuple
    untrained: tuple
    tuning: dict
    values: dict
    own_values: dict
    seeds: dict
    seconds: dict
    own_seconds: dict
    resamples: int
    complexity: bool

    def values_of(self, objective):
        """``{key: its values}`` of the random search for an objective."""
        return {**self.values, **self.own_values.get(objective, {})}

    def seconds_of(self, objective, model, usual):
        """Seconds of a whole run, or the usual ones where the file has none."""
        return {**self.seconds, **self.own_seconds.get(objective, {})}.get(model, usual)

    def part(self, key):
        """The Part of a (log, objective)."""
        return next(part for part in self.parts if part.key == key)


def find_benchmark(name):
    """Path of a benchmark: a file's own, or that of a name in ``hparams/benchmarks/``.

    Raises:
      UserError: there is none.
    """
    if os.path.isfile(name):
        return name
    path = os.path.join(FOLDER, name + ".yaml")
    if not os.path.isfile(path):
        known = sorted(each[: -len(".yaml")] for each in os.listdir(FOLDER))
        raise UserError(
            f"{shortened(name)}: no such benchmark; {suggest(name, known)} Or give the path of a file."
        )
    return path


def read_benchmark(path, data_dir=None):
    """Reads and checks a benchmark file.

    Args:
      path: of the file.
      data_dir: folder of the logs' files; ``data/`` in the checkout if None.

    Raises:
      UserError: not YAML; an unknown log, model, objective or key; a value of another type. It names the
        file and the key.
    """
    with parsed(path, "'key: value' lines"):
        content = yaml.load(read_text(path), Loader=TreeLoader)
    checks = Checks(path)
    top = checks.mapping(content, "", ("logs", "objectives", "parts"), _TOP)
    folder = data_dir or in_checkout("data")
    models = checks.models(top.get("models"), "models", model_names()) or compared_models()
    objectives = {
        name: checks.settings(values, f"objectives: {name}")
        for name, values in checks.table(top["objectives"], "objectives").items()
    }
    logs = {
        name: _log(checks, name, values, folder, objectives)
        for name, values in checks.table(top["logs"], "logs").items()
    }
    tuning = checks.mapping(top.get("tuning", {}), "tuning", (), (*TUNING, "values", "objectives"))
    own = checks.by_objective(tuning, "tuning", objectives)
    seconds = dict(checks.mapping(top.get("seconds", {}), "seconds", (), _SECONDS))
    own_seconds = checks.by_objective(seconds, "seconds", objectives)
    seconds.pop("objectives", None)
    return Benchmark(
        name=os.path.splitext(os.path.basename(path))[0],
        path=path,
        logs=logs,
        objectives=objectives,
        parts=_parts(checks, top["parts"], logs, objectives, models),
        untrained=tuple(
            checks.models(top.get("untrained"), "untrained", untrained_names()) or untrained_names()
        ),
        tuning=checks.numbers(tuning, "tuning", TUNING),
        values=checks.values(tuning.get("values", {}), "tuning: values"),
        own_values={
            name: checks.values(table, f"tuning: objectives: {name}") for name, table in own.items()
        },
        seeds=checks.numbers(
            checks.mapping(top.get("seeds", {}), "seeds", (), SEEDS), "seeds", SEEDS
        ),
        seconds=checks.seconds(seconds, "seconds"),
        own_seconds={
            name: checks.seconds(table, f"seconds: objectives: {name}")
            for name, table in own_seconds.items()
        },
        resamples=checks.number(top.get("resamples", 2000), "resamples", "int >= 20"),
        complexity=Key("complexity", "", "bool", (), (), "").check(
            top.get("complexity", False), path
        ),
    )


_SECONDS = (*model_names(), "objectives")
_TOP = ("models", "untrained", "tuning", "seeds", "seconds", "resamples", "complexity")


def _log(checks, name, values, folder, objectives):
    where = f"logs: {name}"
    optional = ("title", "settings", "objectives", "paper", *SOURCES)
    values = checks.mapping(values, where, ("data",), optional)
    given = [key for key in SOURCES if values.get(key)]
    if len(given) != 1 or not isinstance(values[given[0]], str):
        checks.fail(where, f"expected the name of a file under one of {', '.join(SOURCES)}")
    if not os.path.isfile(hparams_file(str(values["data"]))):
        checks.fail(f"{where}: data", f"there is no hparams/{values['data']}.yaml")
    own = checks.by_objective(values, where, objectives)
    source = os.path.join(folder, values[given[0]])
    title = str(values.get("title", name))
    return Log(
        name,
        title,
        values["data"],
        source,
        {
            "name": title,
            **checks.settings(values.get("settings"), f"{where}: settings"),
            given[0]: source,
        },
        {
            each: checks.settings(chosen, f"{where}: objectives: {each}")
            for each, chosen in own.items()
        },
        checks.one_of(values.get("paper", "amazon"), f"{where}: paper", "column", paper_datasets()),
    )


def _parts(checks, value, logs, objectives, models):
    if not isinstance(value, list):
        checks.fail("parts", f"expected a list of logs and objectives, got {brief(value)}")
    parts = []
    for number, each in enumerate(value, 1):
        where = f"parts: {number}"
        each = checks.mapping(
            each, where, ("log", "objective"), ("models", "extras", "settings_of")
        )
        log = checks.one_of(each["log"], f"{where}: log", "log", logs)
        objective = checks.one_of(each["objective"], f"{where}: objective", "objective", objectives)
        extras = checks.names(each.get("extras"), f"{where}: extras") or []
        for extra in extras:
            checks.one_of(extra, f"{where}: extras", "extra", EXTRAS)
        own = checks.models(each.get("models"), f"{where}: models", model_names()) or models
        as_log = each.get("settings_of")
        tuned_as = None
        if as_log is not None:
            tuned_as = (as_log, objective)
            if tuned_as not in [part.key for part in parts]:
                checks.fail(f"{where}: settings_of", "expected the log of a part before this one")
        if (log, objective) in [part.key for part in parts]:
            checks.fail(where, f"{log} with {objective} is there twice; keep one of them")
        parts.append(Part(log, objective, tuple(own), tuple(extras), tuned_as, tuple(own)))
    return tuple(parts)


def title_of(model):
    """A model's name in tables."""
    return model if model in untrained_names() else about_model(model)["title"]
