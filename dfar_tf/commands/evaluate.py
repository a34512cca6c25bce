"""score a run's best checkpoint again and print its tables

``bash run.sh evaluate --run_dir=DIR``
"""

from recommenders_utils.errors import UserError

FLAGS = {"run_dir": (None, "folder of a finished run")}
KEYS = (
    "metrics",
    "ties",
    "ranking",
    "targets",
    "device",
)


def run(options):
    """Forwards to ``evaluate_run``."""
    from dfar_tf.runs.run import evaluate_run

    if not options.run_dir:
        raise UserError(f"--run_dir is needed: {FLAGS['run_dir'][1]}.")
    evaluate_run(options.run_dir, options.given)
