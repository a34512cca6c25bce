"""Figure 5: metrics by history length."""

import os

import numpy as np
import pandas as pd

from dfar_tf.experiments.cells import compared_models
from dfar_tf.experiments.columns import MEAN_AND_DEVIATION, MEASURES, Columns, Entry, Variant
from dfar_tf.experiments.plotting import chance_of, line_panels
from dfar_tf.experiments.study import Study
from recommenders_utils.evaluation.metrics import evaluate_predictions

# DFAR and the baselines with attention.
MODELS = "din,sasrec,tha4rec,dfn,feedrec,dfar"


def run_figure5(dataset, given, models=MODELS, seeds=3, command="", output=None, say=print):
    """Trains missing cells (``table2``'s cells), prints, writes and draws.

    Args:
      dataset: name of a data set's file in ``hparams/``; ``length_groups`` has the edges.
      given: hyper-parameters given as flags.
      models: names, comma-separated.
      seeds: how many.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.
    """
    names = compared_models(models)
    study = Study("figure5", dataset, given, seeds, (), command, output, say)
    study.run([Variant(name, name, {}) for name in names])
    edges = list(study.entries[0].hparams.length_groups)
    entries = [
        part
        for entry in study.entries
        for part in split_by_length(entry, map(read_lengths, entry.folders), edges)
    ]
    columns = Columns(
        {"model": lambda e: e.title, "history": lambda e: e.name, "instances": instances},
        MEAN_AND_DEVIATION,
        {"seeds": Entry.seeds},
    )
    return study.publish(
        "Figure 5",
        study.about(edges=edges),
        columns.of(entries),
        explained=[
            "The paper prints no numbers with its Figure 5. Bars are sample standard deviations "
            "over seeds."
        ],
        draw=lambda: draw_lengths(entries, candidates_of(study.store)),
    )


def instances(entry):
    """How many test instances have histories of these lengths."""
    return entry.results[0]["test"]["instances"] if entry.results else 0


def read_lengths(folder):
    """The test predictions of a run."""
    path = os.path.join(folder, "predictions_test.csv")
    return pd.read_csv(path, dtype={"user": str}, keep_default_na=False)


def split_by_length(entry, frames, edges):
    """The Entries of a model's length groups, their figures recomputed from test predictions, one a run."""
    runs = [by_group(frame, edges) for frame in frames]
    return [
        entry._replace(
            variant=entry.variant._replace(name=group),
            results=[{"test": run[number]} for run in runs],
        )
        for number, group in enumerate(group_names(edges))
    ]


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


def by_group(frame, edges):
    """Metrics and counts of each length group of predictions; an empty group has none."""
    number = group_of(frame["history_length"], edges)
    parts = [frame[number == group].reset_index(drop=True) for group in range(len(edges) + 1)]
    return [_figures(part) if len(part) else {"instances": 0} for part in parts]


def _figures(part):
    values = evaluate_predictions(part, [measure.metric for measure in MEASURES])
    return {name: None if value != value else value for name, value in values.items()}


def candidates_of(store):
    """How many candidates each test instance has; None if they differ."""
    counts = np.unique(store.splits["test"].counts)
    return int(counts[0]) if len(counts) == 1 else None


def draw_lengths(entries, candidates):
    """The figure of the Entries of length groups, a panel a metric; ``candidates`` as of ``chance_of``."""
    models = list(dict.fromkeys(entry.title for entry in entries))
    groups = [entry for entry in entries if entry.title == models[0]]
    panels = {
        "test " + measure.name: {
            model: [(e.mean(measure), e.deviation(measure)) for e in entries if e.title == model]
            for model in models
        }
        for measure in MEASURES
    }
    chance = {"test " + m.name: chance_of(m.metric, candidates) for m in MEASURES}
    ticks = [f"{entry.name}\nn = {instances(entry):,}" for entry in groups]
    return line_panels(panels, ticks, x_label="records in the history", chance=chance)
