"""``benchmark``: plans, trains what is missing, and writes the book from what there is."""

import contextlib
import os
import shutil
import sys
import time

from tqdm import tqdm

from dfar_tf.bench.complexity import run_complexity
from dfar_tf.experiments.book.benchmark import find_benchmark, read_benchmark
from dfar_tf.experiments.book.clock import Clock, duration, estimate, still_to_train
from dfar_tf.experiments.book.earlier import Earlier
from dfar_tf.experiments.book.shelf import Shelf, check_models
from dfar_tf.experiments.book.works import Planner
from dfar_tf.experiments.book.write import complexity_rows, write_book
from dfar_tf.paths import in_checkout
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError
from recommenders_utils.files import locked
from recommenders_utils.tables import format_table

WAIT = 2.0  # seconds between looks at what other processes train


def run_benchmark(
    name="book",
    given=(),
    data_dir=None,
    only=None,
    plan=False,
    only_report=False,
    any_code=False,
    retry=False,
    minutes=None,
    cells=None,
    command="",
    output=None,
    add_to=None,
    say=print,
):
    """Trains the missing cells of a benchmark and writes its book.

    Args:
      name: of a file in ``hparams/benchmarks/``, or the path of one.
      given: hyper-parameters given as flags, for all cells.
      data_dir: folder of the logs' files; ``data/`` in the checkout if None.
      only: names of logs, objectives and models, comma-separated; all if None.
      plan: print cells and seconds, train and write nothing.
      only_report: write the book from the cells that there are.
      any_code: take cells that other code made where today's has none.
      retry: train cells again that failed.
      minutes: start no cell after so many; None for no limit.
      cells: folder of the cells; ``runs/book`` in the checkout if None.
      command: the command line.
      output: folder of the book; ``results/book`` in the checkout if None.
      add_to: folder of an earlier book, whose rows stand for cells that are not there.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.

    Raises:
      UserError: a benchmark file that is not as it should be; no book in ``add_to``.
      KeyboardInterrupt: with a message that says how to resume.
    """
    benchmark = narrowed(read_benchmark(find_benchmark(name), data_dir), only)
    check_models(benchmark)
    folder = cells or in_checkout(os.path.join("runs", "book"))
    output = output or in_checkout(os.path.join("results", "book"))
    earlier = Earlier(add_to) if add_to else None
    shelf = Shelf(benchmark, folder, given, any_code, command, say, earlier)
    planner = Planner(benchmark, shelf)
    if plan:
        say_plan(planner, say)
        return 0
    if not only_report:
        os.makedirs(folder, exist_ok=True)
        if retry:
            shelf.retry()
        train(planner, minutes, say)
        if not shelf.trained_elsewhere():  # they would take its time
            with locked(folder, wait=True):
                measure_attentions(benchmark, given, command, output, earlier)
    return write_book(planner, output, say)


def measure_attentions(benchmark, given, command, output, earlier=None):
    """Runs ``complexity`` into the book's folder, if the benchmark wants it and it is not there yet."""
    if benchmark.complexity and not complexity_rows(output, earlier):
        device = {key: value for key, value in dict(given).items() if key == "device"}
        run_complexity(merge_hparams(**device), 20, command, output, say=lambda *_: None)


def narrowed(benchmark, only):
    """A benchmark with the parts and models that are named.

    Args:
      benchmark: the Benchmark.
      only: names of logs, objectives and models, comma-separated; None leaves all.

    Raises:
      UserError: a name of neither.
    """
    names = [name.strip() for name in (only or "").split(",") if name.strip()]
    models = list(dict.fromkeys(model for part in benchmark.parts for model in part.models))
    groups = [set(names) & set(known) for known in (benchmark.logs, benchmark.objectives, models)]
    for each in names:
        if not any(each in group for group in groups):
            known = [*benchmark.logs, *benchmark.objectives, *models]
            raise UserError(
                f"--only: {each!r} is not in {benchmark.path}; it has {', '.join(known)}"
            )
    logs, objectives, chosen = groups
    parts = [
        part._replace(models=tuple(m for m in part.models if not chosen or m in chosen))
        for part in benchmark.parts
        if (not logs or part.log in logs) and (not objectives or part.objective in objectives)
    ]
    if not parts:
        raise UserError(f"--only={only}: no part of {benchmark.path} has all of these")
    for part in parts:
        if part.tuned_as and part.tuned_as not in [each.key for each in parts]:
            raise UserError(
                f"--only={only}: {part.name} takes its settings from {', '.join(part.tuned_as)}; "
                f"name {part.tuned_as[0]} too"
            )
    return benchmark._replace(parts=tuple(parts))


