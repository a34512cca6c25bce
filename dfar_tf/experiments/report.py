"""One self-contained HTML page of everything in a results folder and of the training runs beside it."""

import os

from dfar_tf.experiments.page import page
from dfar_tf.experiments.slices import slice_sections
from dfar_tf.models import about_model, model_names
from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import HPARAMS_FILE, RESULTS_FILE, RUN_FILE
from dfar_tf.runs.paper import paper_row
from dfar_tf.runs.tables import metric_name
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import atomic_write, read_json
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.tables import undefined

# The order of the sections; what is not named comes last, by name.
ORDER = (
    *("claims", "table1", "table2", "table3", "figure4", "figure5", "figure6", "slices"),
    *("published", "sweep", "complexity", "curves"),
)
DECIDING = (
    "ndcg@10",
    "auc",
)  # the metric by which a log's best model is chosen: the first there is
SHOWN = ("auc", "gauc", "mrr@10", "ndcg@10")
RUN_HEADERS = [
    *("run", "model", "log", "seed", "epochs", "best epoch", *map(metric_name, SHOWN)),
    *("best untrained NDCG@10", "seconds"),
]


def run_report(folder=None, output=None, command="", runs=None, say=print):
    """Writes ``report.html`` from the JSON, PNG and notes of a results folder and from run folders.

    Of each log's newest runs it draws the slices, unless the results have a figure of slices.

    Args:
      folder: of the results; ``results/`` in the checkout if None.
      output: path of the page; ``report.html`` in that folder if None.
      command: the command line.
      runs: folder of the run folders; ``runs/`` beside the results if None.
      say: called with each line to print.

    Returns:
      Path of the page.

    Raises:
      UserError: no such folder, neither a result nor a run, or a result that is damaged.
    """
    folder = folder or in_checkout("results")
    runs = runs or os.path.join(os.path.dirname(os.path.abspath(folder)), "runs")
    trained, left_out = read_runs(runs)
    if not os.path.isdir(folder) and not trained:
        raise UserError(f"{folder}: no such folder; run table2 or another command first.")
    found = list(read_sections(folder)) if os.path.isdir(folder) else []
    if not any(section["name"].startswith("slices") for section in found):
        found += slice_sections(trained, runs, say)
    sections = sorted(found, key=lambda s: (_place(s["name"]), s["name"]))
    if not sections and not trained:
        raise UserError(f"{folder}: no results in it; run table2 or another command first.")
    path = output or os.path.join(folder, "report.html")
    table = (
        RUN_HEADERS,
        [run_row(run) for run in trained],
        [run["data_fingerprint"] for run in trained],
    )
    with atomic_write(path) as stream:
        stream.write(
            page(sections, command, summarise(trained, sections), table if trained else None)
        )
    for name in left_out:
        say(f"{shown(name)}: left out: its files cannot be read")
    say(f"{len(sections)} results, {len(trained)} training runs; written: {shown(path)}")
    return path


def read_sections(folder):
    """Yields dicts of name, record and PNG (bytes or None) of each result that ``write_results`` wrote."""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json") or os.path.islink(os.path.join(folder, name)):
            continue  # a link is the newest of files that are read anyway
        base = os.path.join(folder, name[: -len(".json")])
        record = _read(base + ".json")
        if record is None:  # of another command, such as bench or diff
            continue
        image = None
        if os.path.exists(base + ".png"):
            with open(base + ".png", "rb") as stream:
                image = stream.read()
        yield {"name": name[: -len(".json")], "record": record, "image": image}


def _read(path):
    """A result's record, or None if the file is of another kind."""
    try:
        record = read_json(path)
    except ValueError as error:
        raise UserError(
            f"{path}: not JSON: {type(error).__name__}: {shortened(str(error))}. Delete it or run its "
            "command again."
        ) from None
    if not isinstance(record, dict) or not {"headers", "rows", "command"} <= set(record):
        return None
    lists = [record["headers"], record["rows"], record.get("notes", [])]
    lists += record["rows"] if isinstance(record["rows"], list) else []
    if not all(isinstance(each, list) for each in lists):
        raise UserError(
            f"{path}: not a table: expected lists of headers, rows and notes. Delete it or run its command "
            "again."
        )
    return record


