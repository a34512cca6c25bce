"""Table 1: the log's statistics, beside the paper's if the log is the paper's or its column is asked for."""

from dfar_tf.experiments.results import file_name, publish
from dfar_tf.runs.paper import paper_table1
from dfar_tf.runs.steps import prepare_data

# Ours -> the paper's name of the same.
COLUMNS = (
    ("users", "users"),
    ("items", "items"),
    ("positive_records", "positive"),
    ("negative_records", "negative"),
    ("avg_records_per_user", "records_per_user"),
)


def run_table1(hparams, given=(), command="", output=None, say=print):
    """Prepares the data, prints and writes the table.

    Args:
      hparams: the merged hyper-parameters.
      given: keys the user gave.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      Rows of (statistic, ours) and, where it is shown, the paper's.

    Raises:
      UserError: see ``prepare_data``.
    """
    store, hparams = prepare_data(hparams, given, lambda line: None)
    paper = paper_table1(hparams.paper_column) if hparams.paper_column != "none" else {}
    ours = store.meta["statistics"]
    rows = [[name.replace("_", " "), ours[name]] for name, _ in COLUMNS]
    if paper:
        rows = [[*row, paper[theirs]] for row, (_, theirs) in zip(rows, COLUMNS)]
    headers = ("ours", "paper")[: 1 + bool(paper)]
    about = {
        "command": command,
        "data": store.meta["name"],
        "synthetic": bool(store.meta["synthetic"]),
        "filter": f"items with {hparams.min_item_records} records or more, then users with "
        f"{hparams.min_user_records}, {hparams.core_filter}",
        "data_fingerprint": store.meta["fingerprint"],
    }
    title = f"Table 1: {about['data']}" + (" - SYNTHETIC data" if about["synthetic"] else "")
    publish(
        file_name("table1", about["data"], synthetic=about["synthetic"]),
        f"{title}\n{about['filter']}",
        about,
        (("statistic", *headers), rows),
        printed=(("", *headers), rows),
        align="lrr"[: 1 + len(headers)],
        output=output,
        before="",
        say=say,
    )
    return rows
