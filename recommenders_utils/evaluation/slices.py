"""Every metric by slices of the test targets: history length, the target's popularity and its age.

Letters: N test targets, I items of the catalogue.
"""

import typing
from typing import Any

import numpy as np
import pandas as pd

from recommenders_utils.dataset.training import first_training_times, training_counts
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import CUTOFFS, catalogue_figures, checked_cutoffs
from recommenders_utils.evaluation.metrics import evaluate_predictions

POPULARITY_SHARES = (1 / 3, 2 / 3)
POPULARITY_GROUPS = ("head", "middle", "tail", "never trained")
AGE_EDGES = (30, 180, 365, 730)  # days
NO_RECORD = "no training record"
COLUMNS = ("ranking", "slice", "group", "targets", "metric", "value")
CANDIDATE_METRICS = ("auc", "gauc", "mrr@10", "ndcg@10")
_DAY = 86400


class Slicing(typing.NamedTuple):
    """One way to cut the targets.

    Attributes:
      name: what is cut by.
      groups: names, in order.
      number: int [N], each target's group.
    """

    name: str
    groups: typing.Tuple[str, ...]
    number: np.ndarray


def edge_names(edges: typing.Sequence[float]) -> typing.Tuple[str, ...]:
    """Names of the groups of whole numbers between edges: ("<= 10", "11 to 15", "> 15")."""
    inner = [
        f"{low + 1} to {high}" if high > low + 1 else f"{high}"
        for low, high in zip(edges, edges[1:])
    ]
    return (f"<= {edges[0]}", *inner, f"> {edges[-1]}")


def popularity_groups(
    counts: np.ndarray, shares: typing.Tuple[float, float] = POPULARITY_SHARES
) -> np.ndarray:
    """Each item's place in ``POPULARITY_GROUPS``: int [I].

    With s_i = (training targets of items more popular than i) / (all training targets), an item is
    head if s_i < shares[0], middle if s_i < shares[1], else tail: by default head, middle and tail have
    about a third of the training targets each. Equal counts are in one group; count 0 is never trained.

    Args:
      counts: int [I], see ``training_counts``.
      shares: where middle and tail begin.
    """
    counts = np.asarray(counts, np.int64)
    ascending = np.sort(counts)
    sums = np.append(0, np.cumsum(ascending))
    total = sums[-1]
    more = total - sums[np.searchsorted(ascending, counts, side="right")]
    group = np.searchsorted(np.asarray(shares), more / max(total, 1), side="right")
    return np.where(counts > 0, group, len(POPULARITY_GROUPS) - 1)


def slicings(
    store: Any,
    users: np.ndarray,
    ends: np.ndarray,
    length_edges: typing.Sequence[int],
    age_edges: typing.Sequence[float] = AGE_EDGES,
) -> typing.Tuple[Slicing, ...]:
    """The three ways to cut test targets.

    Args:
      store: ``SequenceStore``.
      users: int [N], the targets' users.
      ends: int [N], the targets' records, in the order of their ``instance`` numbers.
      length_edges: the data set's ``length_groups`` (paper, Figure 5): a history of that many records
        or fewer is in the group.
      age_edges: days from the item's first training record to the target; a target before its item's first
        training record, which leave-one-out allows, is in a group of its own.

    Raises:
      UserError: edges that are not ascending.
    """
    for name, edges in (("length_groups", length_edges), ("age_groups", age_edges)):
        if not len(edges) or np.any(np.diff(edges) <= 0):
            raise UserError(f"{name}: {list(edges)}, expected one or more ascending numbers")
    users, ends = np.asarray(users), np.asarray(ends)
    lengths = ends - np.asarray(store.user_offsets)[users]
    items = np.asarray(store.items)[ends] - 1
    days = (np.asarray(store.times)[ends] - first_training_times(store)[items]) / _DAY
    bounds = [
        f"<= {age_edges[0]:g} days",
        *(f"{low:g} to {high:g} days" for low, high in zip(age_edges, age_edges[1:])),
        f"> {age_edges[-1]:g} days",
    ]
    age = np.where(days < 0, 0, 1 + np.searchsorted(np.asarray(age_edges), days))
    age_names = ("before its first", *bounds, NO_RECORD)
    age = np.where(np.isneginf(days), len(age_names) - 1, age)
    return (
        Slicing(
            "history length",
            edge_names(length_edges),
            np.searchsorted(np.asarray(length_edges), lengths),
        ),
        Slicing(
            "target popularity",
            POPULARITY_GROUPS,
            popularity_groups(training_counts(store))[items],
        ),
        Slicing("target age", age_names, age),
    )


def candidate_slices(
    predictions: pd.DataFrame,
    cuts: typing.Iterable[Slicing],
    metrics: typing.Sequence[str] = CANDIDATE_METRICS,
    ties: str = "expected",
) -> pd.DataFrame:
    """Metrics of each group from the rows of predictions_test.csv.

    Args:
      predictions: ``instance``, ``user``, ``label`` and ``score``; instance numbers the targets of cuts.
      cuts: see ``slicings``.
      metrics: names.
      ties: ``expected`` or ``released``.

    Returns:
      DataFrame with ``COLUMNS``, ranking "candidates"; NaN where undefined.

    Raises:
      UserError: an instance that the cuts do not have; as ``evaluate_predictions``.
    """

    def figures(part):
        return evaluate_predictions(part, metrics, ties)

    return _table("candidates", predictions, cuts, figures, metrics)


def catalogue_slices(
    ranks: pd.DataFrame,
    cuts: typing.Iterable[Slicing],
    cutoffs: typing.Iterable[int] = CUTOFFS,
    ties: str = "expected",
) -> pd.DataFrame:
    """Figures of each group from the rows of ranks_test.csv.

    Args:
      ranks: see ``catalogue_figures``; instance numbers the targets of cuts.
      cuts: see ``slicings``.
      cutoffs: the ks.
      ties: ``expected`` or ``mean``.

    Returns:
      DataFrame with ``COLUMNS``, ranking "full"; NaN where undefined.

    Raises:
      UserError: an instance that the cuts do not have; as ``catalogue_figures``.
    """
    cutoffs = checked_cutoffs(cutoffs)
    names = [n for n in catalogue_figures(ranks, cutoffs, ties) if "@" in n]

    def figures(part):
        # A small group may lack the longest catalogue: cut-offs were checked on the whole file.
        kept = [k for k in cutoffs if k <= part["candidates"].max()]
        return catalogue_figures(part, kept, ties) if kept else {}

    return _table("full", ranks, cuts, figures, names)


def _table(ranking, rows, cuts, figures, names):
    instances = np.asarray(rows["instance"], np.int64)
    found = []
    for cut in cuts:
        count = len(cut.number)
        if len(instances) and not 0 <= instances.min() <= instances.max() < count:
            raise UserError(
                f"slices: the rows have instances {instances.min()} to {instances.max()}, but the "
                f"data have {count} test targets; use the data that the run was made with"
            )
        number = cut.number[instances]
        for place, group in enumerate(cut.groups):
            part = rows[number == place].reset_index(drop=True)
            values = figures(part) if len(part) else {}
            targets = int(part["instance"].nunique())
            for name in names:
                value = values.get(name, np.nan)
                found.append((ranking, cut.name, group, targets, name, value))
    return pd.DataFrame(found, columns=list(COLUMNS))
