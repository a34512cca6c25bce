"""write one self-contained HTML page of the results

``bash run.sh report [--results=DIR] [--runs=DIR] [--output=report.html]``: a summary, the
training runs, then tables, figures, curves and their settings. Nothing is loaded from elsewhere.
"""

FLAGS = {
    "results": (None, "folder of the results; results/ in the checkout if not given"),
    "runs": (None, "folder of run folders; runs/ beside the results if not given"),
    "output": (None, "the page; report.html in that folder if not given"),
}
KEYS = ()


def run(options):
    """Forwards to ``run_report``."""
    from dfar_tf.experiments.report import run_report

    run_report(options.results, options.output, options.command, options.runs)
