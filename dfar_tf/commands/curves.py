"""plot a run's losses and validation metrics by epoch

``bash run.sh curves --run_dir=RUN[,RUN,...]``; a run that is still training has curves too.
"""

import os

from dfar_tf.paths import taken
from recommenders_utils.errors import UserError

FLAGS = {
    "run_dir": (None, "folders of runs, comma-separated"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}
KEYS = ()


def run(options):
    """Forwards to ``run_curves``."""
    from dfar_tf.experiments.curves import run_curves

    if not options.run_dir:
        raise UserError(f"--run_dir is needed: {FLAGS['run_dir'][1]}.")
    folders = [options.run_dir]
    if not os.path.isdir(options.run_dir):
        folders = [taken(f) for f in options.run_dir.split(",")]
    run_curves(folders, options.command, options.output)
