"""A model at points of hyper-parameters: the table and the figure that sweeps have in common."""

import numpy as np

from dfar_tf.experiments.columns import (
    MEAN_AND_DEVIATION,
    MEASURES,
    Columns,
    Entry,
    Measure,
    Variant,
)
from dfar_tf.experiments.plotting import chance_line, heat_map, honest_limits, line, new_figure

AUC, VALIDATION_AUC = MEASURES[0], Measure("auc", "valid")


def run_points(study, model, points, words=(), explained=()):
    """Trains a model at every point, prints, writes and draws.

    Args:
      study: the ``Study``, not yet run.
      model: name of the model.
      points: list of ``{key: value}``.
      words: further ones of the files' name.
      explained: lines on how to read the table.

    Returns:
      0, or 1 if a cell failed.
    """
    study.run([Variant(_text(point), model, point) for point in points])
    keys = list(dict.fromkeys(key for point in points for key in point))
    columns = Columns(
        {key: lambda entry, k=key: entry.variant.values.get(k, "") for key in keys},
        MEAN_AND_DEVIATION,
        {
            "validation AUC": lambda entry: entry.mean(VALIDATION_AUC),
            "parameters": Entry.parameters,
            "seeds": Entry.seeds,
        },
    )
    about = study.about(model=model)
    drawn = [entry for entry in study.entries if entry.variant.values in points]
    return study.publish(
        study.name,
        about,
        columns.of(study.entries, study.measures),
        of=model,
        words=[model, about["loss"], *words],
        explained=explained,
        draw=lambda: draw_points(drawn, keys),
    )


def draw_points(entries, keys):
    """A line a key where points vary one key at a time, a heat map for two keys, else by number."""
    points = [entry.variant.values for entry in entries]
    one_at_a_time = all(len(point) == 1 for point in points)
    if not one_at_a_time and len(keys) == 2:
        values = [list(dict.fromkeys(point[key] for point in points)) for key in keys]
        matrix = np.array([entry.mean(AUC) or np.nan for entry in entries], float)
        figure, axes = new_figure()
        labels = [list(map(str, each)) for each in values]
        matrix = matrix.reshape(*map(len, values))
        heat_map(axes[0][0], matrix, "test AUC", *labels, form="{:.4f}", names=keys)
        return figure
    figure, axes = new_figure(len(keys) if one_at_a_time else 1)
    for number, key in enumerate(keys if one_at_a_time else [None]):
        chosen = [e for e in entries if (key is None or key in e.variant.values) and e.mean(AUC)]
        names = [e.name if key is None else e.variant.values[key] for e in chosen]
        axis, places = axes[0][number], range(len(chosen))
        means, deviations = [e.mean(AUC) for e in chosen], [e.deviation(AUC) for e in chosen]
        chance_line(axis, 0.5)
        line(axis, number, places, means, deviations, "test AUC")
        honest_limits(axis, means, deviations, chance=0.5)
        axis.set_xticks(places)
        axis.set_xticklabels(names, fontsize=7)
        axis.set_xlabel(key or "point")
        axis.set_ylabel("test AUC")
        axis.legend(fontsize=7)
    return figure


def _text(point):
    return ", ".join(f"{key} {value}" for key, value in point.items())
