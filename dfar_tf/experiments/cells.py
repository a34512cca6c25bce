"""What a table's cells are: its models, their settings, points of a grid, the best of a budget."""

import functools
import itertools
import operator

from dfar_tf.models import get_model, model_names
from dfar_tf.runs.grid import Cell
from dfar_tf.runs.paper import paper_table2
from dfar_tf.settings import hparams_file, merge_hparams
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.evaluation.names import is_full
from recommenders_utils.hparams import prepare_hparams

# An AUC above chance: an epoch near .5 does not count as failed yet.
PATIENCE_FROM = 0.55
MOST_POINTS = 10000
# What a grid cannot vary, and what to do instead.
FIXED = {
    "seed": "Give --seeds=N.",
    "model_type": "Run one sweep for each --model.",
    **dict.fromkeys(("name", "dataset", "given"), "Leave it out."),
}
# What --tune tries.
BUDGET = "learning_rate=0.0001,0.001,0.003;embed_l2=0.000001,0.0001"


def compared_models(names=None):
    """The models of a table: those named, or all that are systems of their own, the paper's first.

    Args:
      names: comma-separated, or None.

    Raises:
      UserError: an unknown name.
    """
    if names:
        chosen = [name.strip() for name in names.split(",") if name.strip()]
        for name in chosen:
            get_model(name)
        return list(dict.fromkeys(chosen))
    paper = [title.lower() for title in paper_table2("amazon")]

    def place(name):
        title = get_model(name).title.lower()
        # DFAR is the paper's last row; what the paper does not have comes right before it.
        return paper.index(title) if title in paper else len(paper) - 1.5

    known = [name for name in model_names() if get_model(name).compared]
    return sorted(known, key=lambda name: (place(name), name))


def cell_hparams(dataset, name, given, seed, **chosen):
    """A model's merged hyper-parameters in a table: those of a run, then those given.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      name: the model.
      given: hyper-parameters given as flags.
      seed: the cell's.
      **chosen: what the table itself sets, over all others.
    """
    wanted = {**given, **chosen}
    if own_loss(dataset, name):
        wanted.pop("loss", None)
    hparams = merge_hparams(dataset, **{**wanted, "model_type": name, "seed": seed})
    if hparams.early_stop_metric in ("auc", "gauc") and "patience_from" not in wanted:
        hparams = hparams.replace(patience_from=PATIENCE_FROM)
    return hparams


def usual_loss(dataset):
    """The loss of models whose own file sets none."""
    return prepare_hparams(hparams_file("base"), hparams_file(dataset)).loss


def own_loss(dataset, name):
    """The loss a model's file sets for itself, or None if it takes what all take."""
    chosen = merge_hparams(dataset, model_type=name).loss
    return None if chosen == usual_loss(dataset) else chosen


def grid_points(text):
    """Every combination of a grid's values, a dict each.

    Raises:
      UserError: see ``parse_grid``.
    """
    axes = parse_grid(text)
    count = functools.reduce(operator.mul, map(len, axes.values()))
    if count > MOST_POINTS:
        raise UserError(
            f"--grid: {count:,} combinations, expected at most {MOST_POINTS:,}. Give fewer values."
        )
    return [dict(zip(axes, chosen)) for chosen in itertools.product(*axes.values())]


def parse_grid(text):
    """``"a=1,2;b=3"`` to ``{"a": ["1", "2"], "b": ["3"]}``.

    Raises:
      UserError: another form.
    """
    axes = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        key, equals, values = part.partition("=")
        key = key.strip()
        chosen = list(dict.fromkeys(v.strip() for v in values.split(",") if v.strip()))
        if not equals or not chosen:
            raise UserError(
                f"{shortened(text)!r}: expected key=value,value;key=value, found {shortened(part)!r}."
            )
        if key in FIXED:
            raise UserError(f"--grid: {key!r} cannot vary in a grid. {FIXED[key]}")
        if key in axes:
            raise UserError(f"--grid: {shortened(key)!r} is given twice. Give all its values once.")
        axes[key] = chosen
    if not axes:
        raise UserError(f"{shortened(text)!r}: expected key=value,value;key=value.")
    return axes


def tune_models(study, names, budget=BUDGET):
    """Trains each model at every point of the budget, with the study's first seed.

    Args:
      study: the ``Study`` that the cells are of.
      names: of the models.
      budget: ``key=value,value;key=value,...``.

    Returns:
      ``{model: its best point by validation}``; ``{}`` for a model without a finished run.

    Raises:
      UserError: a budget of another form.
    """
    seed = study.seeds[0]
    tried = [(name, point) for name in names for point in grid_points(budget)]
    cells = [
        Cell(
            f"{name}, tuning {point}", cell_hparams(study.dataset, name, study.given, seed, **point)
        )
        for name, point in tried
    ]
    best = {name: (None, {}) for name in names}
    for (name, point), cell, outcome in zip(tried, cells, study.train(cells)):
        if outcome.results is None:
            continue
        metric = cell.hparams.early_stop_metric
        if is_full(metric):
            reached = outcome.results["epochs"][outcome.results["best_epoch"] - 1]["validation"]
        else:
            reached = outcome.results["valid"]
        score = reached[metric] * (-1 if metric == "logloss" else 1)
        if best[name][0] is None or score > best[name][0]:
            best[name] = score, point
    return {name: point for name, (_, point) in best.items()}
