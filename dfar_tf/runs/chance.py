"""Models that have learned nothing yet: their AUC and GAUC are those of a random order, within noise."""

import math

LEAST = 0.01  # an AUC this far above .5 may still be a training that has not begun to learn
ERRORS = 2.0  # standard errors of the AUC of a random order


def chance_lines(tested):
    """The line that names the models at chance; none if there is none.

    Args:
      tested: (title, test metrics of a run) of each trained model; of several seeds their means count.
    """
    told = []
    for title in dict.fromkeys(title for title, _ in tested):
        runs = [metrics for name, metrics in tested if name == title]
        mean = {**runs[0], **{key: _mean(runs, key) for key in ("auc", "gauc")}}
        if at_chance(mean):
            told.append(f"{title} AUC {mean['auc']:.3f}")
    if not told:
        return []
    return [
        f"AT CHANCE: {', '.join(told)}: no better than a random order, so nothing was learned; differences "
        "and p-values say nothing. Train longer, or with another learning_rate or init_stddev."
    ]


def _mean(runs, key):
    values = [each.get(key) for each in runs]
    return None if None in values else sum(values) / len(values)


def at_chance(metrics):
    """Whether both AUC and GAUC are within noise of .5; False where one was not measured.

    The noise is the standard error of the AUC of a random order (Mann and Whitney's statistic):
    sqrt((P + N + 1) / (12 P N)) for P positive and N negative rows.
    """
    if any(metrics.get(key) is None for key in ("auc", "gauc", "rows", "instances")):
        return False
    rows, positive = metrics["rows"], metrics["instances"]
    negative = rows - positive
    if positive < 1 or negative < 1:
        return False
    noise = math.sqrt((rows + 1) / (12 * positive * negative))
    return max(metrics["auc"], metrics["gauc"]) < 0.5 + max(LEAST, ERRORS * noise)
