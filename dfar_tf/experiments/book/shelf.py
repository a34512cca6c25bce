"""The cells of a benchmark on disk: which are done, what they gave, and how each is trained or resumed.

A cell is a run folder as ``table2`` makes them. Its name has a digest of its settings and data and one of
the code that made it, so that a change of either is another cell; ``benchmark.json`` in it says how many
epochs were asked for. A draw, the finalist it may become and the choice among the finalists are one
folder, trained further each time. Several processes may train in one folder of cells, each a cell of its own.
"""

import contextlib
import glob
import os
import time
import typing

from dfar_tf.experiments.book.checks import defaults_of, keys_of
from dfar_tf.experiments.book.code import code_digest, commit
from dfar_tf.experiments.book.earlier import record_of, results_of
from dfar_tf.experiments.book.tuning import first_epochs, validation_score
from dfar_tf.experiments.cells import cell_hparams
from dfar_tf.models import is_untrained
from dfar_tf.runs.folder import RESULTS_FILE, fixed_values
from dfar_tf.runs.grid import Cell, cell_name, run_cell
from dfar_tf.runs.sittings import seconds_before
from dfar_tf.runs.steps import prepare_data
from dfar_tf.settings import merge_hparams
from recommenders_utils.checksums import DAMAGE
from recommenders_utils.errors import UserError
from recommenders_utils.files import locked, read_json, slug, write_json

RECORD, FAILED = "benchmark.json", ".failed.json"
LOCKS = ".locks"  # a folder beside the cells, with an empty file for each that was claimed
USUAL_SECONDS = 120.0  # of a run, where neither a cell nor the benchmark file tells


class Found(typing.NamedTuple):
    """What there is of a cell.

    Attributes:
      status: ``done``, ``failed`` or ``missing``.
      folder: of its run, whether it is there or not; None if it is not known yet.
      results: its ``results.json``, if done.
      record: its ``benchmark.json``: code, commit, epochs, seconds.
      failure: why it failed.
      earlier: whether it is a row of an earlier book, without a run folder.
    """

    status: str
    folder: typing.Optional[str] = None
    results: typing.Optional[dict] = None
    record: typing.Optional[dict] = None
    failure: typing.Optional[str] = None
    earlier: bool = False