def read_runs(folder):
    """The finished runs in a folder, newest first, and the paths of those that cannot be read.

    Returns:
      (list of ``results.json`` with ``run``, ``started`` and ``paper_column``, list of paths).
    """
    found, left_out = [], []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if not os.path.exists(os.path.join(path, RESULTS_FILE)):
            continue
        try:
            results = read_json(os.path.join(path, RESULTS_FILE))
            record = read_json(os.path.join(path, RUN_FILE))
            column = prepare_hparams(os.path.join(path, HPARAMS_FILE)).paper_column
            found.append({**results, "run": name, "started": record["started"]})
            found[-1]["paper_column"] = column
            run_row(found[-1])
        except (OSError, ValueError, LookupError, TypeError, AttributeError, UserError):
            found = [run for run in found if run["run"] != name]
            left_out.append(path)
    return sorted(found, key=lambda run: str(run["started"]), reverse=True), left_out


def run_row(run):
    """A run's row under ``RUN_HEADERS``."""
    best = best_untrained(run, "ndcg@10")
    return [
        *(run["run"], title_of(run["model"]), run["data"], run["seed"]),
        *(len(run["epochs"]) or None, run["best_epoch"]),
        *(run["test"].get(metric) for metric in SHOWN),
        f"{best[0]} {best[1]:.4f}" if best else None,
        run["seconds"]["all"],
    ]


def summarise(runs, sections):
    """The best trained model on each log and its candidates, by the first of ``DECIDING`` that is measured.

    Args:
      runs: as of ``read_runs``.
      sections: as of ``read_sections``; of them the Table 2's count.

    Returns:
      A dict each: title, log, fingerprint, metric, value, more, untrained (name, value) or None, paper
      (value or None), is_papers (whether the log is the paper's), synthetic.
    """
    found = [_of_run(run) for run in runs if run["epochs"]]
    found += [_of_table(s["record"]) for s in sections if s["name"].startswith("table2")]
    best = {}
    for each in filter(None, found):
        key = each["fingerprint"]
        if key not in best or each["value"] > best[key]["value"]:
            best[key] = each
    return list(best.values())


def _of_run(run):
    metric = next((m for m in DECIDING if not undefined(run["test"].get(m))), None)
    if metric is None:
        return None
    is_papers = run["paper_column"] != "none"
    row = paper_row(run["model"], run["paper_column"] if is_papers else "amazon") or {}
    others = [m for m in SHOWN if m != metric and not undefined(run["test"].get(m))]
    more = [f"{metric_name(m)} {run['test'][m]:.4f}" for m in others]
    return {
        "title": title_of(run["model"]),
        "log": run["data"],
        "fingerprint": run["data_fingerprint"],
        "metric": metric,
        "value": run["test"][metric],
        "more": ", ".join([*more, f"seed {run['seed']}", f"run {run['run']}"]),
        "untrained": best_untrained(run, metric),
        "paper": row.get(metric),
        "is_papers": is_papers,
        "synthetic": bool(run["synthetic"]),
    }


def _of_table(record):
    headers = record["headers"]
    # Of columns of one name the first counts: the later are of the whole catalogue.
    rows = [dict(reversed(list(zip(headers, row)))) for row in record["rows"]]
    for metric in DECIDING:
        name = metric_name(metric)
        parts = {"trained": [], "untrained": []}
        for row in rows:
            if not undefined(row.get(name)):
                parts[row.get("part", "trained")].append(row)
        if name not in headers or not parts["trained"]:
            continue
        ours = max(parts["trained"], key=lambda row: row[name])
        other = max(parts["untrained"], key=lambda row: row[name], default=None)
        in_paper = ours.get(f"{name} paper")
        row = {} if in_paper is not None else paper_row(ours["model"], "amazon") or {}
        return {
            "title": ours["model"],
            "log": record["data"],
            "fingerprint": record["data_fingerprint"],
            "metric": metric,
            "value": ours[name],
            "more": f"mean of {len(record.get('seeds', [1]))} seed(s), best of "
            f"{len(parts['trained'])} models of Table 2",
            "untrained": (other["model"], other[name]) if other else None,
            "paper": in_paper if in_paper is not None else row.get(metric),
            "is_papers": in_paper is not None,
            "synthetic": bool(record.get("synthetic")),
        }
    return None


def best_untrained(run, metric):
    """(name, value) of the best untrained model on a run's test rows, or None."""
    values = {
        name: found["test"][metric]
        for name, found in run.get("untrained", {}).items()
        if not undefined(found.get("test", {}).get(metric))
    }
    return max(values.items(), key=lambda pair: pair[1], default=None)


def title_of(model):
    """A model's name as tables print it."""
    return about_model(model)["title"] if model in model_names() else model


def _place(name):
    kind = name.split("-")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)
