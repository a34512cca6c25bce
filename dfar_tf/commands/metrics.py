"""recompute the metrics of a predictions file, from that file alone

``bash run.sh metrics --predictions=FILE [--metrics=auc,gauc,mrr@10] [--ties=released]``
"""

import os

from dfar_tf.experiments.run_folder import is_synthetic
from dfar_tf.experiments.tables import format_table, metric_name
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.predictions import evaluate_file

FLAGS = {"predictions": (None, "a predictions_*.csv of a run folder, or any of its columns")}


def run(options):
    """Forwards to ``evaluate_file``."""
    if not options.predictions:
        raise UserError(f"--predictions is needed: {FLAGS['predictions'][1]}.")
    hparams = options.hparams()
    values = evaluate_file(options.predictions, hparams.metrics, hparams.ties)
    rows = [[metric_name(name), value] for name, value in values.items()]
    title = f"{options.predictions}\nties {hparams.ties}"
    if is_synthetic(os.path.dirname(options.predictions)):
        title += "; SYNTHETIC data, not comparable with the paper's"
    print(format_table(["metric", "value"], rows, title))
