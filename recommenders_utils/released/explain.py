"""Explains why our figures and the released ones differ on the same predictions."""

from typing import Callable, List

import numpy as np
import pandas as pd

from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.names import split
from recommenders_utils.evaluation.rows import EPSILON, RELEASED_MIN_ROWS
from recommenders_utils.released.metrics import BLOCK, DIGITS, OVERALL, RANKED, released_values

HEADERS = ("metric", "ours", "released", "difference", "because")


def explain(frame: pd.DataFrame, locate: Callable[[int], str] = "row {}".format) -> List[list]:
    """Each metric of the release by our rules and by its own, with the cause of the difference.

    Args:
      frame: columns ``instance``, ``user``, ``label``, ``score`` (see ``read_any_predictions``).
      locate: row number to text, for messages.

    Returns:
      Rows (our name, ours, released to 4 digits, released minus ours, cause) of ``HEADERS``; None for
      what the release has no figure of.
    """
    released = released_values(frame, locate)
    names = [*OVERALL, *RANKED]
    ours = evaluate_predictions(frame, names, "expected", locate)
    causes = _Causes(frame)
    rows = []
    for name in names:
        if name not in released:
            because = f"not printed there: the rows are not blocks of {BLOCK} with a positive"
            rows.append([name, ours[name], None, None, because])
            continue
        value = released[name]
        shown = round(value, DIGITS)
        found = causes.of(name)
        because = "; ".join([*found, "rounding"] if shown != value else found)
        rows.append([name, ours[name], shown, shown - ours[name], because or "the same rule"])
    return rows


class _Causes:
    """Counts, over the rows, what the two rules treat differently."""

    def __init__(self, frame):
        labels, scores = np.asarray(frame["label"]), np.asarray(frame["score"])
        _, instances = np.unique(np.asarray(frame["instance"]), return_inverse=True)
        _, users = np.unique(np.asarray(frame["user"]).astype(str), return_inverse=True)
        low = EPSILON["expected"]
        self.clipped = int(np.sum((scores < low) | (scores > 1 - low)))
        rows = np.bincount(users)
        liked = np.bincount(users, labels, len(rows))
        self.short_users = int(np.sum(rows < RELEASED_MIN_ROWS))
        self.short_rows, self.rows = int(rows[rows < RELEASED_MIN_ROWS].sum()), len(labels)
        self.one_class = int(np.sum((rows < RELEASED_MIN_ROWS) & ((liked == 0) | (liked == rows))))
        self.several = int(np.sum(np.bincount(instances, labels) > 1))
        self.tied = _tied_instances(labels, scores, instances)

    def of(self, name):
        """Texts, one a cause; none if the rules give the same on these rows."""
        kind = split(name)[0]
        found = []
        if kind == "logloss" and self.clipped:
            found.append(
                f"{self.clipped} probabilities beyond 1e-7 are clipped at 1e-11 there, 1e-7 here"
            )
        if kind == "gauc" and self.short_users:
            found.append(
                f"{self.short_users} users with fewer than {RELEASED_MIN_ROWS} rows "
                f"({self.short_rows} of {self.rows} rows) count as AUC 1 there, by their own AUC here"
            )
            if self.one_class:
                found.append(f"{self.one_class} of them have one class and are left out here")
        if kind in ("mrr", "ndcg"):
            if self.tied:
                found.append(
                    f"{self.tied} instances have a positive tied with a negative: heapsort's order "
                    "there, the mean rank here"
                )
            if kind == "mrr" and self.several:
                found.append(
                    f"{self.several} instances have several positives: the mean of 1/rank over all "
                    "there, the best here"
                )
        return found


def _tied_instances(labels, scores, instances):
    """How many instances have a positive and a negative of one score."""
    order = np.lexsort((scores, instances))
    instances, scores, labels = instances[order], scores[order], labels[order]
    starts = np.append(True, (np.diff(instances) != 0) | (np.diff(scores) != 0))
    block = np.cumsum(starts) - 1
    rows = np.bincount(block)
    positives = np.bincount(block, labels)
    mixed = (positives > 0) & (positives < rows)
    return len(np.unique(instances[starts][mixed]))
