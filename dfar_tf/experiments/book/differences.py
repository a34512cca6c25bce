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
HEADERS = ["row", "change", "part", "test AUC, tuned", "changed", "tuned minus changed", "seeds"]


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
            tuned = _aucs([row for row in own if row["kind"] == "tuned"])
            found = _aucs(changed)
            if not tuned or not found:
                without.append(title)
                continue
            said = _tested(key, name, pairs) or _difference(tuned, found)
            seeds = f"{len(tuned)}, {len(found)}"
            rows.append([number, change, title, mean_text(tuned), mean_text(found), said, seeds])
        if without:
            missing.append(f"- row {number}, {change}: {'; '.join(without)}")
    blocks = [to_markdown(HEADERS, rows, "rllllll")] if rows else []
    if missing:
        blocks.append("Not measured, as cells are missing:\n\n" + "\n".join(missing))
    return "\n\n".join(blocks)


def _aucs(rows):
    return [row["AUC"] for row in rows if row["status"] == "done"]


def _difference(tuned, changed):
    return f"{statistics.mean(tuned) - statistics.mean(changed):+.4f}"


def _tested(key, name, pairs):
    """The difference with its interval and p-value, where the book has tested it."""
    for row in pairs:
        at = row["log"], row["objective"], row["family"], row["metric"]
        if at == (*key, "table3", "auc") and (row["first"], row["second"]) == (WHOLE, name):
            return told(row)
    return None
