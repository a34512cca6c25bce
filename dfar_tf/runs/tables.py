"""The table that sets our results beside the paper's, and the names of metrics and protocols in tables."""

import textwrap

from recommenders_utils.tables import WIDTH, format_table, undefined

_NAMES = {"auc": "AUC", "gauc": "GAUC", "mrr": "MRR", "ndcg": "NDCG", "logloss": "log loss"}
_COUNTS = (
    ("rows", "rows"),
    ("instances", "instances"),
    ("users", "users"),
    ("gauc_excluded_users", "users left out of GAUC"),
    ("groups_without_positive", "instances without a positive, left out of MRR, NDCG and hit"),
)


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
            gap = None if undefined(theirs) or undefined(ours) else round(ours - theirs, 10)
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
        ``max_seq_length``, ``ties``); missing keys are skipped.
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
