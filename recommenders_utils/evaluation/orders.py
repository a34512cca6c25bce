"""Do two rankings of models agree?"""

import math
import typing

from scipy import stats


class Agreement(typing.NamedTuple):
    """Kendall's tau-b of two orders.

    Attributes:
      tau: from -1, reversed, to 1, the same; NaN with fewer than two models or nothing but ties.
      p: two-sided p-value.
      models: how many have both values.
    """

    tau: float
    p: float
    models: int


def kendall(
    first: typing.Mapping[str, typing.Optional[float]],
    second: typing.Mapping[str, typing.Optional[float]],
) -> Agreement:
    """Kendall's tau-b between the orders of the models that have a value in both.

    Args:
      first: model -> figure; None or NaN where there is none.
      second: the same by another figure, higher better in both.
    """
    shared = [name for name in first if _there(first[name]) and _there(second.get(name))]
    if len(shared) < 2:
        return Agreement(math.nan, math.nan, len(shared))
    tau, p = stats.kendalltau([first[n] for n in shared], [second[n] for n in shared])
    return Agreement(float(tau), float(p), len(shared))


def _there(value):
    return value is not None and not math.isnan(value)
