"""train the paper's tables, every model tuned alike: a book

``bash run.sh benchmark [book] [--data_dir=DIR] [--only=toys_released,log_loss]
[--minutes=60]``: trains the missing cells of ``hparams/benchmarks/book.yaml``, cheapest first, and
writes tables, tests, the paper's claims with verdicts, figures and a report into
``results/book``. After Ctrl-C the same command resumes. Hyper-parameters apply to all
cells.
"""

FLAGS = {
    "benchmark": (None, "a file of hparams/benchmarks/, or the path of one; book if not given"),
    "data_dir": (None, "folder of the logs' files; data/ in the checkout if not given"),
    "only": (None, "logs, objectives and models to take, comma-separated; all if not given"),
    "plan": (False, "print the cells and their seconds, and train nothing"),
    "minutes": (None, "start no further cell after so many minutes"),
    "only_report": (False, "train nothing; write the book from the cells that there are"),
    "any_code": (False, "take cells that other code made where today's code has none"),
    "retry": (False, "train cells again that failed"),
    "cells": (None, "folder of the cells; runs/book in the checkout if not given"),
    "add_to": (None, "folder of an earlier book, as docs/book: take its rows for cells not here"),
    "docs": (False, "then copy the rows to docs/book and rewrite the docs' parts"),
    "output": (None, "folder of the book; results/book in the checkout if not given"),
}
KEYS = ("epochs", "batch_size", "device", "intra_op_threads")
WORD = "benchmark"


def run(options):
    """Forwards to ``run_benchmark``, and with ``--docs`` to ``write_docs``."""
    import os

    from dfar_tf.experiments.book.docs import write_docs
    from dfar_tf.experiments.book.session import run_benchmark
    from dfar_tf.paths import in_checkout, taken
    from dfar_tf.runs.grid import positive_number

    output = options.output or in_checkout(os.path.join("results", "book"))
    name = options.benchmark or "book"
    status = run_benchmark(
        taken(name) if name.endswith(".yaml") else name,
        options.given,
        options.data_dir,
        options.only,
        options.plan,
        options.only_report,
        options.any_code,
        options.retry,
        positive_number(options.minutes, "minutes") if options.minutes else None,
        options.cells,
        options.command,
        output,
        taken(options.add_to) if options.add_to else None,
    )
    if options.docs and not options.plan:
        write_docs(output)
    return status
