"""write one self-contained HTML page of the results

``bash run.sh report [--results=DIR] [--output=report.html]``; nothing is loaded from elsewhere.
"""

FLAGS = {
    "results": (None, "folder of the results; results/ in the checkout if not given"),
    "output": (None, "the page; report.html in that folder if not given"),
}
KEYS = ()


def run(options):
    """Forwards to ``run_report``."""
    from dfar_tf.experiments.report import run_report

    run_report(options.results, options.output, options.command)
