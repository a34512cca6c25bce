"""Figures as PNG and SVG with a description of their data, drawn without a display.

Colours are those of Okabe and Ito, which are distinguishable with any colour vision.
"""

import json
import os

from recommenders_utils.files import atomic_write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "os^Dv<>P"


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


def line_panels(panels, ticks, columns=2):
    """A figure of panels, in each of them one line a series over the same ticks.

    Args:
      panels: ``{label of the y axis: {series: [(mean, deviation), ...]}}``; a mean of None is left out.
      ticks: labels on the x axis; or such labels by the panel's.
      columns: panels side by side.
    """
    figure, axes = new_figure(columns, -(-len(panels) // columns))
    for axis, (label, series) in zip(axes.flat, panels.items()):
        for number, (name, values) in enumerate(series.items()):
            there = [place for place, (mean, _) in enumerate(values) if mean is not None]
            means, deviations = ([values[place][k] for place in there] for k in (0, 1))
            line(axis, number, there, means, deviations, name)
        own = ticks[label] if isinstance(ticks, dict) else ticks
        axis.set_xticks(range(len(own)))
        axis.set_xticklabels(own, fontsize=7)
        axis.set_ylabel(label)
    axes[0][0].legend(fontsize=7)
    return figure


def heat_map(axis, values, title, rows, columns, form="{:.3f}"):
    """A matrix with its numbers written into it."""
    axis.imshow(values, cmap="Blues", vmin=0)
    axis.set_xticks(range(len(columns)))
    axis.set_xticklabels(columns, fontsize=8)
    axis.set_yticks(range(len(rows)))
    axis.set_yticklabels(rows, fontsize=8)
    axis.set_title(title, fontsize=9)
    high = max(float(values.max()), 1e-12)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            colour = "white" if values[i, j] > 0.6 * high else "black"
            axis.text(
                j, i, form.format(values[i, j]), ha="center", va="center", color=colour, fontsize=8
            )


def save_figure(figure, base, about):
    """Writes ``<base>.png`` and ``.svg`` with ``about`` in their metadata, and closes the figure.

    SYNTHETIC data are also marked across the figure.
    """
    from matplotlib import pyplot

    if about.get("synthetic"):
        figure.text(0.5, 0.99, "SYNTHETIC data", ha="center", va="top", color="#D55E00", fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    text = json.dumps(about, sort_keys=True)
    os.makedirs(os.path.dirname(base), exist_ok=True)
    for ending, metadata in (
        ("png", {"Description": text}),
        ("svg", {"Description": text, "Date": None}),
    ):
        with atomic_write(f"{base}.{ending}", mode="wb") as stream:
            figure.savefig(stream, format=ending, dpi=140, metadata=metadata, bbox_inches="tight")
    pyplot.close(figure)
