"""the paper's Table 1: users, items and records of a log, beside the paper's if it is its log

``bash run.sh table1 [--data=amazon] [--ratings=FILE] ...``; writes CSV, Markdown and JSON.
"""

from dfar_tf.experiments.table1 import run_table1

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "output": (None, "folder of the CSV, Markdown and JSON; results/ if not given"),
}


def run(options):
    """Forwards to ``run_table1``."""
    run_table1(options.hparams(options.data), options.given, options.command, options.output)
