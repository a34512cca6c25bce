"""The rows of docs/paper-vs-released.md that the book measures again, tuned and with several seeds."""

import statistics

from dfar_tf.experiments.book.claims import told
from dfar_tf.experiments.book.text import mean_text
from dfar_tf.experiments.table2 import OURS
from dfar_tf.experiments.table3 import WHOLE
from recommenders_utils.tables import to_markdown

# Row of the page, what is changed, and the kind and name of the changed cells.
CHANGES = (
    (1, "no label mask", "ablation", "w/o MO"),
    (12, "no disentangling loss", "ablation", "w/o IDL"),
    (13, "no loss between the towers", "ablation", "w/o IBL"),
    (25, "the paper's step size, untuned", "published", "as published"),
)
HEADERS = ["row", "change", "part", "test", "tuned", "changed", "tuned minus changed", "seeds"]


def differences_text(titles, cells, pairs):
    """A table of ``CHANGES`` in each part that has their cells, and which are missing.

    Args:
      titles, cells, pairs: as of ``book_text``.
    """
    rows, missing = [], []
    for number, change, kind, name in CHANGES:
        without = []
        for key, title in titles.items():
            own = [
                row
                for row in cells
                if row["model"] == OURS and (row["log"], row["objective"]) == key
            ]
            changed = [row for row in own if (row["kind"], row["cell"]) == (kind, name)]
            if not changed:
                continue
            # AUC also compares the offsets of instances, which softmax leaves free.
            metric = "GAUC" if any(row["AUC centred"] is not None for row in own) else "AUC"
            tuned = _figures([row for row in own if row["kind"] == "tuned"], metric)
            found = _figures(changed, metric)
            if not tuned or not found:
                without.append(title)
                continue
            said = _tested(key, name, pairs, metric) or _difference(tuned, found)
            seeds = f"{len(tuned)}, {len(found)}"
            figures = [mean_text(tuned), mean_text(found), said]
            rows.append([number, change, title, metric, *figures, seeds])
        if without:
            missing.append(f"- row {number}, {change}: {'; '.join(without)}")
    blocks = [to_markdown(HEADERS, rows, "rlllllll")] if rows else []
    if missing:
        blocks.append("Not measured, as cells are missing:\n\n" + "\n".join(missing))
    return "\n\n".join(blocks)


def _figures(rows, metric):
    return [row[metric] for row in rows if row["status"] == "done"]


def _difference(tuned, changed):
    return f"{statistics.mean(tuned) - statistics.mean(changed):+.4f}"


def _tested(key, name, pairs, metric):
    """The difference with its interval and p-value, where the book has tested it."""
    for row in pairs:
        at = row["log"], row["objective"], row["family"], row["metric"]
        if at == (*key, "table3", metric.lower()) and (row["first"], row["second"]) == (
            WHOLE,
            name,
        ):
            return told(row)
    return None
