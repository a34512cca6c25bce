"""Metrics of finished runs by slices of their test targets: a table, and a panel for each slicing."""

import os
import tempfile

from dfar_tf.experiments.plotting import line_panels, save_figure
from dfar_tf.experiments.results import file_name, publish
from dfar_tf.runs.folder import RUN_FILE, read_record
from dfar_tf.runs.slices import SLICES_FILE, read_slices
from recommenders_utils.errors import UserError

DRAWN = {"candidates": "ndcg@10", "full": "full_ndcg@10"}
TITLE = "Slices of the test targets"
NEWEST = 3  # runs of a log in the report
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
    headers, rows = _rows(frames)
    shown = _drawn(rows)
    about = {
        "command": command,
        "data": first["data"],
        "synthetic": bool(first["synthetic"]),
        "runs": {name: record["command"] for name, record in records.items()},
        "seeds": [record["seed"] for record in records.values()],
    }
    title = f"{TITLE}, {first['data']}"
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


def slice_sections(runs, folder, say=print):
    """The report's section for each log: the slices of its newest runs.

    Args:
      runs: the finished runs, newest first, as of ``report.read_runs``.
      folder: of their folders.
      say: called with a line for each ``slices.csv`` that is damaged.

    Returns:
      Dicts of name, record and PNG, as of ``report.read_sections``.
    """
    logs, sections = {}, []
    for run in runs:
        own = logs.setdefault(run["data_fingerprint"], [])
        try:
            frame = read_slices(os.path.join(folder, run["run"])) if len(own) < NEWEST else None
        except UserError as error:
            say(f"left out: {error}")
            continue
        if frame is not None:
            own.append((run, frame))
    for own in filter(None, logs.values()):
        first, frames = own[0][0], {run["run"]: frame for run, frame in own}
        about = {
            "data": first["data"],
            "synthetic": bool(first["synthetic"]),
            "seeds": [run["seed"] for run, _ in own],
            "command": "bash run.sh slices --run_dir=" + ",".join(frames),
        }
        headers, rows = _rows(frames)
        record = {**about, "headers": headers, "rows": _drawn(rows)}
        record["notes"] = ["The newest runs on this log; all metrics are in their slices.csv."]
        name = file_name("slices", first["data"], *list(frames), synthetic=about["synthetic"])
        with tempfile.TemporaryDirectory() as made:
            save_figure(_draw(frames), os.path.join(made, "slices"), about, TITLE)
            with open(os.path.join(made, "slices.png"), "rb") as stream:
                sections.append({"name": name, "record": record, "image": stream.read()})
    return sections


def _rows(frames):
    """(headers, rows) of the slices of runs; undefined values are None."""
    headers = ["run", *next(iter(frames.values())).columns]
    return headers, [
        [name, *(None if value != value else value for value in row)]
        for name, frame in frames.items()
        for row in frame.to_numpy().tolist()
    ]


def _drawn(rows):
    return [row for row in rows if row[5] in DRAWN.values()]


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
