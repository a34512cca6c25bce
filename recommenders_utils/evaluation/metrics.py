"""AUC, GAUC, MRR, NDCG, hit rate and log loss; definitions and examples in docs/metrics.md.

An undefined figure (the AUC of one class, the MRR of no positive) is NaN; bad input is a UserError.
"""

from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Union

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.names import GROUPED, expand, split
from recommenders_utils.evaluation.rows import Rows


def cal_metric(
    labels: Union[np.ndarray, Sequence],
    preds: Union[np.ndarray, Sequence],
    metrics: Sequence[str],
    groups: Optional[Union[np.ndarray, Sequence]] = None,
    users: Optional[Union[np.ndarray, Sequence]] = None,
    ties: str = "expected",
) -> Dict[str, float]:
    """Metrics by name, as Microsoft Recommenders calls them.

    Args:
      labels: 0/1 [n], or nested [G, any]: one row of values per group.
      preds: scores in the same shape; probabilities for logloss, rmse, acc and f1.
      metrics: names: auc, logloss, rmse, acc, f1 (at 0.5), over all rows; mrr (mean_mrr), mrr@k,
        ndcg@k, hit@k, group_auc, means over groups; gauc (wauc), over users. ``ndcg@2;4`` is
        ndcg@2 and ndcg@4.
      groups: any ids [n]; not needed with nested labels.
      users: any ids [n], for gauc.
      ties: ``expected`` or ``released``, see docs/metrics.md.

    Returns:
      ``{name: float}``, NaN where undefined.

    Raises:
      UserError: an unknown metric; labels other than 0 and 1; scores not finite, or outside [0, 1]
        where probabilities are needed; lengths that differ; groups or users missing.
    """
    if groups is None and len(labels) and np.ndim(labels[0]):
        sizes = [len(row) for row in labels]
        if sizes != [len(row) for row in preds]:
            raise UserError("labels and preds: the groups differ in size")
        groups = np.repeat(np.arange(len(sizes)), sizes)
        labels, preds = np.concatenate(labels), np.concatenate(preds)
    columns = {"label": labels, "score": preds, "instance": groups, "user": users}
    return Rows(columns, expand(metrics), ties).values()


def cal_weighted_metric(
    users: Union[np.ndarray, Sequence],
    preds: Union[np.ndarray, Sequence],
    labels: Union[np.ndarray, Sequence],
    metrics: Sequence[str],
    ties: str = "expected",
) -> Dict[str, float]:
    """``wauc`` (``gauc``): the users' AUCs, weighted by their numbers of rows.

    Args:
      users: any ids [n].
      preds: scores [n].
      labels: 0/1 [n].
      metrics: names, ``wauc`` or ``gauc``.
      ties: ``expected`` leaves out users of one class; ``released`` takes the AUC of a user with
        fewer than 10 rows as 1.

    Returns:
      ``{name: float}``.

    Raises:
      UserError: as ``cal_metric``.
    """
    return cal_metric(labels, preds, metrics, users=users, ties=ties)


def group_metrics(
    labels: Union[np.ndarray, Sequence],
    preds: Union[np.ndarray, Sequence],
    groups: Union[np.ndarray, Sequence],
    metrics: Sequence[str],
    ties: str = "expected",
) -> Dict[str, np.ndarray]:
    """The values whose means ``cal_metric`` gives, group by group.

    Args:
      labels: 0/1 [n].
      preds: scores [n].
      groups: any ids [n].
      metrics: among mrr, mrr@k, ndcg, ndcg@k, hit@k and group_auc.
      ties: ``expected`` or ``released``.

    Returns:
      ``{name: float [G]}`` in order of the groups' first rows, NaN for a group that is left out:
      one without a positive, or for group_auc without both classes.
    """
    names = expand(metrics)
    rows = Rows({"label": labels, "score": preds, "instance": groups}, names, ties)
    for name in names:
        if split(name)[0] not in GROUPED:
            raise UserError(f"metric '{name}' is not a mean over groups; use cal_metric")
    return {name: rows.per_group(name) for name in names}


def evaluate_predictions(
    predictions: Union[pd.DataFrame, Mapping[str, Any]],
    metrics: Sequence[str],
    ties: str = "expected",
    locate: Callable[[int], str] = "row {}".format,
) -> Dict[str, Any]:
    """Metrics and counts from the columns of a predictions file.

    Args:
      predictions: DataFrame or mapping with ``instance`` (the groups of MRR, NDCG and hit),
        ``user``, ``label`` and ``score``, each [n].
      metrics: as in ``cal_metric``.
      ties: ``expected`` or ``released``.
      locate: row number to text, for messages.

    Returns:
      ``{name: value}``, then the counts rows, instances, users, gauc_excluded_users (left out of
      GAUC) and groups_without_positive (left out of MRR, NDCG and hit).

    Raises:
      UserError: as ``cal_metric``; no rows at all.
    """
    missing = [name for name in ("instance", "user", "label", "score") if name not in predictions]
    if missing:
        raise UserError("predictions: column '{}' is missing".format("', '".join(missing)))
    columns = {name: predictions[name] for name in ("instance", "user", "label", "score")}
    rows = Rows(columns, expand(metrics), ties, locate)
    if not rows.labels.size:
        raise UserError("predictions: there are no rows")
    return {**rows.values(), **rows.counts()}