def train(planner, minutes=None, say=print):
    """Trains the missing cells one after another; what they give decides which come next.

    A cell that another process trains is left to it. If all that is known is, this one waits for
    what becomes known.

    Args:
      planner: the Planner.
      minutes: start no cell after so many; None for no limit.
      say: called with a line for each cell where there is no terminal; there, one line is rewritten.
    """
    shelf, clock = planner.shelf, Clock(planner)
    bar = tqdm(bar_format="{desc}", desc="benchmark", leave=False, disable=None)
    on_terminal, told, waited = not bar.disable, clock.told(), False
    try:
        while next_work(planner):
            if minutes is not None and clock.elapsed() >= 60 * minutes:
                say(f"{minutes:g} minutes are over; {told}")
                return
            room = shutil.get_terminal_size().columns - 1
            with next_free(planner) as work:
                if work is None:
                    line = f"{told}; other processes train all that is known, waiting"
                    bar.set_description_str(line[:room])
                    if not on_terminal and not waited:
                        say(line)
                    waited = True
                    time.sleep(WAIT)
                    continue
                bar.set_description_str(f"{told}; {work.title}"[:room])
                expected, started, waited = estimate(planner, work), time.time(), False
                found = shelf.train(work)
                clock.count(expected, time.time() - started)
            told = clock.told()
            line = f"{told}; {work.title}: {summary(shelf, work, found)}"
            if not on_terminal or found.status == "failed":
                bar.clear()
                say(line)
                sys.stdout.flush()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{told}. To resume: {shelf.command}") from None
    finally:
        bar.close()


def open_works(planner):
    """The works that are known and neither done nor failed, in their order."""
    for part in planner.benchmark.parts:
        for work in planner.of_part(part):
            if work.values is None or planner.shelf.path(work) is None:
                continue
            if planner.shelf.look(work).status == "missing":
                yield work


def next_work(planner):
    """The first of ``open_works``, or None."""
    return next(open_works(planner), None)


@contextlib.contextmanager
def next_free(planner):
    """The first of ``open_works`` that no other process trains, kept from them within it; or None."""
    for work in open_works(planner):
        with planner.shelf.claimed(work) as ours:
            # Another process may have finished it since it was looked at.
            if ours and planner.shelf.look(work).status == "missing":
                yield work
                return
    yield None


def summary(shelf, work, found):
    """What a cell gave, in a few words."""
    if found.status != "done":
        return f"FAILED: {found.failure}"
    metric = shelf.hparams(work).early_stop_metric
    return f"validation {metric} {shelf.score(work):.4f}, {found.record['seconds']:.0f} s"


def say_plan(planner, say=print):
    """Prints the cells and seconds of each part and kind, and trains nothing."""
    rows, total = [], [0, 0, 0.0]
    for part in planner.benchmark.parts:
        works, left = planner.of_part(part), still_to_train(planner, part)
        for kind in dict.fromkeys(work.kind for work in works):
            of_kind = [work for work in works if work.kind == kind]
            missing = [work for work in left if work.kind == kind]
            seconds = sum(estimate(planner, work) for work in missing)
            done = sum(planner.shelf.look(work).status == "done" for work in of_kind)
            rows.append([part.name, kind, len(of_kind), done, len(missing), round(seconds)])
            total = [total[0] + len(of_kind), total[1] + done, total[2] + seconds]
    title = f"benchmark {planner.benchmark.name}: cells in the order in which they are trained"
    headers = ["part", "kind", "cells", "done", "to train", "seconds"]
    say(format_table(headers, rows, title, "llrrrr"))
    say(f"\n{total[0]:,} cells, {total[1]:,} done; about {duration(total[2])} to train")
    for log, why in planner.shelf.absent.items():
        say(f"log {log}: {why}")
