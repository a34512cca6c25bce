"""the paper's Figure 6: AUC by the weights of the losses

``bash run.sh figure6 [--data=amazon] [--seeds=3] ...``; each weight over 1e-4, 1e-3, 1e-2, 1e-1.
"""

FLAGS = {
    "data": ("amazon", "data set: a file of hparams/"),
    "seeds": ("3", "number of seeds, starting at --seed or 1"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}


def run(options):
    """Forwards to ``run_figure6``; returns 1 if a cell failed."""
    from dfar_tf.experiments.figure6 import run_figure6

    return run_figure6(options.data, options.given, options.seeds, options.command, options.output)
