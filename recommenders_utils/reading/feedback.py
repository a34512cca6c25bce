"""From feedback columns to labels: 1 positive, 0 negative, or neither.

A row can be malformed (``faults``: counted against ``max_malformed``) or sound but without a label
(``drops``: counted, and left out however many there are).
"""

from typing import Any, Dict

import numpy as np

from recommenders_utils.reading.forms import KINDS, LEVELS

NOT_FINITE, BAD_LABEL, OFF_SCALE, NEGATIVE_TIME = (
    "feedback has no finite value",
    "label is neither 0 nor 1",
    "rating outside the scale",
    "negative watch time",
)
NEITHER, CONFLICT, ZERO_DURATION = (
    "neither positive nor negative",
    "positive and negative at once",
    "duration of 0",
)
OVERLAP, NO_LEVEL = "levels overlap", "no level's expression holds"


class Labels:
    """Labels of n rows.

    Attributes:
      values: int8 [n], 1 positive, 0 negative; of no meaning where a fault or drop holds.
      faults: list of (kind, bool [n], float64 [n] to show, sentence with ``{}`` for that number).
      drops: list of (kind, bool [n]).
      levels: float32 [n], the strength of each from 0, of a form with levels; else None.
    """

    def __init__(self, values, *faults):
        self.values = np.asarray(values, bool).astype(np.int8)
        self.faults, self.drops, self.levels = list(faults), [], None

    def settle(self, kind: str, rows: np.ndarray, values: np.ndarray, choice: str) -> None:
        """Applies an adapter's choice to special rows: malformed, drop, positive or negative."""
        if choice == "malformed":
            self.faults.append((kind, rows, values, kind + " ({:g})"))
        elif choice == "drop":
            self.drops.append((kind, rows))
        self.values[rows] = choice == "positive"


def label_rows(form: Any, columns: Dict[str, Any], data: Any) -> "Labels":
    """Labels rows by an adapter's form.

    - ``label``: 1 or 0, anything else is malformed.
    - ``rating``: positive above ``rating_threshold``; outside the scale malformed.
    - ``watch_ratio``, or ``play`` / ``duration``: positive above ``rating_threshold``. A duration of 0
      gives no ratio: the form's ``zero_duration`` settles it.
    - ``feedback``: positive above 0, negative below. 0 is no feedback if every column in it is 0, else
      the columns contradict one another and the form's ``conflict`` settles it.
    - ``positive`` and ``negative``: true where not 0; both, ``conflict``; neither, no feedback.
    - ``levels``: the one whose expression is not 0, positive from ``level_threshold`` on; several are
      malformed, none is no feedback.

    Args:
      form: ``adapters.Form``.
      columns: name -> float64 [n], finite; ``Texts`` [n] of columns compared with text.
      data: has ``rating_threshold``, ``rating_min``, ``rating_max``.

    Returns:
      Labels.
    """
    values = {key: form.expressions[key].evaluate(columns) for key in form.parts}
    unsound = ~np.all(np.isfinite([*values.values()]), axis=0)
    with np.errstate(all="ignore"):
        if form.kind == LEVELS:
            labels = _levels(form, np.array([*values.values()]))
        else:
            labels = _KINDS[form.kind](form, columns, data, **values)  # type: ignore[operator]
    named = form.feedback().replace("{", "{{").replace("}", "}}")
    detail = f"{named} gives {{}}, not a finite number"
    labels.faults.insert(0, (NOT_FINITE, unsound, next(iter(values.values())), detail))
    return labels


def _label(form, columns, data, label):
    detail = (
        "the label is {:g}, expected 0 or 1; for other values, write the feedback as an expression "
        "in the adapter, such as feedback: label - 2"
    )
    return Labels(label == 1, (BAD_LABEL, (label != 0) & (label != 1), label, detail))


def _rating(form, columns, data, rating):
    low, high = data.rating_min, data.rating_max
    detail = (
        f"rating {{:g}} is outside the scale {low:g} to {high:g}; if the scale is different, set "
        "rating_min, rating_max and rating_threshold (threshold in an adapter)"
    )
    off = (rating < low) | (rating > high)
    return Labels(rating > data.rating_threshold, (OFF_SCALE, off, rating, detail))


def _watch_ratio(form, columns, data, watch_ratio):
    negative = (NEGATIVE_TIME, watch_ratio < 0, watch_ratio, "the watch ratio {:g} is below 0")
    return Labels(watch_ratio > data.rating_threshold, negative)


def _watch_time(form, columns, data, play, duration):
    less = np.minimum(play, duration)
    negative = (NEGATIVE_TIME, less < 0, less, "{:g}: a time played or a duration below 0")
    labels = Labels(play / duration > data.rating_threshold, negative)
    labels.settle(ZERO_DURATION, duration == 0, play, form.option("zero_duration"))
    return labels


def _feedback(form, columns, data, feedback):
    named = form.expressions["feedback"].numbers
    neither = feedback == 0
    silent = np.all([columns[name] == 0 for name in named], axis=0) if named else neither
    labels = Labels(feedback > 0)
    labels.drops.append((NEITHER, neither & silent))
    labels.settle(CONFLICT, neither & ~silent, feedback, form.option("conflict"))
    return labels


def _two_sided(form, columns, data, positive, negative):
    labels = Labels(positive != 0)
    labels.drops.append((NEITHER, (positive == 0) & (negative == 0)))
    both = (positive != 0) & (negative != 0)
    labels.settle(CONFLICT, both, positive, form.option("conflict"))
    return labels


def _levels(form, values):
    holds = values != 0  # [L, n]
    count, level = holds.sum(0), holds.argmax(0)
    detail = "{:g} levels hold at once; their expressions must exclude one another: " + ", ".join(
        form.levels
    )
    labels = Labels(
        level >= form.threshold_level, (OVERLAP, count > 1, count.astype(float), detail)
    )
    labels.levels = level.astype(np.float32)
    labels.drops.append((NO_LEVEL, count == 0))
    return labels


_KINDS = dict(zip(KINDS, (_label, _rating, _watch_ratio, _watch_time, _feedback, _two_sided)))
