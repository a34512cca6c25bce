"""Checked rows of labels and scores, and every metric's value over them."""

from typing import Any, Callable, Dict, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.names import GROUPED, PLAIN, split
from recommenders_utils.evaluation.ranking import group_auc, positive_ranks

TIES = ("expected", "released")
# Probabilities are clipped to [epsilon, 1 - epsilon]. The released loss takes 1e-7, its metric 1e-11.
EPSILON = {"expected": 1e-7, "released": 1e-11}
# The released GAUC takes the AUC of a user with fewer rows as 1.
RELEASED_MIN_ROWS = 10
_NEEDS_PROBABILITIES = ("logloss", "rmse", "acc", "f1")


class Rows:
    """Checked rows, with values that several metrics share computed once."""

    def __init__(
        self,
        columns: Mapping[str, Any],
        names: Sequence[str],
        ties: str,
        locate: Callable[[int], str] = "row {}".format,
    ) -> None:
        if ties not in TIES:
            raise UserError(f"ties must be expected or released, got '{ties}'")
        self.names, self.ties = names, ties
        self.labels = _numbers(columns["label"], "label", locate)
        self.scores = _numbers(columns["score"], "score", locate)
        bad = ~np.isin(self.labels, (0, 1))
        _refuse(bad, self.labels, "label", "0 or 1", locate)
        if any(name in _NEEDS_PROBABILITIES for name in names):
            bad = (self.scores < 0) | (self.scores > 1)
            _refuse(bad, self.scores, "score", "a probability in [0, 1] (for log loss)", locate)
        self.groups, self.num_groups = self._codes(columns, "instance", GROUPED, "groups")
        self.users, self.num_users = self._codes(columns, "user", ("gauc",), "users")
        if len(self.labels) != len(self.scores):
            raise UserError(f"{len(self.labels)} labels but {len(self.scores)} scores")
        self._ranks_cache = self._auc_cache = None

    def _codes(self, columns, column, needed_by, argument):
        values = columns.get(column)
        if values is None:
            for name in self.names:
                if split(name)[0] in needed_by:
                    raise UserError(f"metric '{name}' needs {argument}: an id for each row")
            return None, 0
        codes, uniques = pd.factorize(np.asarray(values) if isinstance(values, list) else values)
        if len(codes) != len(self.labels):
            raise UserError(f"{len(self.labels)} labels but {len(codes)} {argument}")
        if (codes < 0).any():
            raise UserError(f"{argument}: an id is missing")
        return codes, len(uniques)

    def values(self) -> Dict[str, float]:
        """``{name: float}``, NaN where undefined."""
        return {name: float(self._value(name)) for name in self.names}

    def counts(self) -> Dict[str, int]:
        """Numbers of rows, groups and users, and of those left out."""
        excluded = np.isnan(self._user_auc()[0]).sum()
        without = self.num_groups - len(np.unique(self._ranks()[0]))
        return {
            "rows": len(self.labels),
            "instances": int(self.num_groups),
            "users": int(self.num_users),
            "gauc_excluded_users": int(excluded),
            "groups_without_positive": int(without),
        }

    def _value(self, name):
        kind = split(name)[0]
        if not self.labels.size:
            return np.nan
        if kind in PLAIN:
            return getattr(self, "_" + kind)()
        if kind == "gauc":
            values, rows = self._user_auc()
        else:
            values = self.per_group(name)
            rows = np.ones(len(values))
        kept = ~np.isnan(values)
        return np.average(values[kept], weights=rows[kept]) if kept.any() else np.nan

    def per_group(self, name: str) -> np.ndarray:
        """One metric of every group, [G], NaN for a group that is left out."""
        kind, k = split(name)
        if kind == "group_auc":
            return group_auc(self.labels, self.scores, self.groups, self.num_groups)[0]
        groups, ranks = self._ranks()
        positives = np.bincount(groups, minlength=self.num_groups)

        def total(values):
            kept = values * (ranks <= k)
            return np.bincount(groups, weights=kept, minlength=self.num_groups)

        # Ranks ascend within a group: its first row is its best positive.
        best = np.append(True, groups[1:] != groups[:-1])[: len(groups)]
        if kind == "hit":
            values = total(best)
        elif kind == "ndcg":
            # A positive's gain 2^y - 1 is 1; the ideal order has all positives on top.
            places = np.arange(1, max(positives.max(), 1) + 1)
            ideal = np.cumsum((places <= k) / np.log2(places + 1))
            values = total(1 / np.log2(ranks + 1)) / ideal[np.maximum(positives, 1) - 1]
        elif self.ties == "released":
            values = total(1 / ranks) / np.maximum(positives, 1)
        else:
            values = total(best / ranks)
        return np.where(positives > 0, values, np.nan)

    def _auc(self):
        both = 0 < self.labels.sum() < len(self.labels)
        return roc_auc_score(self.labels, self.scores) if both else np.nan

    def _logloss(self):
        epsilon = EPSILON[self.ties]
        clipped = np.clip(self.scores, epsilon, 1 - epsilon)
        return log_loss(self.labels, clipped, labels=[0, 1])

    def _rmse(self):
        return np.sqrt(np.mean((self.labels - self.scores) ** 2))

    def _acc(self):
        return np.mean((self.scores >= 0.5) == self.labels)

    def _f1(self):
        return f1_score(self.labels, self.scores >= 0.5, zero_division=0)

    def _ranks(self):
        if self._ranks_cache is None:
            self._ranks_cache = positive_ranks(self.labels, self.scores, self.groups, self.ties)
        return self._ranks_cache

    def _user_auc(self):
        """(AUC, rows) of every user, NaN for one that is left out."""
        if self._auc_cache is None:
            auc, rows = group_auc(self.labels, self.scores, self.users, self.num_users)
            if self.ties == "released":
                auc = np.where(rows < RELEASED_MIN_ROWS, 1.0, auc)
            self._auc_cache = auc, rows
        return self._auc_cache


def _numbers(values, what, locate):
    """``values`` as float64 [n], without NaN or infinity."""
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{what}: not all values are numbers") from None
    if values.ndim != 1:
        raise UserError(f"{what}: expected one value per row, got an array of shape {values.shape}")
    _refuse(~np.isfinite(values), values, what, "a finite number", locate)
    return values


def _refuse(bad, values, what, expected, locate):
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(f"{locate(row)}: {what} must be {expected}, got {values[row]:g}")
