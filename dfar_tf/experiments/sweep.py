"""Sweeps over hyper-parameters, and Figure 6's over the weights of DFAR's two losses."""

import itertools

import numpy as np

from dfar_tf.experiments.plotting import heat_map, line, new_figure, save_figure
from dfar_tf.experiments.results import (
    SYNTHETIC_NOTE,
    about_data,
    file_name,
    heading,
    say_written,
    write_results,
)
from dfar_tf.experiments.table2 import METRICS, cell_hparams, parse_budget
from dfar_tf.runs.grid import Cell, failures, mean_and_deviation, run_cells, seeds_and_rest
from dfar_tf.runs.tables import metric_name
from recommenders_utils.errors import UserError
from recommenders_utils.tables import format_table

WEIGHTS = ("lambda_bpr", "lambda_d")
VALUES = ("0.0001", "0.001", "0.01", "0.1")


def run_figure6(dataset, given, seeds=3, command="", output=None, log=print):
    """AUC against lambda_BPR and lambda_D, one of them at a time (arguments as of ``run_sweep``)."""
    points = [{key: value} for key in WEIGHTS for value in VALUES]
    given = {k: v for k, v in given.items() if k not in WEIGHTS}
    return _run("figure6", points, dataset, given, seeds, "dfar", command, output, log)


def run_sweep(dataset, given, grid, seeds=1, command="", output=None, log=print):
    """Trains a model at every point of a grid, prints the table, draws one or two axes.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags; ``model_type`` among them names the model.
      grid: ``key=value,value;key=value,...``.
      seeds: how many.
      command: what the person typed.
      output: folder; ``results/`` if None.
      log: takes lines to print.

    Returns:
      0, or 1 if a cell failed.

    Raises:
      UserError: no grid, or one of another form.
    """
    if not grid:
        raise UserError('--grid is needed, such as --grid="num_heads=2,4,8;hidden_size=16,32,64".')
    axes = parse_budget(grid)
    points = [dict(zip(axes, chosen)) for chosen in itertools.product(*axes.values())]
    model = given.get("model_type", "dfar")
    return _run("sweep", points, dataset, given, seeds, model, command, output, log)


def _run(what, points, dataset, given, seeds, model, command, output, log):
    numbers, given = seeds_and_rest(given, seeds)
    cells = [
        Cell(f"{_text(point)}, seed {seed}", cell_hparams(dataset, model, given, seed, **point))
        for seed, point in itertools.product(numbers, points)
    ]
    outcomes, store = run_cells(cells, given, command, log)
    failed = failures(cells, outcomes)
    keys = list(dict.fromkeys(key for point in points for key in point))
    rows = []
    for place, point in enumerate(points):
        done = [o.results for o in outcomes[place :: len(points)] if o.results is not None]
        row = [point.get(key, "") for key in keys]
        for metric in METRICS:
            row += mean_and_deviation([r["test"][metric] for r in done])
        valid = mean_and_deviation([r["valid"]["auc"] for r in done])[0]
        rows.append([*row, valid, done[0]["parameters"] if done else None, len(done)])
    headers = [*keys]
    for metric in METRICS:
        headers += [metric_name(metric), f"{metric_name(metric)} sd"]
    headers += ["validation AUC", "parameters", "seeds"]
    about = about_data(command, cells[0].hparams, store, seeds=numbers, model=model)
    notes = [SYNTHETIC_NOTE] * about["synthetic"] + [f"FAILED {text}" for text in failed]
    if what == "figure6":
        notes.append(
            "The weight that is not named is its default. The paper prints no numbers with its Figure 6; in "
            "its text the AUC on Amazon has its peak at 1e-3 for both weights."
        )
    title = heading(f"{what}, test, {len(numbers)} seed(s), {model}", about)
    log("\n" + format_table(headers, rows, title))
    for note in notes:
        log(note)
    words = [what, about["data"], model, about["loss"]] + (keys if what == "sweep" else [])
    name = file_name(*words, synthetic=about["synthetic"])
    base = write_results(name, headers, rows, about, output, notes)
    _draw(base, keys, points, rows, about)
    say_written(base, ("csv", "md", "json", "png", "svg"), log)
    return 1 if failed else 0


def _draw(base, keys, points, rows, about):
    """A line a key where points vary one key at a time, a heat map for two keys, else by number."""
    one_at_a_time = all(len(point) == 1 for point in points)
    mean, deviation = len(keys), len(keys) + 1  # columns of the AUC
    if not one_at_a_time and len(keys) == 2:
        values = [list(dict.fromkeys(point[key] for point in points)) for key in keys]
        matrix = np.array([row[mean] or np.nan for row in rows], float).reshape(*map(len, values))
        figure, axes = new_figure()
        labels = [[f"{key} {v}" for v in each] for key, each in zip(keys, values)]
        heat_map(axes[0][0], matrix, "test AUC", *labels, form="{:.4f}")
    else:
        figure, axes = new_figure(len(keys) if one_at_a_time else 1)
        groups = keys if one_at_a_time else [None]
        for number, key in enumerate(groups):
            chosen = [
                i for i, p in enumerate(points) if (key is None or key in p) and rows[i][mean]
            ]
            names = [_text(points[i]) if key is None else points[i][key] for i in chosen]
            axis = axes[0][number]
            means = [rows[i][mean] for i in chosen]
            line(axis, number, range(len(chosen)), means, [rows[i][deviation] for i in chosen])
            axis.set_xticks(range(len(chosen)))
            axis.set_xticklabels(names, fontsize=7)
            axis.set_xlabel(key or "point")
            axis.set_ylabel("test AUC")
    save_figure(figure, base, about)


def _text(point):
    return ", ".join(f"{key} {value}" for key, value in point.items())
