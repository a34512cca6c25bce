"""The cells of a book as rows: what each is, its settings, seed, data, code, and what it gave."""

import json
import os

import pandas as pd

from dfar_tf.experiments.columns import Entry, Measure, Variant
from dfar_tf.models import is_untrained
from recommenders_utils.evaluation.centred import centred_auc
from recommenders_utils.tables import undefined

# Column -> where a cell's results have it.
FIGURES = {
    "AUC": Measure("auc"),
    "AUC centred": Measure("centred_auc", "centred"),  # of a run, from its predictions
    "GAUC": Measure("gauc"),
    "MRR@10": Measure("mrr@10"),
    "NDCG@10": Measure("ndcg@10"),
    "full HR@10": Measure("full_hr@10", "ranking"),
    "full NDCG@10": Measure("full_ndcg@10", "ranking"),
    "HR_p - HR_n": Measure("full_hr@10_p-n", "ranking"),
    "observed AUC valid": Measure("valid", "observed_auc"),
    "observed AUC test": Measure("test", "observed_auc"),
}
HEADERS = (
    *("log", "objective", "kind", "model", "cell", "seed", "status", "settings"),
    *("validation metric", "validation", *FIGURES),
    *("epochs", "best epoch", "parameters", "seconds", "fingerprint", "commit", "code", "folder"),
    "failure",
)


def cell_rows(planner):
    """One dict by ``HEADERS`` for each cell of a benchmark, also of those that are missing."""
    return [
        cell_row(planner.shelf, work)
        for part in planner.benchmark.parts
        for work in planner.of_part(part)
    ]


def cell_row(shelf, work):
    """A work as a dict by ``HEADERS``; None where it is not trained or does not have a figure."""
    found = shelf.look(work)
    row = dict.fromkeys(HEADERS)
    row.update(
        {"log": work.part.log, "objective": work.part.objective, "kind": work.kind},
        model=work.model,
        cell=work.name,
        seed=work.seed,
        status=found.status,
        settings=settings_text(work.values),
        folder=os.path.basename(found.folder) if found.folder else None,
        failure=found.failure,
    )
    if found.status != "done":
        return row
    results, record = found.results, found.record
    row["validation metric"] = shelf.hparams(work).early_stop_metric
    row["validation"] = shelf.score(work)
    if work.kind not in ("draw", "finalist"):  # whose test figures nobody may look at
        row.update({name: figure(results, measure) for name, measure in FIGURES.items()})
        if row["AUC centred"] is None and has_free_offsets(shelf.benchmark, work):
            row["AUC centred"] = centred_of(found.folder)
    row["epochs"] = len(results["epochs"][: shelf.epochs(work)]) or None
    row["best epoch"] = None if work.kind == "draw" else results["best_epoch"] or None
    row.update(
        parameters=results["parameters"] or None,
        seconds=record["seconds"],
        fingerprint=results["data_fingerprint"][:12],
        commit=record["commit"],
        code=record["code"],
    )
    return row


def has_free_offsets(benchmark, work):
    """Whether training leaves an instance's scores free up to an offset: softmax, or SINE's BPR beside it."""
    given = benchmark.objectives[work.part.objective]
    ranked = given.get("objective", "ranking") == "ranking"
    return ranked and given.get("loss") == "softmax" and not is_untrained(work.model)


def centred_of(folder):
    """``centred_auc`` of a run's test predictions; None where they are not."""
    path = os.path.join(folder, "predictions_test.csv")
    if not os.path.exists(path):
        return None
    return centred_auc(pd.read_csv(path, usecols=["instance", "label", "score"]))


def settings_text(values):
    """The hyper-parameters of a work as ``cells.csv`` has them; None if they are not known yet."""
    return None if values is None else json.dumps(values, sort_keys=True)


def figure(results, measure):
    """A Measure of a run's results, or None."""
    value = results.get(measure.part, {}).get(measure.metric)
    return None if undefined(value) else value


def entries_of(planner, part):
    """``{(kind, model, cell): Entry}`` of a part's cells that are done, without draws and finalists."""
    shelf, found = planner.shelf, {}
    for work in planner.of_part(part):
        cell = shelf.look(work)
        if work.kind in ("draw", "finalist") or cell.status != "done":
            continue
        key = work.kind, work.model, work.name
        if key not in found:
            variant = Variant(work.name or work.model, work.model, work.values)
            found[key] = Entry(variant, shelf.hparams(work), [], [])
        found[key].results.append(cell.results)
        found[key].folders.append(cell.folder)
    return found


def whole(planner, part, entries):
    """Entries of which no seed is missing. Seeds vary: a comparison of fewer would seem surer than it is."""
    works = planner.of_part(part)
    missing = {
        (w.kind, w.model, w.name) for w in works if planner.shelf.look(w).status == "missing"
    }
    return {key: entry for key, entry in entries.items() if key not in missing}
