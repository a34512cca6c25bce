"""A book that was written before and that another adds to: its rows stand for cells that are not here.

``benchmark --add_to=docs/book`` trains only what that book lacks. A row is taken if it has the settings,
seed, data and code of the cell that is wanted, ``--any_code`` aside.
"""

import csv
import os

from dfar_tf.estimator.state import LOWER_IS_BETTER
from dfar_tf.experiments.book.claims import HEADERS as CLAIM_HEADERS
from dfar_tf.experiments.book.csvfile import read_rows
from dfar_tf.experiments.book.rows import FIGURES, HEADERS, settings_text
from dfar_tf.experiments.book.scores import Scores
from recommenders_utils.checksums import DAMAGE
from recommenders_utils.errors import UserError

COLUMNS = {
    "cells": HEADERS,
    "pairs": ("log", "objective", "family", "first", "second", "seeds first", "seeds second"),
    "attention": ("log", "objective", "seed"),
    "claims": CLAIM_HEADERS,
    "complexity": ("axis", "value", "layer", "ratio to MHA"),
}
OPTIONAL = ("attention", "complexity", "claims")
ENDS = ("first", "second")  # of a pair
BLIND = ("draw", "finalist")  # have no test figures


class Earlier:
    """The rows of a book.

    Args:
      folder: with ``cells.csv`` and ``pairs.csv``, and what there is of ``attention.csv``,
        ``claims.csv``, ``complexity.csv`` and ``scores/``.

    Raises:
      UserError: it is no book.
    """

    def __init__(self, folder):
        self.folder, self.scores = folder, Scores(folder)
        self.cells, self.pairs = self._rows("cells"), self._rows("pairs")
        self.attention, self.complexity = self._rows("attention"), self._rows("complexity")
        self.claims = self._rows("claims")
        self._done = {
            (
                row["kind"],
                *_key((row["log"], row["objective"]), row["model"], row["seed"]),
                row["settings"],
            ): row
            for row in self.cells
            if row["status"] == "done"
        }
        self._tested = {key[1:]: row for key, row in self._done.items() if key[0] not in BLIND}

    def _rows(self, name):
        path = os.path.join(self.folder, name + ".csv")
        if not os.path.isfile(path):
            if name in OPTIONAL:
                return []
            raise UserError(
                f"{path}: no such file; --add_to takes the folder of a book, such as docs/book"
            )
        try:
            rows = read_rows(path)
        except (*DAMAGE, csv.Error) as error:
            raise UserError(f"{path}: is not what benchmark writes: {error}") from None
        lacking = [column for column in COLUMNS[name] if rows and column not in rows[0]]
        if lacking:
            raise UserError(f"{path}: is not what benchmark writes: no column {lacking[0]!r}")
        return rows

    def row(self, work, name, fingerprint, any_code=False):
        """The row of a work's cell, or None.

        Args:
          work: the Work.
          name: of its run folder with today's code.
          fingerprint: of its data.
          any_code: whether other code may have made it.
        """
        key = _key(work.part.key, work.model, work.seed)
        row = self._done.get((work.kind, *key, settings_text(work.values)))
        if row is None or not fingerprint.startswith(row["fingerprint"]):
            return None
        return row if any_code or row["folder"] == name else None

    def family(self, part, name, pairs, entries):
        """The pairs of a family, if this book compared just these cells; else none.

        Args:
          part: the (log, objective) of the Part.
          name: of the family.
          pairs: titles of the two of each pair.
          entries: ``{title: Entry}``; they may have been trained again, with the same figures.
        """
        rows = [r for r in self.pairs if (r["log"], r["objective"], r["family"]) == (*part, name)]
        counts = {title: len(entry.results) for title, entry in entries.items()}
        same = (
            {(row["first"], row["second"]) for row in rows} == set(pairs)
            and all(row["seeds " + at] == counts[row[at]] for row in rows for at in ENDS)
            and all(self._agrees(part, entry) for entry in entries.values())
        )
        return rows if same else []

    def _agrees(self, part, entry):
        for result in entry.results:
            key = (
                *_key(part, entry.variant.model, result["seed"]),
                settings_text(entry.variant.values),
            )
            row = self._tested.get(key)
            if row is None or row["AUC"] != result["test"]["auc"]:
                return False
        return True

    def attention_rows(self, part, seeds):
        """Figure 4's rows of a part for some seeds."""
        return [
            row
            for row in self.attention
            if (row["log"], row["objective"]) == part and row["seed"] in seeds
        ]

    def with_figure4(self, part, rows):
        """Rows of claims on a part with this book's on Figure 4 in place of theirs."""
        own = {r["claim"]: r for r in self.claims if (r["log"], r["objective"]) == part}
        return [own.get(r["claim"], r) if r["of"] == "Figure 4" else r for r in rows]


def _key(part, model, seed):
    return (*part, model, seed)


def results_of(row, synthetic):
    """What a run's ``results.json`` has of a row of ``cells.csv``."""
    metric, value = row["validation metric"], row["validation"]
    if metric in LOWER_IS_BETTER:
        value = -value
    results = {
        "seed": row["seed"],
        "synthetic": synthetic,
        "parameters": row["parameters"],
        "best_epoch": row["best epoch"],
        "epochs": [{"validation": {metric: value}}] * (row["epochs"] or 0),
        "data_fingerprint": row["fingerprint"],
        "valid": {metric: value},
        **{measure.part: {} for measure in FIGURES.values()},
    }
    for name, measure in FIGURES.items():
        if row[name] is not None:
            results[measure.part][measure.metric] = row[name]
    return results


def record_of(row):
    """What a cell's ``benchmark.json`` has of a row of ``cells.csv``."""
    record = {name: row[name] for name in ("code", "commit", "seconds")}
    return {**record, "epochs": row["epochs"] or 0}
