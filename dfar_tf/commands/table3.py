"""the paper's Table 3: DFAR without parts of it

``bash run.sh table3 [--data=amazon] [--seeds=3] [--loss=...] ...``: DFAR without FHA, without the
label mask, without each of its two losses. Cells are shared with ``table2``.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "seeds": ("3", "number of seeds, starting at --seed or 1"),
    "output": (None, "folder of the CSV, Markdown and JSON; results/ if not given"),
}


def run(options):
    """Forwards to ``run_table3``; returns 1 if a cell failed."""
    from dfar_tf.experiments.table3 import run_table3

    return run_table3(options.data, options.given, options.seeds, options.command, options.output)
