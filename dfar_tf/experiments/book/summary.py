"""The first table of the book: where each part stands, by ten candidates and by the whole catalogue."""

import collections
import statistics

from dfar_tf.experiments.book.benchmark import title_of
from dfar_tf.experiments.book.claims import VERDICTS
from dfar_tf.experiments.table2 import OURS
from recommenders_utils.tables import to_markdown

METRICS = ("NDCG@10", "full NDCG@10")
NOTE = (
    "Means over seeds of the test figures. The best other and the best untrained are those of the "
    "highest mean in the column, with nothing corrected for having looked; each part below has the tests."
)


def summary_text(titles, cells, claims):
    """One row a part: cells done, ours, the best other and the best untrained, and its verdicts.

    Args:
      titles: ``{(log, objective): title}`` of the parts, in their order.
      cells, claims: dicts by the HEADERS of ``rows`` and ``claims``.

    Returns:
      Markdown: the table and what it shows.
    """
    ours = title_of(OURS)
    figures = [
        f"{name}: {who}" for name in METRICS for who in (ours, "best other", "best untrained")
    ]
    rows = []
    for key, title in titles.items():
        own = [row for row in cells if (row["log"], row["objective"]) == key]
        done = [row for row in own if row["status"] == "done"]
        found = [text for name in METRICS for text in _standing(done, name)]
        verdicts = [row["verdict"] for row in claims if (row["log"], row["objective"]) == key]
        rows.append([title, f"{len(done)} of {len(own)}", *found, _count(verdicts)])
    headers = ["part", "cells", *figures, "the paper's claims"]
    return f"{to_markdown(headers, rows, 'lr' + 'l' * (len(figures) + 1))}\n\n{NOTE}"


def best_means(rows, metric):
    """``{group: (mean, title)}``: ours, and the best by mean of "tuned" others and of "untrained" models."""
    values = collections.defaultdict(list)
    for row in rows:
        if row["kind"] in ("tuned", "untrained") and row[metric] is not None:
            group = row["kind"] if row["model"] != OURS else OURS
            values[group, title_of(row["model"])].append(row[metric])
    best = {}
    for (group, title), found in values.items():
        each = statistics.mean(found), title
        best[group] = max(each, best.get(group, each))
    return best


def _standing(rows, metric):
    """Ours, the best other and the best untrained as text; None where there is none."""
    best = best_means(rows, metric)
    for group in (OURS, "tuned", "untrained"):
        mean, title = best.get(group, (None, None))
        yield title and (f"{mean:.4f}" if group == OURS else f"{title} {mean:.4f}")


def _count(verdicts):
    count = collections.Counter(verdicts)
    return ", ".join(f"{name} {count[name]}" for name in VERDICTS if count[name]) or "none"
