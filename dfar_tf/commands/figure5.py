"""the paper's Figure 5: metrics by length of the history

``bash run.sh figure5 [--data=amazon] [--seeds=3] [--models=din,...,dfar] ...``; cells are ``table2``'s.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/, whose length_groups has the edges"),
    "seeds": ("3", "number of seeds, starting at --seed or 1"),
    "models": ("din,sasrec,tha4rec,dfn,feedrec,dfar", "models, comma-separated"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}


def run(options):
    """Forwards to ``run_figure5``; returns 1 if a cell failed."""
    from dfar_tf.experiments.figure5 import run_figure5

    return run_figure5(
        options.data,
        options.given,
        options.models,
        options.seeds,
        options.command,
        options.output,
    )
