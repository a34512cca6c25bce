"""Tables as plain text, Markdown and CSV, and the one that sets our results beside the paper's."""

import csv
import io
import math
import numbers
import textwrap

from recommenders_utils.files import atomic_write

WIDTH = 88
_NAMES = {"auc": "AUC", "gauc": "GAUC", "mrr": "MRR", "ndcg": "NDCG", "logloss": "log loss"}
_RULE = {"l": "---", "r": "---:", "c": ":---:"}
_COUNTS = (
    ("rows", "rows"),
    ("instances", "instances"),
    ("users", "users"),
    ("gauc_excluded_users", "users left out of GAUC"),
    ("groups_without_positive", "instances without a positive, left out of MRR, NDCG and hit"),
)


def format_table(headers, rows, title=None, align=None):
    """Aligned plain text for a terminal.

    Args:
      headers: column names.
      rows: sequences of as many cells: text as it is, floats with 4 digits, integers with
        thousands separators, None and NaN as ``-``.
      title: text above, wrapped; its line breaks are kept.
      align: one of ``l``, ``r``, ``c`` a column, as in ``"lrr"``; by default columns of numbers to
        the right, others to the left.

    Returns:
      The text, without a line break at its end.
    """
    align = align or _alignment(headers, rows)
    cells = [list(map(str, headers))] + [[cell_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    cells.insert(1, ["-" * width for width in widths])
    pad = {"l": str.ljust, "r": str.rjust, "c": str.center}
    lines = [
        "  ".join(pad[a](cell, width) for cell, width, a in zip(row, widths, align)).rstrip()
        for row in cells
    ]
    if title:
        wrapped = [textwrap.fill(line, WIDTH) for line in title.splitlines()]
        lines = [*wrapped, "", *lines]
    return "\n".join(lines)


def to_markdown(headers, rows, align=None):
    """The same table as Markdown; ``|`` in a cell is escaped."""
    align = align or _alignment(headers, rows)
    lines = [list(map(str, headers)), [_RULE[a] for a in align]]
    lines += [[cell_text(cell) for cell in row] for row in rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def to_csv(headers, rows, path=None):
    """The same table as CSV text with numbers in full; written to ``path`` (atomically) if given.

    None and NaN are empty fields.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([["" if _undefined(cell) else cell for cell in row] for row in rows])
    if path is not None:
        with atomic_write(path, newline="") as stream:
            stream.write(buffer.getvalue())
    return buffer.getvalue()


def results_rows(results, paper=None):
    """Headers and rows of metric, ours, and with ``paper`` its figure and ours minus it.

    Args:
      results: ``{metric: value}``; counts (see ``evaluate_predictions``) are passed over.
      paper: ``{metric: value}`` or None; a metric may be missing.

    Returns:
      (headers, rows) with numbers as numbers, for ``format_table``, ``to_markdown``, ``to_csv``.
    """
    counts = {key for key, _ in _COUNTS}
    rows = []
    for metric, ours in results.items():
        if metric in counts:
            continue
        row = [metric_name(metric), ours]
        if paper is not None:
            theirs = paper.get(metric)
            gap = None if _undefined(theirs) or _undefined(ours) else round(ours - theirs, 10)
            row += [theirs, gap]
        rows.append(row)
    headers = ["metric", "ours", "paper", "difference"]
    return headers[: 2 if paper is None else 4], rows


def results_table(
    results, paper=None, *, model, loss, dataset, protocol, seed, part="test", synthetic=False
):
    """Our results, beside the paper's if given, under a heading that says what was measured.

    Args:
      results: ``{metric: value}`` with or without the counts of ``evaluate_predictions``.
      paper: the paper's ``{metric: value}`` or None.
      model: model's name.
      loss: main loss's name.
      dataset: data set's name.
      protocol: ``{key: value}`` of the data hyper-parameters, see ``describe_protocol``.
      seed: the run's seed, or a list of them.
      part: ``test`` or ``valid``.
      synthetic: whether the data are generated.

    Returns:
      Text of at most 100 columns.
    """
    headers, rows = results_rows(results, paper)
    for row in rows[: None if paper is not None else 0]:
        row[3] = None if row[3] is None else f"{row[3]:+.4f}"
    seeds = seed if isinstance(seed, (list, tuple)) else [seed]
    title = "\n".join(
        [
            heading(model, dataset, part, synthetic),
            "loss {}; seed{} {}".format(loss, "s" * (len(seeds) > 1), ", ".join(map(str, seeds))),
            "protocol " + describe_protocol(protocol, part),
        ]
    )
    text = format_table(headers, rows, title, "lrrr"[: len(headers)])
    counts = [f"{results[key]:,} {what}" for key, what in _COUNTS if results.get(key)]
    return text + ("\n\n" + textwrap.fill("; ".join(counts), WIDTH) if counts else "")


def heading(model, dataset, part="test", synthetic=False):
    """One line that names model, data and part, and SYNTHETIC where the data are generated."""
    return f"{model} on {dataset}, {part}" + (
        " - SYNTHETIC data, not comparable with the paper's" if synthetic else ""
    )


def describe_protocol(protocol, part="test"):
    """The protocol in one line: name, split, candidates, training targets, history length.

    Args:
      protocol: ``{key: value}`` of data hyper-parameters (``protocol``, ``split``,
        ``<part>_num_ngs``, ``candidate_sampling``, ``candidate_seed``, ``train_targets``,
        ``max_seq_length``, ``ties``); what is missing is left out.
      part: ``test`` or ``valid``.
    """
    says = [f"split {protocol['split']}"] if "split" in protocol else []
    if f"{part}_num_ngs" in protocol:
        candidates = "1 + {} candidates".format(protocol[f"{part}_num_ngs"])
        sampling = protocol.get("candidate_sampling")
        if sampling == "as imported":
            candidates += " as imported"
        elif sampling:
            candidates += f" by {sampling}"
            if "candidate_seed" in protocol:
                candidates += " (seed {candidate_seed})".format(**protocol)
        says.append(candidates)
    for key, what in (
        ("train_targets", "train targets {}"),
        ("max_seq_length", "histories of {}"),
        ("ties", "ties {}"),
    ):
        if key in protocol:
            says.append(what.format(protocol[key]))
    name = protocol.get("protocol")
    return (f"{name}: " if name else "") + (", ".join(says) or "not stated")


def metric_name(metric):
    """``"ndcg@10"`` to ``"NDCG@10"``, as tables print it."""
    kind, at, k = metric.partition("@")
    return _NAMES.get(kind, kind) + at + k


def _alignment(headers, rows):
    columns = list(zip(*rows)) or [()] * len(headers)

    def numeric(column):
        known = [cell for cell in column if not _undefined(cell)]
        return known and all(isinstance(cell, numbers.Number) for cell in known)

    return "".join("r" if numeric(column) else "l" for column in columns)


def _undefined(cell):
    return cell is None or (isinstance(cell, numbers.Real) and math.isnan(cell))


def cell_text(cell):
    """A cell as tables print it: floats with 4 digits, thousands separators, ``-`` for None and NaN."""
    if _undefined(cell):
        return "-"
    if isinstance(cell, bool) or not isinstance(cell, numbers.Real):
        return str(cell)
    return f"{cell:,}" if isinstance(cell, numbers.Integral) else f"{cell:.4f}"
