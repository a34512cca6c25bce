"""Figures as PNG and SVG with a description of their data, drawn without a display.

Colours are those of Okabe and Ito, which are distinguishable with any colour vision.
"""

import json
import math
import os

import numpy as np

from recommenders_utils.files import atomic_write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "os^Dv<>P"
LEAST_SPAN = 0.05  # of an axis of a metric
CHARACTERS = 60  # of all labels of an axis; more are tilted
BESIDE = 0.5  # share of a tick's room that the points of all series take


def new_figure(columns=1, rows=1, width=4.2, height=3.4):
    """A figure and its axes [rows][columns]; importing matplotlib waits until one is wanted."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (width * columns, height * rows)
    return pyplot.subplots(rows, columns, figsize=size, squeeze=False)


def line(axis, number, x, means, deviations=None, label=None):
    """One series with error bars where there are deviations; its colour and marker by ``number``."""
    style = {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}
    errors = None
    if deviations is not None and any(d is not None for d in deviations):
        errors = [d or 0.0 for d in deviations]
    axis.errorbar(
        x, means, yerr=errors, label=label, markersize=4, capsize=2, linewidth=1.2, **style
    )


def chance_line(axis, value):
    """A dashed line where a model that guesses would be."""
    axis.axhline(value, color="#777777", linestyle="--", linewidth=1, zorder=0, label="chance")


def honest_limits(axis, values, errors=(), least=LEAST_SPAN, chance=None):
    """Sets the y axis so that noise does not look like an effect.

    It holds all values with their errors, the chance line if there is one, and spans at least
    ``least`` and six times the largest error.

    Args:
      axis: matplotlib's.
      values: of all series; None is left out.
      errors: their deviations; None is none.
      least: smallest span, in the values' unit.
      chance: value of the chance line, or None.
    """
    values = [value for value in values if value is not None]
    if not values:
        return
    error = max([e for e in errors if e is not None], default=0.0)
    low, high = min(values) - error, max(values) + error
    if chance is not None:
        low, high = min(low, chance), max(high, chance)
    missing = max(least, 6 * error) - (high - low)
    low, high = low - max(missing, 0) / 2, high + max(missing, 0) / 2
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    if min(values) - error >= 0 > low:  # what is never negative gets no axis below 0
        low, high = 0.0, high - low
    axis.set_ylim(low, high)


def chance_of(metric, candidates):
    """What a model that guesses scores on average, or None where it depends on more.

    Args:
      metric: such as ``auc`` or ``ndcg@10``.
      candidates: how many candidates an instance has, one of them the target; None if they differ.
    """
    kind, _, cutoff = metric.partition("@")
    if kind in ("auc", "gauc"):
        return 0.5
    worth = {"mrr": lambda r: 1 / r, "ndcg": lambda r: 1 / math.log2(r + 1), "hit": lambda r: 1.0}
    if kind not in worth or not candidates:
        return None
    ranks = range(1, min(int(cutoff or candidates), candidates) + 1)
    return sum(map(worth[kind], ranks)) / candidates


def line_panels(panels, ticks, columns=2, x_label="", chance=None):
    """A figure of panels, in each of them one line a series over the same ticks.

    Points of different series stand side by side, so that their error bars do not overlap.

    Args:
      panels: ``{label of the y axis: {series: [(mean, deviation), ...]}}``; a mean of None is left out.
      ticks: labels on the x axis; or such labels by the panel's.
      columns: panels side by side.
      x_label: of the x axis; or by the panel's.
      chance: ``{label of the y axis: value of the chance line}``, or None.
    """
    columns = min(columns, len(panels))
    figure, axes = new_figure(columns, -(-len(panels) // columns))
    for axis, (label, series) in zip(axes.flat, panels.items()):
        by_chance = (chance or {}).get(label)
        if by_chance is not None:
            chance_line(axis, by_chance)
        for number, (name, values) in enumerate(series.items()):
            there = [place for place, (mean, _) in enumerate(values) if mean is not None]
            means, deviations = ([values[place][k] for place in there] for k in (0, 1))
            aside = (number - (len(series) - 1) / 2) * BESIDE / max(len(series), 2)
            line(axis, number, [place + aside for place in there], means, deviations, name)
        points = [point for values in series.values() for point in values]
        if points:
            honest_limits(axis, *zip(*points), chance=by_chance)
        own = ticks[label] if isinstance(ticks, dict) else ticks
        axis.set_xticks(range(len(own)))
        crowded = sum(max(map(len, str(text).split("\n"))) for text in own) > CHARACTERS
        tilted = {"rotation": 30, "ha": "right"} if crowded else {}
        axis.set_xticklabels(own, fontsize=7, **tilted)
        axis.set_xlabel(x_label[label] if isinstance(x_label, dict) else x_label, fontsize=8)
        axis.set_ylabel(label)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    axes[0][0].legend(fontsize=7)
    return figure


def heat_map(axis, values, title, rows, columns, form="{:.3f}", names=("", ""), high=None):
    """A matrix with its numbers written into it.

    Args:
      axis: matplotlib's.
      values: [R, C].
      title: above it.
      rows, columns: labels of the ticks.
      form: of the numbers.
      names: of the y and of the x axis.
      high: value of the darkest colour, where maps are to be compared; the largest value if None.
    """
    high = max(float(values.max()) if high is None else high, 1e-12)
    axis.imshow(values, cmap="Blues", vmin=0, vmax=high)
    _label_map(axis, values, title, rows, columns, form, names)
    for text in axis.texts:
        j, i = text.get_position()
        text.set_color("white" if values[int(i), int(j)] > 0.6 * high else "black")


def ratio_map(axis, values, title, rows, columns, names=("", "")):
    """A matrix of ratios: white at 1, red above, blue below, the same strength for 2 and for 1/2."""
    logs = np.log2(values)
    reach = 1.5 * max(float(abs(logs[np.isfinite(logs)]).max(initial=0)), 0.5)
    axis.imshow(logs, cmap="RdBu_r", vmin=-reach, vmax=reach)
    _label_map(axis, values, title, rows, columns, "{:.2f}", names)


def _label_map(axis, values, title, rows, columns, form, names):
    axis.set_xticks(range(len(columns)))
    axis.set_xticklabels(columns, fontsize=8)
    axis.set_yticks(range(len(rows)))
    axis.set_yticklabels(rows, fontsize=8)
    axis.set_ylabel(names[0], fontsize=8)
    axis.set_xlabel(names[1], fontsize=8)
    axis.set_title(title, fontsize=9)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            axis.text(j, i, form.format(values[i, j]), ha="center", va="center", fontsize=8)


def figure_title(title, about):
    """The line above a figure: what it shows, of which data and seeds.

    Args:
      title: of the table, whose first words name what is shown.
      about: as ``save_figure`` takes it.
    """
    seeds = about.get("seeds") or []
    told = f"seed{'s'[: len(seeds) != 1]} {', '.join(map(str, seeds))}" if seeds else ""
    words = [title.splitlines()[0].split(",")[0].split(" on ")[0], about.get("data"), told]
    return ", ".join(filter(None, words))


def save_figure(figure, base, about, title=""):
    """Writes ``<base>.png`` and ``.svg`` with ``about`` in their metadata, and closes the figure.

    SYNTHETIC data are also marked across the figure.

    Args:
      figure: matplotlib's.
      base: path without an ending.
      about: dict of what is shown.
      title: of the table that the figure belongs to (see ``figure_title``).
    """
    from matplotlib import pyplot

    figure.tight_layout(rect=(0, 0, 1, 0.96 if about.get("synthetic") else 1))
    if about.get("synthetic"):
        figure.text(0.5, 0.99, "SYNTHETIC data", ha="center", va="top", color="#D55E00", fontsize=9)
    if title:
        figure.text(0.5, 1.01, figure_title(title, about), ha="center", va="bottom", fontsize=11)
    text = json.dumps(about, sort_keys=True)
    os.makedirs(os.path.dirname(base), exist_ok=True)
    for ending, metadata in (
        ("png", {"Description": text}),
        ("svg", {"Description": text, "Date": None}),
    ):
        with atomic_write(f"{base}.{ending}", mode="wb") as stream:
            figure.savefig(stream, format=ending, dpi=140, metadata=metadata, bbox_inches="tight")
    pyplot.close(figure)
