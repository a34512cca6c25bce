"""What our tuned cells attend to (Figure 4): matrices of runs, and rows of shares by seed."""

import os

import numpy as np

from dfar_tf.experiments.figure4 import FEEDBACK, accumulate, grouped, share
from dfar_tf.experiments.table2 import OURS
from dfar_tf.objectives import objective_of
from recommenders_utils.files import read_json, write_json

ATTENTION = "figure4.json"  # in a cell's folder, so that it is computed once
ATTENTION_HEADERS = ("log", "objective", "seed", "query", "key", "attention", "share of pairs")


def _ours(planner, part):
    """(work, what there is of it) of our tuned cells."""
    for work in planner.of_part(part):
        cell = planner.shelf.look(work)
        if work.kind == "tuned" and work.model == OURS and cell.status == "done":
            yield work, cell


def only_earlier(planner, part):
    """Whether all our tuned cells are rows of an earlier book."""
    works = [work for work in planner.of_part(part) if (work.kind, work.model) == ("tuned", OURS)]
    return bool(works) and all(planner.shelf.look(work).earlier for work in works)


def attention_of(planner, part):
    """``{seed: what accumulate gave}`` of our tuned runs (Figure 4); empty where it does not apply."""
    found, shelf = {}, planner.shelf
    for work, cell in _ours(planner, part):
        if cell.earlier:
            continue
        if objective_of(shelf.hparams(work)) != "ranking":
            continue
        path = os.path.join(cell.folder, ATTENTION)
        if not os.path.exists(path):
            seen = accumulate(shelf.store(work), shelf.hparams(work), cell.folder)
            write_json(path, {name: matrix.tolist() for name, matrix in seen.items()})
        found[work.seed] = {name: np.array(matrix) for name, matrix in read_json(path).items()}
    return found


def attention_rows(planner, part, found):
    """Figure 4's shares by seed, dicts by ``ATTENTION_HEADERS``; an earlier book has those of its cells."""
    rows = []
    for seed, seen in found.items():
        attention, pairs = share(grouped(seen["attention"])), share(seen["pairs"])
        for i, j in np.ndindex(2, 2):
            values = (*part.key, seed, FEEDBACK[i], FEEDBACK[j], attention[i, j], pairs[i, j])
            rows.append(dict(zip(ATTENTION_HEADERS, values)))
    seeds = [work.seed for work, cell in _ours(planner, part) if cell.earlier]
    return [*rows, *(planner.shelf.earlier.attention_rows(part.key, seeds) if seeds else [])]
