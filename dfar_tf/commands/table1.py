"""the paper's Table 1: users, items and records of a log

``bash run.sh table1 [--data=amazon] [--ratings=FILE] ...``; writes CSV, Markdown and JSON.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "output": (None, "folder of the CSV, Markdown and JSON; results/ if not given"),
}
KEYS = (
    "ratings",
    "interactions",
    "adapter",
    "min_item_records",
    "min_user_records",
    "rating_threshold",
    "split",
    "cache_dir",
    "name",
)


def run(options):
    """Forwards to ``run_table1``."""
    from dfar_tf.experiments.table1 import run_table1

    run_table1(options.hparams(options.data), options.given, options.command, options.output)
