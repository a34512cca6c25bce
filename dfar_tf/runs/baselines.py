"""What untrained models score on the same rows: the line that every results table ends with.

Figures are kept beside the prepared data, one file a model, and computed once.
"""

import contextlib
import hashlib
import json
import os

import numpy as np

from dfar_tf.models import untrained_names
from dfar_tf.paths import in_checkout
from dfar_tf.runs.tables import metric_name
from dfar_tf.settings import merge_hparams
from recommenders_utils.dataset.training import training_counts
from recommenders_utils.errors import UserError, suggest
from recommenders_utils.evaluation.catalogue import catalogue_figures
from recommenders_utils.evaluation.lists import list_figures
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.targets import all_test_targets, rank_targets
from recommenders_utils.files import read_json, write_json
from recommenders_utils.tables import undefined
from recommenders_utils.untrained import registry
from recommenders_utils.untrained.scoring import catalogue_scores, split_predictions

FOLDER = ".untrained"  # in cache_dir; hidden, since what is seen there are prepared data
FORMAT = 1
LIST = 10  # items of a list, for coverage, popularity and Gini
# What decides which is best, the first that was measured: log loss is no choice, since the scores of
# untrained models are no probabilities.
DECIDING = ("ndcg@", "mrr@", "hit@", "mrr", "ndcg", "gauc", "auc")
FULL = ("full_ndcg@10", "full_ndcg@", "full_mrr@", "full_hr@")


def untrained_figures(store, hparams, say=print, names=None, given=()):
    """What untrained models score on a store's test rows.

    Args:
      store: the ``SequenceStore``.
      hparams: ``metrics`` and ``ties``, ``untrained`` (which models), ``cache_dir``; with ``ranking`` full
        also the whole catalogue, by ``ranking_cutoffs``.
      say: called with a line for each model that has to be fitted.
      names: the models, if not ``hparams.untrained``.
      given: hyper-parameters given as flags, some of them perhaps the models' own settings.

    Returns:
      ``{name: {"test": {metric: value}, "ranking": {figure: value}}}``, ``ranking`` only if it is full.
    """
    values = hparams.values()
    if names is None:
        names = values.get("untrained", untrained_names())
    cutoffs = values.get("ranking_cutoffs", ()) if values.get("ranking") == "full" else ()
    found = {}
    for name in names:
        settings = _settings(name, given)
        about = [FORMAT, store.meta["fingerprint"], name, settings]
        about += [values["metrics"], values["ties"], list(cutoffs)]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        file = f"{name}-{digest}.json"
        path = os.path.join(in_checkout(values["cache_dir"]), FOLDER, file)
        found[name] = _kept(path)
        if found[name] is None:
            say(f"untrained: fitting {name}")
            model = registry.fit(name, store, **settings)
            found[name] = _measured(model, store, values["metrics"], values["ties"], cutoffs)
            with contextlib.suppress(OSError):  # a read-only disk: computed again next time
                write_json(path, found[name])
    return found


def check_untrained(hparams):
    """Raises UserError if ``hparams.untrained`` names a model that is none."""
    for name in hparams.values().get("untrained", ()):
        if name not in untrained_names():
            raise UserError(
                f"untrained: unknown model {name!r}; {suggest(name, untrained_names())}"
            )


def closing_lines(figures, trained=()):
    """The line with the best untrained score, and a warning for each model that does not exceed it.

    Args:
      figures: as ``untrained_figures`` returns them.
      trained: (title, {"test": {metric: value}, "ranking": {...}}) of each trained model.

    Returns:
      List of lines: "untrained: newest NDCG@10 .633; whole catalogue: transitions NDCG@10 .047"; none
      where nothing was measured that can be compared.
    """
    best = {}
    for part, kinds in (("test", DECIDING), ("ranking", FULL)):
        metric = _deciding(figures, part, kinds)
        if metric:
            name = max(figures, key=lambda n: _value(figures[n], part, metric))
            best[part] = metric, name, _value(figures[name], part, metric)
    if not best:
        return []
    said = {
        part: f"{name} {metric_name(metric.replace('full_', ''))} {_short(value)}"
        for part, (metric, name, value) in best.items()
    }
    lines = ["untrained: " + "; whole catalogue: ".join(said.values())]
    for title, ours in trained:
        below = []
        for part, (metric, _, value) in best.items():
            own = _value(ours, part, metric)
            if not undefined(own) and own > -np.inf and own <= value:
                where = "whole catalogue, " * (part == "ranking")
                name = metric_name(metric.replace("full_", ""))
                below.append(f"{where}{name} {_short(own)}")
        if below:
            lines.append(
                f"WARNING: {title} does not exceed the best untrained score: {'; '.join(below)}."
            )
    return lines


def _measured(model, store, metrics, ties, cutoffs):
    values = evaluate_predictions(split_predictions(model, store, "test"), metrics, ties)
    found = {"test": {name: float(value) for name, value in values.items()}}
    if cutoffs:
        targets = all_test_targets(store)
        ranked = rank_targets(catalogue_scores(model, store), store, targets, LIST)
        rows = {"label": targets.labels, "rank": ranked.rank, "candidates": ranked.candidates}
        lists = list_figures(ranked.items, training_counts(store))
        found["ranking"] = {**catalogue_figures({**rows, "ties": ranked.ties}, cutoffs), **lists}
    return found


def _settings(name, given):
    """A model's settings: its own file's, those given over them."""
    own = registry.settings_of(name)
    chosen = {key: value for key, value in dict(given).items() if key in own and key != "seed"}
    values = merge_hparams(model_type=name, **chosen).values()
    return {key: values[key] for key in own}


def _kept(path):
    try:
        kept = read_json(path)
        return kept if isinstance(kept, dict) and kept.get("test") else None
    except (OSError, ValueError):
        return None


def _deciding(figures, part, kinds):
    """The first metric by ``kinds`` that a model has a figure of, @10 before others."""
    measured = [
        metric
        for found in figures.values()
        for metric, value in found.get(part, {}).items()
        if not undefined(value) and not metric.endswith(("_n", "_p-n", "_all"))
    ]
    measured.sort(key=lambda metric: not metric.endswith("@10"))
    for kind in kinds:
        for metric in measured:
            if metric == kind or ("@" in kind and metric.startswith(kind)):
                return metric
    return None


def _value(found, part, metric):
    value = found.get(part, {}).get(metric)
    return -np.inf if undefined(value) else value


def _short(value):
    """``.633``; with the digits of tables from 1 on."""
    return f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.3f}"
