"""the paper's Appendix A.1.5, measured: cost of MHA, THA, FHA and FFHA against T, H and D

``bash run.sh complexity [--repeats=20]``; parameters, multiply-adds and times, all in one run.
"""

from dfar_tf.bench.complexity import run_complexity
from dfar_tf.runs.grid import positive_number

FLAGS = {
    "repeats": ("20", "timed runs of each layer at each point"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}


def run(options):
    """Forwards to ``run_complexity``."""
    repeats = positive_number(options.repeats, "repeats")
    run_complexity(options.hparams(), repeats, options.command, options.output)
