"""Learning curves of finished or running runs: losses and validation metrics by epoch."""

import os

from dfar_tf.estimator.state import STATE_FILE, TrainingState
from dfar_tf.estimator.training import CHECKPOINTS
from dfar_tf.experiments.plotting import (
    LEAST_SPAN,
    chance_line,
    chance_of,
    honest_limits,
    line,
    new_figure,
)
from dfar_tf.experiments.results import file_name, publish
from dfar_tf.runs.folder import HPARAMS_FILE, RUN_FILE, read_record, read_settings
from dfar_tf.runs.tables import metric_name
from recommenders_utils.errors import UserError


def run_curves(folders, command="", output=None, say=print):
    """Prints, writes and draws the epochs of one run or several.

    Args:
      folders: of the runs.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      Rows, one per epoch and run.

    Raises:
      UserError: a folder without a run, or a run that has no epoch yet.
    """
    runs = [read_run(folder) for folder in folders]
    terms = list(
        dict.fromkeys(t for run in runs for e in run["epochs"] for t in e.get("train_terms", {}))
    )
    metrics = list(dict.fromkeys(m for run in runs for e in run["epochs"] for m in e["validation"]))
    headers = [
        "run",
        "epoch",
        "loss",
        *(f"loss: {t}" for t in terms),
        *map(metric_name, metrics),
        "seconds",
    ]
    rows = [
        [
            *(run["name"], epoch["epoch"], epoch["train_loss"]),
            *(epoch.get("train_terms", {}).get(term) for term in terms),
            *(epoch["validation"].get(metric) for metric in metrics),
            epoch["seconds"],
        ]
        for run in runs
        for epoch in run["epochs"]
    ]
    about = {
        "command": command,
        "data": ", ".join(dict.fromkeys(run["data"] for run in runs)),
        "synthetic": any(run["synthetic"] for run in runs),
        "runs": {run["name"]: run["command"] for run in runs},
        "seeds": [run["seed"] for run in runs],
    }
    title = f"Learning curves, {about['data']}" + (
        " - SYNTHETIC data" if about["synthetic"] else ""
    )
    publish(
        file_name("curves", *(run["name"] for run in runs[:3]), synthetic=about["synthetic"]),
        f"{title}\nlosses: training means, unweighted terms; metrics: validation",
        about,
        (headers, rows),
        draw=lambda: _draw(runs, terms, metrics),
        output=output,
        before="",
        say=say,
    )
    return rows


def read_run(folder):
    """The epochs that a run folder records, with name, data, seed and command.

    Raises:
      UserError: there is none.
    """
    state = os.path.join(folder, CHECKPOINTS, STATE_FILE)
    for path in (os.path.join(folder, HPARAMS_FILE), os.path.join(folder, RUN_FILE), state):
        if not os.path.exists(path):
            missing = os.path.relpath(path, folder)
            raise UserError(
                f"{folder}: it holds no run with a finished epoch ({missing} is missing); give a "
                "run folder."
            )
    record, hparams = read_record(folder), read_settings(folder)
    epochs = TrainingState(os.path.dirname(state), hparams.early_stop_metric, 0).epochs
    if not epochs:
        raise UserError(f"{folder}: the run has not finished an epoch yet; wait for the first.")
    name = os.path.basename(os.path.normpath(folder))
    return {"name": name, "model": hparams.model_type, "epochs": epochs, **{
        key: record[key] for key in ("data", "synthetic", "seed", "command")
    }}  # fmt: skip


def _draw(runs, terms, metrics):
    from matplotlib import ticker

    panels = ["loss", *(f"loss: {t}" for t in terms), *metrics]
    columns = min(4, len(panels))
    figure, axes = new_figure(columns, -(-len(panels) // columns), 3.2, 2.6)
    for place, panel in enumerate(panels):
        axis, shown = axes[place // columns][place % columns], []
        for number, run in enumerate(runs):
            points = [(e["epoch"], _value(e, panel)) for e in run["epochs"]]
            points = [(x, y) for x, y in points if y is not None]
            shown += [y for _, y in points]
            if points:
                line(axis, number, *zip(*points), label=run["name"])
        is_loss = panel.startswith("loss")
        chance = None if is_loss else chance_of(panel, None)
        if chance is not None:
            chance_line(axis, chance)
        # A loss has no scale of its own: a tenth of its size counts as the least difference.
        least = 0.1 * max(map(abs, shown), default=0.0) if is_loss else LEAST_SPAN
        honest_limits(axis, shown, least=least, chance=chance)
        axis.set_ylabel(panel if is_loss else "validation " + metric_name(panel), fontsize=8)
        axis.set_xlabel("epoch", fontsize=8)
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    for place in range(len(panels), axes.size):
        axes[place // columns][place % columns].set_axis_off()
    axes[0][0].legend(fontsize=6)
    return figure


def _value(epoch, panel):
    if panel == "loss":
        return epoch["train_loss"]
    if panel.startswith("loss: "):
        return epoch.get("train_terms", {}).get(panel[len("loss: ") :])
    return epoch["validation"].get(panel)
