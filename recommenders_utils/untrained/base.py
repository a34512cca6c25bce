"""What every untrained model does. Letters: H histories, C candidates, I items of the catalogue."""

import typing
from typing import Any

import numpy as np

from recommenders_utils.errors import UserError, suggest
from recommenders_utils.untrained.histories import Histories

CELLS = 1 << 22  # scores in memory at once: 32 MiB


class Untrained:
    """Scores histories against items; a higher score ranks first, equal ones are ties.

    Scores order items and are no probabilities: ``squashed`` puts them into (0, 1) where a file
    must hold such. Subclasses set ``name``, the words that describe them and ``DEFAULTS``, fill ``arrays``
    in ``_fit`` and score.

    Args:
      num_items: I.
      settings: every setting by name.
      arrays: what was fitted, by name.

    Attributes:
      name: as commands take it (class attribute).
      paper: where it was published.
      feedback: in a few words, what it makes of positive and negative feedback.
    """

    name: str
    paper = feedback = ""
    DEFAULTS: typing.ClassVar[typing.Dict[str, typing.Any]] = {}

    def __init__(self, num_items: int, settings: dict, arrays: typing.Dict[str, np.ndarray]):
        self.num_items, self.settings, self.arrays = num_items, settings, arrays

    @classmethod
    def fit(cls, store: Any, **settings: Any) -> "Untrained":
        """Fits on the training records of a ``SequenceStore``.

        Raises:
          UserError: an unknown setting, or a value out of range.
        """
        cls.check(settings)
        settings = {**cls.DEFAULTS, **settings}
        return cls(store.num_items, settings, cls._fit(store, settings))

    @classmethod
    def check(cls, settings: dict) -> None:
        """Raises UserError for an unknown setting, or a value out of range."""
        for key, value in settings.items():
            if key not in cls.DEFAULTS:
                known = suggest(key, cls.DEFAULTS) if cls.DEFAULTS else "it has none."
                raise UserError(f"{cls.name}: unknown setting '{key}'; {known}")
            _check(cls.name, key, value)

    @classmethod
    def _fit(cls, store, settings: dict) -> typing.Dict[str, np.ndarray]:
        raise NotImplementedError

    def scores(self, histories: Histories) -> np.ndarray:
        """Scores of the whole catalogue: float64 [H, I], column j is item j + 1; see ``blocks``."""
        raise NotImplementedError

    def candidate_scores(self, histories: Histories, candidates: np.ndarray) -> np.ndarray:
        """Scores of item ids [H, C], the same as in ``scores``, without making it: float64 [H, C].

        Padding, id 0, gets minus infinity.
        """
        raise NotImplementedError

    def blocks(
        self, histories: Histories, cells: int = CELLS
    ) -> typing.Iterator[typing.Tuple[slice, np.ndarray]]:
        """Yields (slice of histories, their ``scores``), at most ``cells`` scores at a time."""
        size = max(1, cells // self.num_items)
        for start in range(0, histories.count, size):
            stop = min(start + size, histories.count)
            yield slice(start, stop), self.scores(histories.part(start, stop))


def squashed(scores: np.ndarray) -> np.ndarray:
    """Scores as (1 + s / (1 + |s|)) / 2, in (0, 1) and in the same order; no probabilities."""
    return (1 + scores / (1 + np.abs(scores))) / 2


def _check(name: str, key: str, value: typing.Any) -> None:
    expected, holds = _RANGES[key]
    try:
        fine = bool(holds(value))
    except TypeError:
        fine = False
    if not fine:
        raise UserError(f"{name}: {key} must be {expected}, got {value!r}")


def _whole(low):
    return lambda v: not isinstance(v, bool) and isinstance(v, (int, np.integer)) and v >= low


def _number(low, high=np.inf):
    return lambda v: not isinstance(v, (bool, str)) and low <= v <= high and abs(v) < np.inf


_RANGES = {
    "seed": (
        "a whole number from 0 to 18446744073709551615",
        lambda v: _whole(0)(v) and v < 1 << 64,
    ),
    "liked_only": ("true or false", lambda v: isinstance(v, bool)),
    "shrinkage": ("a number from 0", _number(0)),
    "recent": ("a whole number from 1", _whole(1)),
    "decay": ("a number above 0, at most 1", lambda v: _number(0, 1)(v) and v > 0),
    "disliked_weight": ("a number from -1 to 1", _number(-1, 1)),
    "neighbours": ("a whole number from 0 (as many as fit)", _whole(0)),
    "newest_records": ("a whole number from 1", _whole(1)),
    "lags": ("a whole number from 1", _whole(1)),
    "knn_weight": ("a number from 0", _number(0)),
}