class Shelf:
    """The cells of a benchmark in a folder.

    Args:
      benchmark: the Benchmark.
      folder: of the cells.
      given: hyper-parameters given as flags, for all cells.
      any_code: take cells that other code made where today's has none.
      command: the command line.
      say: called with each line to print.
      earlier: the Earlier book whose rows stand for cells that are not there, or None.
    """

    def __init__(
        self, benchmark, folder, given=(), any_code=False, command="", say=print, earlier=None
    ):
        self.benchmark, self.folder, self.given = benchmark, folder, dict(given)
        self.earlier = earlier
        self.any_code, self.command, self.say = any_code, command, say
        self.absent, self._stores, self._found, self._merged, self._common = {}, {}, {}, {}, {}
        self._stems, self._commit, self._own = {}, commit(), None

    def hparams(self, work):
        """The merged hyper-parameters of a work whose values are known, to the last epoch."""
        blind = work.kind in ("draw", "finalist")
        key = work.part.key, blind, work.model, work.seed, repr(work.values)
        if key not in self._merged:
            # Nothing is chosen by the test, so that draws need no ranks of it.
            ranking = "candidates" if blind else "full"
            own = self._of_part(work.part, work.model)
            self._merged[key] = own.replace(seed=work.seed, ranking=ranking, **work.values)
        return self._merged[key]

    def _of_part(self, part, model):
        """What all cells of a model in a part have in common."""
        if (part.key, model) not in self._common:
            log = self.benchmark.logs[part.log]
            wanted = {
                **self.benchmark.objectives[part.objective],
                **log.settings,
                **log.objectives.get(part.objective, {}),
                "show_progress": False,
                **self.given,
            }
            if is_untrained(model):
                wanted = {k: v for k, v in wanted.items() if k not in ("objective", "loss")}
            known = keys_of(model)
            wanted = {key: value for key, value in wanted.items() if key in known}
            first = self.benchmark.seeds["first"]
            self._common[part.key, model] = cell_hparams(log.data, model, wanted, first)
        return self._common[part.key, model]

    def store(self, work):
        """The prepared data of a work; None if its log is not there."""
        log = self.benchmark.logs[work.part.log]
        if work.part.key not in self._stores:
            if log.name not in self.absent and not os.path.exists(log.source):
                self.absent[log.name] = f"{log.source} is not there"
                self.say(f"log {log.name}: {self.absent[log.name]}; its cells are missing")
            if log.name in self.absent:
                return None
            quiet = lambda *_: None  # noqa: E731
            store, _ = prepare_data(self.hparams(work), self._named(log), quiet)
            self._stores[work.part.key] = store
        return self._stores[work.part.key]

    def _named(self, log):
        """Keys that a source may not override: those of the file and of the flags."""
        return [*log.settings, *self.given]

    def path(self, work):
        """The folder of a work's cell, of today's code or, with ``any_code``, of any; None if not known."""
        if work.values is None or self.store(work) is None:
            return None
        key = work.part.key, work.model, work.seed, repr(work.values)
        if key not in self._stems:
            cell = Cell(work.title, self.hparams(work))
            self._stems[key] = os.path.join(self.folder, cell_name(cell, self.store(work)))
        path = f"{self._stems[key]}-{code_digest(work.model)}"
        if self.any_code and not _trained(os.path.join(path, RECORD), self.epochs(work)):
            return self._of_other_code(work) or path
        return path

    def _of_other_code(self, work):
        """The newest folder of a cell with a work's settings, whatever code made it, or None.

        A key that is newer than the cell has its default there.
        """
        usual = _settings(defaults_of(work.model))
        wanted, found = _settings(self.hparams(work)), []
        for path in self._records(work.model, work.seed):
            record = read_json(path)
            then = {**usual, **record.get("settings", {"seed": None})}
            same = all(then.get(key) == value for key, value in wanted.items())
            fingerprint = self.store(work).meta["fingerprint"]
            if (
                same
                and record.get("fingerprint") == fingerprint
                and _trained(path, self.epochs(work))
            ):
                found.append(path)
        return os.path.dirname(max(found, key=os.path.getmtime)) if found else None

    def _records(self, model, seed):
        name = f"{slug(model)}-*-seed{seed}-*"
        return glob.glob(os.path.join(glob.escape(self.folder), name, RECORD))

    def epochs(self, work):
        """How many epochs a work is trained for at most."""
        return first_epochs(self.hparams(work).epochs, work.share)

    def look(self, work):
        """The Found of a work."""
        path = self.path(work)
        if path is None:
            return Found("missing")
        ranked = self.hparams(work).ranking == "full"
        wanted = path, self.epochs(work), ranked
        key = (
            *wanted,
            work.kind,
        )  # a draw, a finalist and a choice may be one cell, but not one row
        if key in self._found:
            return self._found[key]
        found = self._look(*wanted)
        if found.status == "missing" and self.earlier:
            found = self._of_earlier(work, path) or found
        if found.status != "missing":  # else another process may train it meanwhile
            self._found[key] = found
        return found

    def _look(self, path, epochs, ranked):
        try:
            if os.path.exists(path + FAILED):
                return Found("failed", path, failure=read_json(path + FAILED)["failure"])
            if not os.path.exists(os.path.join(path, RECORD)):
                return Found("missing", path)
            record = read_json(os.path.join(path, RECORD))
            results = read_json(os.path.join(path, RESULTS_FILE))
            done = record["epochs"] >= epochs and (not ranked or "ranking" in results)
            return Found("done" if done else "missing", path, results, record)
        except (*DAMAGE, OSError) as error:
            return Found("failed", path, failure=f"damaged: {type(error).__name__}: {error}")

    def _of_earlier(self, work, path):
        meta, name = self.store(work).meta, os.path.basename(path)
        decisive = set(self.given) & set(fixed_values(self.hparams(work)))
        any_code = self.any_code and not decisive  # a name of today's code has these flags in it
        row = self.earlier.row(work, name, meta["fingerprint"], any_code)
        if row is None:
            return None
        folder = os.path.join(self.folder, row["folder"])
        results = results_of(row, bool(meta.get("synthetic")))
        return Found("done", folder, results, record_of(row), earlier=True)

    def score(self, work):
        """Validation score of a finished work, as far as it is trained itself; None if it failed."""
        found = self.look(work)
        if found.status != "done":
            return None
        metric = self.hparams(work).early_stop_metric
        return validation_score(found.results, metric, self.epochs(work))

    def all_settled(self, works):
        """Whether all works are known and done or failed."""
        return all(w.values is not None and self.look(w).status != "missing" for w in works)

    @contextlib.contextmanager
    def claimed(self, work):
        """Within it no other process trains a work's cell; False, at once, if one does, else True."""
        lock = os.path.join(self.folder, LOCKS, os.path.basename(self.path(work)))
        os.makedirs(os.path.dirname(lock), exist_ok=True)
        with open(lock, "a"), contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(lock, "it is trained elsewhere"))
            except UserError:
                yield False
                return
            self._own = lock
            try:
                yield True
            finally:
                self._own = None

    def trained_elsewhere(self):
        """How many cells other processes train now."""
        count = 0
        for lock in glob.glob(os.path.join(glob.escape(self.folder), LOCKS, "*")):
            try:
                with locked(lock, "it is trained elsewhere", shared=True):
                    pass  # nor is it by another that only looks
            except UserError:
                count += lock != self._own
        return count

    def train(self, work):
        """Trains or resumes a work's cell, or scores it again where its ranks are missing.

        Returns:
          Its Found, done or failed.
        """
        path, epochs = self.path(work), self.epochs(work)
        before = self.look(work).record or {"epochs": 0, "seconds": 0.0}
        trained = before["epochs"] >= epochs
        cell = Cell(work.title, self.hparams(work).replace(epochs=max(epochs, before["epochs"])))
        named = self._named(self.benchmark.logs[work.part.log])
        started = time.time() - max(before["seconds"], seconds_before(path))
        outcome = run_cell(cell, path, named, self.command, trained)
        self._forget(path)
        if outcome.results:
            record = {"code": code_digest(work.model), "commit": self._commit, **before}
            record["settings"] = _settings(self.hparams(work))
            record["fingerprint"] = self.store(work).meta["fingerprint"]
            seconds = round(time.time() - started, 1)
            record.update(epochs=max(epochs, before["epochs"]), seconds=seconds)
            write_json(os.path.join(path, RECORD), record)
        found = self.look(work)
        if found.status != "done":
            failure = outcome.failure or found.failure or "it was not finished"
            os.makedirs(self.folder, exist_ok=True)
            write_json(path + FAILED, {"failure": failure, "command": self.command})
            self._forget(path)
        return self.look(work)

    def _forget(self, path):
        self._found = {key: found for key, found in self._found.items() if key[0] != path}

    def retry(self):
        """Deletes the marks of cells that failed."""
        for path in glob.glob(os.path.join(glob.escape(self.folder), "*" + FAILED)):
            os.unlink(path)
        self._found.clear()

    def seconds_of(self, part, model):
        """Seconds of a whole run of a model, as the benchmark file tells."""
        return self.benchmark.seconds_of(part.objective, model, USUAL_SECONDS)


def _settings(hparams):
    """What decides a cell's figures, without how long it is trained: ``{key: value}``."""
    return {key: value for key, value in fixed_values(hparams).items() if key != "epochs"}


def _trained(record, epochs):
    return os.path.exists(record) and read_json(record)["epochs"] >= epochs


def check_models(benchmark):
    """Raises UserError if a part cannot train one of its models with its objective."""
    pairs = [(part.objective, model) for part in benchmark.parts for model in part.models]
    for objective, model in dict.fromkeys(pairs):
        known = keys_of(model)
        own = {k: v for k, v in benchmark.objectives[objective].items() if k in known}
        try:
            merge_hparams(model_type=model, **own)
        except UserError as error:
            raise UserError(f"{benchmark.path}: parts: {objective}: {model}: {error}") from None
