"""Metrics of finished runs by slices of their test targets: a table, and a panel for each slicing."""

import os

from dfar_tf.experiments.plotting import line_panels
from dfar_tf.experiments.results import file_name, publish
from dfar_tf.runs.folder import RUN_FILE, read_record
from dfar_tf.runs.slices import SLICES_FILE, read_slices
from recommenders_utils.errors import UserError

DRAWN = {"candidates": "ndcg@10", "full": "full_ndcg@10"}
TITLES = {"candidates": "NDCG@10, candidates", "full": "NDCG@10, whole catalogue"}


def run_slices(folders, command="", output=None, say=print):
    """Prints, writes and draws the slices of one run or several on the same data.

    Args:
      folders: of the runs.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      Rows: run, ranking, slice, group, targets, metric, value.

    Raises:
      UserError: a folder without a run or without ``slices.csv``; runs on other data than the first's.
    """
    records, frames = {}, {}
    for folder in folders:
        name = os.path.basename(os.path.normpath(folder))
        frames[name] = _read(folder)
        records[name] = read_record(folder)
    first = next(iter(records.values()))
    for name, record in records.items():
        if record["data_fingerprint"] != first["data_fingerprint"]:
            raise UserError(
                f"{name}: its data are not those of {next(iter(records))}, so their slices are not the "
                "same targets. Give runs on the same data."
            )
    headers = ["run", *next(iter(frames.values())).columns]
    rows = [
        [name, *(None if value != value else value for value in row)]
        for name, frame in frames.items()
        for row in frame.to_numpy().tolist()
    ]
    shown = [row for row in rows if row[5] in DRAWN.values()]
    about = {
        "command": command,
        "data": first["data"],
        "synthetic": bool(first["synthetic"]),
        "runs": {name: record["command"] for name, record in records.items()},
        "seeds": [record["seed"] for record in records.values()],
    }
    title = f"Slices of the test targets, {first['data']}"
    publish(
        file_name("slices", first["data"], *list(records)[:3], synthetic=about["synthetic"]),
        title + (" - SYNTHETIC data" if about["synthetic"] else ""),
        about,
        (headers, rows),
        printed=(headers, shown),
        markdown=(headers, shown),
        draw=lambda: _draw(frames),
        output=output,
        before="",
        say=say,
    )
    return rows


def _read(folder):
    frame = read_slices(folder) if os.path.exists(os.path.join(folder, RUN_FILE)) else None
    if frame is None:
        raise UserError(
            f"{folder}: holds no finished run with {SLICES_FILE}. Give a run's folder; `evaluate "
            "--run_dir=RUN` writes the file into one of an earlier version."
        )
    return frame


def _draw(frames):
    some = next(iter(frames.values()))
    panels, ticks, names = {}, {}, {}
    for ranking, metric in DRAWN.items():
        for cut in some["slice"].unique():
            series = {}
            for name, frame in frames.items():
                chosen = (frame["ranking"] == ranking) & (frame["slice"] == cut)
                own = frame[chosen & (frame["metric"] == metric)]
                if len(own):
                    series[name] = [(None if v != v else v, None) for v in own["value"]]
                    labels = zip(own["group"], own["targets"])
                    ticks[f"{TITLES[ranking]}\n{cut}"] = [f"{g}\n{n:,}" for g, n in labels]
            if series:
                panels[f"{TITLES[ranking]}\n{cut}"] = series
                names[f"{TITLES[ranking]}\n{cut}"] = f"{cut}; below, the number of targets"
    return line_panels(panels, ticks, columns=3, x_label=names)
