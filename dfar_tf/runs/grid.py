"""Many runs in turn: finished ones are skipped, interrupted ones resumed; averages over seeds."""

import hashlib
import json
import math
import os
import re
import statistics
import time
import traceback
import typing

from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import (
    HPARAMS_FILE,
    LOG_FILE,
    RESULTS_FILE,
    fixed_values,
    read_results,
)
from dfar_tf.runs.run import evaluate_run, run_experiment
from dfar_tf.runs.steps import prepare_data
from recommenders_utils.checksums import DamagedFile
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import slug


class Cell(typing.NamedTuple):
    """One run of a grid.

    Attributes:
      name: what to call it, such as ``gru4rec seed 1``.
      hparams: the merged hyper-parameters.
    """

    name: str
    hparams: typing.Any


class Outcome(typing.NamedTuple):
    """The outcome of a cell: its folder, and its ``results.json`` or, if it failed, the reason."""

    folder: str
    results: typing.Optional[dict]
    failure: typing.Optional[str] = None


def run_cells(cells, given=(), command="", say=print, folder=None):
    """Trains all cells that are not trained yet, and returns the results of all.

    A cell is an ordinary run folder under ``runs/cells/``, named by its model, loss and seed with a
    digest of its hyper-parameters and data: other settings or data are another cell, and tables
    share their common cells.

    Args:
      cells: Cells, all on the same data.
      given: keys the user gave (see ``prepare_data``).
      command: the command line, for the record and for the message that says how to resume.
      say: called with each line to print: one a cell, with the time left.
      folder: of the cells; ``runs/cells`` in the checkout if None.

    Returns:
      (list of Outcome in the order of the cells, the store they trained on). A cell that failed does not
      stop the others.

    Raises:
      UserError: the data cannot be prepared.
      KeyboardInterrupt: with a message that says how to resume.
    """
    folder = folder or in_checkout(os.path.join("runs", "cells"))
    store, _ = prepare_data(cells[0].hparams, given, say)
    outcomes, clock = [], _Clock(len(cells))
    for number, cell in enumerate(cells, 1):
        path = os.path.join(folder, cell_name(cell, store))
        head = f"cell {number} of {len(cells)}: {cell.name}"
        finished = os.path.exists(os.path.join(path, RESULTS_FILE))
        if not finished:
            say(f"{head} ... {clock.left()}")
        try:
            outcome = run_cell(cell, path, given, command, finished)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{number - 1} of {len(cells)} cells are done. To resume: {command}"
            ) from None
        outcomes.append(outcome)
        clock.count(finished)
        say(f"{head}: {_summary(outcome, finished)}")
    return outcomes, store


def cell_name(cell, store):
    """Folder name of a cell: model, loss, seed, and a digest of settings and data."""
    hp = cell.hparams
    values = dict(sorted(fixed_values(hp).items()))
    text = json.dumps([values, store.meta["fingerprint"]], sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return f"{slug(hp.model_type)}-{slug(hp.loss)}-seed{hp.seed}-{digest}"


def failures(cells, outcomes):
    """Lines that say which cells failed, and why."""
    return [
        f"{cell.name}: {outcome.failure} (log: {shown(os.path.join(outcome.folder, LOG_FILE))})"
        for cell, outcome in zip(cells, outcomes)
        if outcome.failure
    ]


def mean_and_deviation(values):
    """Mean and sample standard deviation of what is defined: of no value both are None, of one the latter.

    None and NaN, as an HR_n without disliked targets, are no values.
    """
    values = [v for v in values if v is not None and not math.isnan(v)]
    if not values:
        return None, None
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


def seeds_and_rest(given, seeds, *own):
    """The seeds of a table, and what else the user gave.

    Args:
      given: hyper-parameters given as flags.
      seeds: how many, as text or number; from ``given``'s ``seed`` or 1 on.
      *own: keys that the table sets itself.

    Returns:
      (list of seeds, ``given`` without ``seed``, ``model_type`` and ``own``).

    Raises:
      UserError: ``seeds`` is not a positive whole number.
    """
    text = str(given.get("seed", 1))
    if not re.match(r"-?[0-9]{1,9}$", text):
        raise UserError(f"--seed: {shortened(text)!r} is not a whole number.")
    first = int(text)
    numbers = list(range(first, first + positive_number(seeds, "seeds")))
    return numbers, {k: v for k, v in given.items() if k not in ("seed", "model_type", *own)}


def positive_number(text, flag):
    """The whole number of a flag, 1 or more.

    Raises:
      UserError: it is none.
    """
    if not re.match(r"[0-9]{1,4}$", str(text)) or int(text) < 1:
        raise UserError(
            f"--{flag}: {shortened(str(text))!r} is not a positive whole number of at most four digits."
        )
    return int(text)


def run_cell(cell, path, given=(), command="", finished=False):
    """Trains or resumes one cell; a finished one is read, and scored again where more is wanted of it.

    Args:
      cell: the Cell.
      path: its folder.
      given: keys the user gave (see ``prepare_data``).
      command: the command line, for the record.
      finished: whether the folder holds its results.

    Returns:
      Outcome; a UserError and any other is its failure, and the latter's traceback is in the log.
    """
    if finished:
        try:
            return Outcome(path, _with_reports(cell.hparams, path))
        except DamagedFile as error:
            return Outcome(path, None, str(error))
    resume = os.path.exists(os.path.join(path, HPARAMS_FILE))
    try:
        results = run_experiment(cell.hparams, command, path, resume, given, echo=False)
    except UserError as error:
        return Outcome(path, None, str(error))
    except Exception as error:  # of any kind: it must not cost the other cells
        if "KeyboardInterrupt" in str(
            error
        ):  # raised in TensorFlow, which makes it an error of its own
            raise KeyboardInterrupt from None
        if os.path.isdir(path):
            with open(os.path.join(path, LOG_FILE), "a", encoding="utf-8") as stream:
                stream.write(traceback.format_exc())
        return Outcome(path, None, f"{type(error).__name__}: {str(error).splitlines()[:1]}")
    return Outcome(path, results)


def _with_reports(hparams, path):
    """A finished run's results; what is wanted now and was not then is computed first."""
    results = read_results(path)
    cutoffs = [f"full_hr@{k}" for k in hparams.ranking_cutoffs]
    ranked = all(name in results.get("ranking", {}) for name in cutoffs)
    wanted = {
        "ranking": hparams.ranking == "full" and not ranked,
        "targets": hparams.targets == "observed" and "observed" not in results,
    }
    if any(wanted.values()):
        keys = [*(key for key, is_wanted in wanted.items() if is_wanted), "ranking_cutoffs"]
        given = {key: hparams.values()[key] for key in keys}
        results = evaluate_run(path, {**given, "device": hparams.device}, echo=False)
    return results


def _summary(outcome, finished):
    if outcome.failure:
        return "FAILED: " + outcome.failure
    results = outcome.results
    told = ", ".join(f"{name} {results['test'][name]:.4f}" for name in ("auc", "gauc"))
    return f"test {told}; {results['seconds']['all']:.0f} s" + (
        " (trained before)" if finished else ""
    )


class _Clock:
    """Time left, estimated from the cells trained in this call."""

    def __init__(self, cells):
        self.started, self.left_over, self.trained = time.time(), cells, 0

    def count(self, finished):
        self.left_over -= 1
        self.trained += not finished

    def left(self):
        elapsed = time.time() - self.started
        if not self.trained:
            return f"{self.left_over} to go"
        left = elapsed / self.trained * self.left_over
        return f"{elapsed / 60:.0f} min elapsed, at most {left / 60:.0f} min left"
