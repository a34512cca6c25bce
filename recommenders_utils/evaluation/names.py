"""Names of metrics: ``auc``, ``ndcg@10``, ``hit@1;5``."""

import math
import re
from typing import List, Optional, Sequence, Tuple

from recommenders_utils.errors import UserError, suggest

PLAIN = ("auc", "logloss", "rmse", "acc", "f1")
GROUPED = ("mrr", "ndcg", "hit", "group_auc")
# Names that Microsoft Recommenders uses for the same figure.
ALIASES = {"mean_mrr": "mrr", "wauc": "gauc"}

# Of the whole catalogue (see ``catalogue.catalogue_figures``): not for ``expand``.
_FULL = re.compile(r"full_(hr|ndcg|mrr)@([1-9][0-9]*)$")

_SIMPLE = {*PLAIN, *ALIASES, "gauc", "group_auc", "mrr", "ndcg"}
_AT_K = re.compile(r"(mrr|ndcg|hit)@([1-9][0-9]*(?:;[1-9][0-9]*)*)$")


def expand(metrics: Sequence[str]) -> List[str]:
    """Checks names; ``"ndcg@2;4"`` becomes ``["ndcg@2", "ndcg@4"]``.

    Raises:
      UserError: an unknown name, with the nearest known one.
    """
    names = []
    for metric in [metrics] if isinstance(metrics, str) else metrics:
        match = _AT_K.match(metric)
        if match:
            names += [f"{match.group(1)}@{k}" for k in match.group(2).split(";")]
        elif metric in _SIMPLE:
            names.append(metric)
        else:
            known = sorted(_SIMPLE | {"mrr@10", "ndcg@10", "hit@10"})
            raise UserError(
                f"unknown metric '{metric}'; {suggest(metric, known)} There are auc, gauc, "
                "mrr, mrr@k, ndcg@k, hit@k, group_auc, logloss, rmse, acc and f1, with k a number from 1"
            )
    return names


def is_full(name: str) -> bool:
    """Whether a name is of the whole catalogue: ``full_ndcg@10``."""
    return full_cutoff(name) is not None


def full_cutoff(name: str) -> Optional[int]:
    """The cut-off of a metric of the whole catalogue: 10 of ``full_ndcg@10``; None of any other."""
    match = _FULL.match(name)
    return int(match.group(2)) if match else None


def split(name: str) -> Tuple[str, float]:
    """``"ndcg@10"`` to ``("ndcg", 10)``; no cut-off is infinity; aliases resolved."""
    kind, _, k = name.partition("@")
    return ALIASES.get(kind, kind), int(k) if k else math.inf
