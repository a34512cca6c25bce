"""Table 3: DFAR without one of its parts, against all of it."""

import itertools
import os

import pandas as pd

from dfar_tf.experiments.results import (
    SYNTHETIC_NOTE,
    about_data,
    file_name,
    heading,
    say_written,
    write_results,
)
from dfar_tf.experiments.table2 import METRICS, cell_hparams
from dfar_tf.runs.grid import Cell, failures, mean_and_deviation, run_cells, seeds_and_rest
from dfar_tf.runs.paper import paper_table3
from dfar_tf.runs.tables import metric_name
from recommenders_utils.evaluation.significance import compare
from recommenders_utils.tables import format_table

# The paper's name of each ablation -> the value of ``ablation``.
ABLATIONS = {"w/o FHA": "fha", "w/o MO": "mo", "w/o IDL": "idl", "w/o IBL": "ibl", "DFAR": "none"}


def run_table3(dataset, given, seeds=3, command="", output=None, log=print):
    """Trains what is not trained yet, prints the table and writes it.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags.
      seeds: how many.
      command: what the person typed.
      output: folder; ``results/`` if None.
      log: takes lines to print.

    Returns:
      0, or 1 if a cell failed.
    """
    numbers, given = seeds_and_rest(given, seeds, "ablation")
    cells = [
        (
            name,
            Cell(
                f"{name}, seed {seed}", cell_hparams(dataset, "dfar", given, seed, ablation=value)
            ),
        )
        for seed, (name, value) in itertools.product(numbers, ABLATIONS.items())
    ]
    outcomes, store = run_cells([cell for _, cell in cells], given, command, log)
    failed = failures([cell for _, cell in cells], outcomes)
    finished = {name: [] for name in ABLATIONS}
    for (name, _), outcome in zip(cells, outcomes):
        if outcome.results is not None:
            finished[name].append(outcome)
    hp = cells[0][1].hparams
    paper = paper_table3(hp.paper_column) if hp.paper_column != "none" else {}
    headers, rows, shown = _rows(finished, paper)
    about = about_data(command, hp, store, seeds=numbers, model="dfar")
    notes = [SYNTHETIC_NOTE] * about["synthetic"] + [f"FAILED {line}" for line in failed]
    notes.append(
        "diff: the ablation minus DFAR, seeds averaged. p: paired t-test over instances (MRR, NDCG) or "
        "users (GAUC), bootstrap over users (AUC)."
    )
    log("\n" + format_table(*shown, heading(f"Table 3, test, {len(numbers)} seed(s),", about)))
    for note in notes:
        log(note)
    name = file_name("table3", about["data"], about["loss"], synthetic=about["synthetic"])
    say_written(write_results(name, headers, rows, about, output, notes, shown_as=shown), log=log)
    return 1 if failed else 0


def _rows(finished, paper):
    """(headers, rows) with all figures, and (headers, rows) to read."""
    means = {
        name: {m: mean_and_deviation([o.results["test"][m] for o in outcomes]) for m in METRICS}
        for name, outcomes in finished.items()
        if outcomes
    }
    frames = {name: _frames(outcomes) for name, outcomes in finished.items() if outcomes}
    rows, read = [], []
    for name in means:
        row, line = [name], [name]
        tests = {}
        if name != "DFAR" and "DFAR" in means and len(frames[name]) == len(frames["DFAR"]):
            tests = compare(frames[name], frames["DFAR"], METRICS)
        for metric in METRICS:
            mean, deviation = means[name][metric]
            theirs = paper.get(name, {}).get(metric)
            test = tests.get(metric)
            gap, p = (test.difference, test.p) if test else (None, None)
            row += [mean, deviation, theirs, gap, p]
            line += [f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}"), theirs]
            line.append("" if gap is None else f"{gap:+.4f} (p {p:.1g})")
        rows.append([*row, len(finished[name])])
        read.append(line)
    headers, shown = ["variant"], ["variant"]
    for metric in METRICS:
        name = metric_name(metric)
        headers += [name, f"{name} sd", f"{name} paper", f"{name} diff", f"{name} p"]
        shown += [name, "paper", "diff"]
    return [*headers, "seeds"], rows, (shown, read)


def _frames(outcomes):
    columns = ["instance", "user", "label", "score"]
    paths = [os.path.join(o.folder, "predictions_test.csv") for o in outcomes]
    return [pd.read_csv(path, usecols=columns) for path in paths]
