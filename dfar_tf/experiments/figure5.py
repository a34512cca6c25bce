"""Figure 5: how good models are by the length of the history."""

import itertools
import os

import numpy as np
import pandas as pd

from dfar_tf.experiments.plotting import line, new_figure, save_figure
from dfar_tf.experiments.results import (
    SYNTHETIC_NOTE,
    about_data,
    file_name,
    heading,
    say_written,
    write_results,
)
from dfar_tf.experiments.table2 import METRICS, cell_hparams, table2_models
from dfar_tf.models import get_model
from dfar_tf.runs.grid import Cell, failures, mean_and_deviation, run_cells, seeds_and_rest
from dfar_tf.runs.tables import metric_name
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.tables import format_table

# DFAR and the baselines with attention.
MODELS = "din,sasrec,tha4rec,dfn,feedrec,dfar"


def group_names(edges):
    """``["<= 10", "11 to 15", ..., "> 20"]``."""
    names = [f"<= {edges[0]}"]
    names += [
        f"{low + 1} to {high}" if high > low + 1 else f"{high}"
        for low, high in zip(edges, edges[1:])
    ]
    return [*names, f"> {edges[-1]}"]


def group_of(lengths, edges):
    """Number of the group of each history length, from 0: int [N]."""
    return np.searchsorted(np.asarray(edges), np.asarray(lengths), side="left")


def run_figure5(dataset, given, models=MODELS, seeds=3, command="", output=None, log=print):
    """Trains what is not trained yet (``table2``'s cells), prints, writes and draws.

    Args:
      dataset: name of a data set's file in ``hparams/``; ``length_groups`` has the edges.
      given: hyper-parameters given as flags.
      models: names, comma-separated.
      seeds: how many.
      command: what the person typed.
      output: folder; ``results/`` if None.
      log: takes lines to print.

    Returns:
      0, or 1 if a cell failed.
    """
    names = table2_models(models)
    numbers, given = seeds_and_rest(given, seeds)
    cells = [
        (name, Cell(f"{name}, seed {seed}", cell_hparams(dataset, name, given, seed)))
        for seed, name in itertools.product(numbers, names)
    ]
    outcomes, store = run_cells([cell for _, cell in cells], given, command, log)
    failed = failures([cell for _, cell in cells], outcomes)
    edges = list(cells[0][1].hparams.length_groups)
    groups, rows = group_names(edges), []
    for name in names:
        runs = [
            o for (other, _), o in zip(cells, outcomes) if other == name and o.results is not None
        ]
        by_run = [by_group(os.path.join(o.folder, "predictions_test.csv"), edges) for o in runs]
        for number, group in enumerate(groups):
            row = [get_model(name).title, group]
            row.append(by_run[0][number]["instances"] if by_run else 0)
            for metric in METRICS:
                row += mean_and_deviation([values[number].get(metric) for values in by_run])
            rows.append([*row, len(runs)])
    headers = ["model", "history", "instances"]
    for metric in METRICS:
        headers += [metric_name(metric), f"{metric_name(metric)} sd"]
    headers.append("seeds")
    about = about_data(command, cells[0][1].hparams, store, seeds=numbers, edges=edges)
    notes = [SYNTHETIC_NOTE] * about["synthetic"] + [f"FAILED {text}" for text in failed]
    notes.append(
        "The paper prints no numbers with its Figure 5. Bars are sample deviations over seeds."
    )
    log(
        "\n"
        + format_table(headers, rows, heading(f"Figure 5, test, {len(numbers)} seed(s),", about))
    )
    for note in notes:
        log(note)
    name = file_name("figure5", about["data"], about["loss"], synthetic=about["synthetic"])
    base = write_results(name, headers, rows, about, output, notes)
    _draw(base, rows, groups, about)
    say_written(base, ("csv", "md", "json", "png", "svg"), log)
    return 1 if failed else 0


def by_group(path, edges):
    """Metrics and counts of each length group of a predictions file; an empty group has none."""
    frame = pd.read_csv(path, dtype={"user": str}, keep_default_na=False)
    number = group_of(frame["history_length"], edges)
    found = []
    for group in range(len(edges) + 1):
        part = frame[number == group]
        values = {"instances": 0}
        if len(part):
            values = evaluate_predictions(part.reset_index(drop=True), list(METRICS))
            values = {k: None if v != v else v for k, v in values.items()}
        found.append(values)
    return found


def _draw(base, rows, groups, about):
    figure, axes = new_figure(2, 2)
    models = list(dict.fromkeys(row[0] for row in rows))
    sizes = [row[2] for row in rows if row[0] == models[0]]
    for place, metric in enumerate(METRICS):
        axis = axes[place // 2][place % 2]
        for number, model in enumerate(models):
            own = [row for row in rows if row[0] == model]
            there = [i for i, row in enumerate(own) if row[3 + 2 * place] is not None]
            means = [own[i][3 + 2 * place] for i in there]
            line(axis, number, there, means, [own[i][4 + 2 * place] for i in there], model)
        axis.set_xticks(range(len(groups)))
        axis.set_xticklabels([f"{g}\nn = {n:,}" for g, n in zip(groups, sizes)], fontsize=7)
        axis.set_ylabel("test " + metric_name(metric))
    axes[0][0].legend(fontsize=7)
    save_figure(figure, base, about)
