"""recompute the metrics of a predictions file

``bash run.sh metrics --predictions=FILE [--metrics=auc,gauc,mrr@10] [--ties=released]``;
``--as=released`` prints the released code's figures, ``--explain`` why they differ from ours. FILE
may come from a run or from the released code.
"""

import os

from recommenders_utils.errors import UserError

FLAGS = {
    "predictions": (None, "a predictions_*.csv of a run folder, or any of its columns"),
    "as": ("ours", "ours, or released for the released code's metrics, groups, ties and rounding"),
    "explain": (False, "print our figures and the released ones, and why they differ"),
}
KEYS = (
    "metrics",
    "ties",
)


def run(options):
    """Reads the file and forwards to ``evaluate_predictions``, ``released_figures`` or ``explain``."""
    from dfar_tf.runs.folder import SCORE_AGAIN, is_synthetic
    from dfar_tf.runs.tables import metric_name
    from recommenders_utils.checksums import check
    from recommenders_utils.evaluation.metrics import evaluate_predictions
    from recommenders_utils.released.explain import HEADERS, explain
    from recommenders_utils.released.metrics import read_any_predictions, released_figures
    from recommenders_utils.tables import format_table

    path, rule = options.predictions, getattr(options, "as")
    if not path:
        raise UserError(f"--predictions is needed: {FLAGS['predictions'][1]}.")
    if rule not in ("ours", "released"):
        raise UserError(f"--as={rule}: expected ours or released.")
    hparams = options.hparams()
    if os.path.isfile(path):
        check(path, SCORE_AGAIN)
    frame = read_any_predictions(path)

    def locate(row):
        return f"{path}:{row + 2}"  # the header is line 1

    title = f"{path}\n"
    if options.explain:
        rows = explain(frame, locate)
        rows = [
            [metric_name(name), ours, theirs, gap if gap is None else f"{gap:+.6f}", because]
            for name, ours, theirs, gap, because in rows
        ]
        title += "ours and the released figures of the same predictions"
        headers, align = HEADERS, "lrrrl"
    elif rule == "released":
        rows = [[name, value] for name, value in released_figures(frame, locate).items()]
        title += "as released"
        headers, align = ("metric", "value"), "lr"
    else:
        values = evaluate_predictions(frame, hparams.metrics, hparams.ties, locate)
        rows = [[metric_name(name), value] for name, value in values.items()]
        title += f"ties {hparams.ties}"
        headers, align = ("metric", "value"), "lr"
    if is_synthetic(os.path.dirname(path)):
        title += "; SYNTHETIC data, not comparable with the paper's"
    print(format_table(headers, rows, title, align))
