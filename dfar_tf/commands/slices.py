"""plot a run's metrics by slices of its test targets

``bash run.sh slices --run_dir=RUN[,RUN,...]``; by history length, target popularity and target age.
Each run's ``slices.csv`` has them all, and those in the whole catalogue too if
the run was evaluated with ``--ranking=full``.
"""

import os

from dfar_tf.paths import taken
from recommenders_utils.errors import UserError

FLAGS = {
    "run_dir": (None, "folders of finished runs, comma-separated"),
    "output": (None, "folder of the CSV, Markdown, JSON, PNG and SVG; results/ if not given"),
}
KEYS = ()


def run(options):
    """Forwards to ``run_slices``."""
    from dfar_tf.experiments.slices import run_slices

    if not options.run_dir:
        raise UserError(f"--run_dir is needed: {FLAGS['run_dir'][1]}.")
    folders = [options.run_dir]
    if not os.path.isdir(options.run_dir):
        folders = [taken(f) for f in options.run_dir.split(",")]
    run_slices(folders, options.command, options.output)
