"""Pairs of models compared, with intervals over users and seeds and Holm's correction.

A family is what one correction counts: the pairs of a table by one metric.
"""

import itertools
import os

import pandas as pd

from dfar_tf.experiments.book.benchmark import title_of
from dfar_tf.experiments.figure5 import MODELS, group_names, group_of
from dfar_tf.experiments.table2 import OURS
from dfar_tf.experiments.table3 import WHOLE
from dfar_tf.runs.ranking import RANKS_FILE
from recommenders_utils.evaluation.effects import METRICS, Resampled, holm
from recommenders_utils.evaluation.rank_files import read_ranks

FULL = "full_ndcg@10"
HEADERS = (
    *("log", "objective", "family", "metric", "first", "second", "difference", "low", "high"),
    *("p", "p Holm", "comparisons", "users", "seeds first", "seeds second"),
)


def compare_part(part, entries, resamples):
    """The comparisons of a part, dicts by ``HEADERS``.

    Families: ``table2``, all pairs of tuned models; ``table3``, ours against each ablation; ``figure5 ...``,
    ours against each attention model by history length; ``figure6 ...``, all pairs of a weight's values.

    Args:
      part: the Part.
      entries: as of ``entries_of``.
      resamples: of users and seeds.
    """
    tuned = {model: entry for (kind, model, _), entry in entries.items() if kind == "tuned"}
    ours = tuned.get(OURS)
    metrics = (*METRICS, FULL)
    rows = _family(part, "table2", tuned, itertools.combinations(tuned, 2), metrics, resamples)
    if ours is None:
        return rows
    parts = {name: entry for (kind, _, name), entry in entries.items() if kind == "ablation"}
    pairs = [(WHOLE, name) for name in parts]
    rows += _family(part, "table3", {WHOLE: ours, **parts}, pairs, METRICS, resamples)
    if len(parts) > 1:
        rows += _family(
            part, "table3 losses", parts, [("w/o IDL", "w/o IBL")], METRICS[:1], resamples
        )
    weights = {name: entry for (kind, _, name), entry in entries.items() if kind == "weight"}
    for key in dict.fromkeys(name.split(" ")[0] for name in weights):
        own = {name: entry for name, entry in weights.items() if name.split(" ")[0] == key}
        pairs = itertools.combinations(own, 2)
        rows += _family(part, f"figure6 {key}", own, pairs, METRICS[:1], resamples)
    rivals = [model for model in MODELS.split(",") if model in tuned and model != OURS]
    if rivals:
        rows += _by_length(part, {name: tuned[name] for name in [OURS, *rivals]}, resamples)
    return rows


def _by_length(part, entries, resamples):
    rows, edges = [], list(entries[OURS].hparams.length_groups)
    for number, group in enumerate(group_names(edges)):
        pairs = [(OURS, name) for name in entries if name != OURS]

        def inside(frame, number=number):
            return frame[group_of(frame["history_length"], edges) == number]

        rows += _family(part, f"figure5 {group}", entries, pairs, METRICS[:1], resamples, inside)
    return rows


def _family(part, name, entries, pairs, metrics, resamples, inside=None):
    """Rows of one family: a Holm correction for each metric."""
    pairs = [pair for pair in pairs if all(each in entries for each in pair)]
    if not pairs:
        return []
    used = {each: entries[each] for each in dict.fromkeys(itertools.chain(*pairs))}
    runs = {each: _predictions(entry, inside) for each, entry in used.items()}
    if not len(next(iter(runs.values()))[0]):
        return []
    ranks = None
    if FULL in metrics:
        ranks = {each: _ranks(entry) for each, entry in used.items()}
        if not all(ranks.values()):
            ranks, metrics = None, [metric for metric in metrics if metric != FULL]
    resampled = Resampled(runs, metrics, resamples, ranks=ranks)
    rows = []
    for metric in metrics:
        effects = [resampled.effect(*pair, metric) for pair in pairs]
        for pair, effect, corrected in zip(pairs, effects, holm([e.p for e in effects])):
            counts = [len(entries[each].results) for each in pair]
            values = (
                *(part.log, part.objective, name, metric, *map(_title, pair)),
                *(effect.difference, effect.low, effect.high, effect.p, corrected),
                *(len(pairs), effect.users, *counts),
            )
            rows.append(dict(zip(HEADERS, values)))
    return rows


def _title(name):
    """A model's title; a variant's own name."""
    return name if " " in name or name == WHOLE else title_of(name)


def _predictions(entry, inside):
    columns = ["instance", "user", "label", "score", "history_length"]
    paths = [os.path.join(folder, "predictions_test.csv") for folder in entry.folders]
    frames = [pd.read_csv(path, usecols=columns, dtype={"user": str}) for path in paths]
    return [inside(frame) for frame in frames] if inside else frames


def _ranks(entry):
    """A run's ranks in the whole catalogue, one DataFrame a seed; none if one has no such file."""
    paths = [os.path.join(folder, RANKS_FILE) for folder in entry.folders]
    return [read_ranks(path) for path in paths] if all(map(os.path.exists, paths)) else []
