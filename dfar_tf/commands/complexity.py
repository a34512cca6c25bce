"""the paper's Appendix A.1.5: measured cost of the attentions

``bash run.sh complexity [--repeats=20]``; parameters, multiply-adds and times of MHA, THA, FHA and
FFHA against T, H and D, all in one run.
"""

FLAGS = {
    "repeats": ("20", "timed runs of each layer at each point"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}
KEYS = ("device",)


def run(options):
    """Forwards to ``run_complexity``."""
    from dfar_tf.bench.complexity import run_complexity
    from dfar_tf.runs.grid import positive_number

    repeats = positive_number(options.repeats, "repeats")
    run_complexity(options.hparams(), repeats, options.command, options.output)
