"""the paper's Figure 4: attention between feedbacks

``bash run.sh figure4 [--run_dir=RUN] [--seeds=3] [--user=ID] ...``; without a run the DFARs of ``table2``.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "run_dir": (None, "folder of a finished run of dfar or dfar_released"),
    "seeds": ("3", "number of seeds, if --run_dir is not given"),
    "user": (None, "raw id of a user; draws that user's history instead"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}


def run(options):
    """Forwards to ``run_figure4``; returns 1 if a cell failed."""
    from dfar_tf.experiments.figure4 import run_figure4

    return run_figure4(
        options.data,
        options.given,
        options.run_dir,
        options.seeds,
        options.user,
        options.command,
        options.output,
    )
