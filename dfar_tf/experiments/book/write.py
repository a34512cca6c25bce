"""Writes the book: CSV files of its rows, Markdown, figures, and the HTML report."""

import itertools
import os

from dfar_tf.experiments.book import claims, comparisons
from dfar_tf.experiments.book.attention import (
    ATTENTION_HEADERS,
    attention_of,
    attention_rows,
    only_earlier,
)
from dfar_tf.experiments.book.csvfile import write_rows
from dfar_tf.experiments.book.rows import FIGURES, HEADERS, cell_rows, entries_of, whole
from dfar_tf.experiments.book.scores import FOLDER, Scores, file_of
from dfar_tf.experiments.book.text import book_text
from dfar_tf.experiments.columns import MEAN_AND_DEVIATION, MEASURES, Columns, Entry
from dfar_tf.experiments.figure4 import draw_shares, shares_table
from dfar_tf.experiments.figure5 import MODELS, candidates_of, draw_lengths, split_by_length
from dfar_tf.experiments.page import TITLES
from dfar_tf.experiments.plotting import COLOURS, MARKERS, new_figure, save_figure
from dfar_tf.experiments.points import draw_points
from dfar_tf.experiments.report import run_report
from dfar_tf.experiments.results import SYNTHETIC_NOTE, about_data, file_name, write_results
from dfar_tf.experiments.table2 import OURS
from dfar_tf.paths import shown
from recommenders_utils.files import atomic_write, read_json

COMPARED = ("tuned", "ablation", "weight")  # kinds of which scores are kept
FULL = [measure for measure in FIGURES.values() if measure.part == "ranking"]


def write_book(planner, output, say=print):
    """Writes everything from the cells that are done, and says which are missing.

    Args:
      planner: the Planner.
      output: folder of the book.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.
    """
    benchmark, shelf = planner.benchmark, planner.shelf
    os.makedirs(output, exist_ok=True)
    earlier = shelf.earlier
    scores = earlier.scores if earlier else Scores()
    cells, pairs, attention, judged, synthetic = cell_rows(planner), [], [], [], False
    for part in benchmark.parts:
        entries = entries_of(planner, part)
        synthetic |= any(e.results[0]["synthetic"] for e in entries.values())
        complete = whole(planner, part, entries)
        found = comparisons.compare_part(part, complete, benchmark.resamples, scores, earlier)
        maps = attention_of(planner, part)
        seen = attention_rows(planner, part, maps)
        own = [row for row in cells if (row["log"], row["objective"]) == part.key]
        if benchmark.objectives[part.objective].get("objective", "ranking") == "ranking":
            paper = benchmark.logs[part.log].paper
            rows = claims.claim_rows(*part.key, paper, own, found, seen)
            if not seen and only_earlier(planner, part):
                rows = earlier.with_figure4(part.key, rows)
            judged += rows
        pairs, attention = pairs + found, attention + seen
        if entries:
            write_part(planner, part, entries, found, maps, output, scores)
            compared = [e.folders for key, e in entries.items() if key[0] in COMPARED]
            path = os.path.join(output, FOLDER, file_of(part.key))
            scores.write(path, part.key, itertools.chain(*compared))
    judged.append(claims.complexity_claim(complexity_rows(output, earlier)))
    about = {"command": shelf.command, "data": benchmark.name, "synthetic": synthetic}
    headers, rows = list(claims.HEADERS), [[row[h] for h in claims.HEADERS] for row in judged]
    write_results("claims", headers, rows, about, output)  # for the report
    tables = {
        "cells": (HEADERS, cells),
        "pairs": (comparisons.HEADERS, pairs),
        "attention": (ATTENTION_HEADERS, attention),
        "claims": (claims.HEADERS, judged),
        "parts": (("log", "objective", "title"), part_titles(benchmark)),
    }
    for name, (headers, rows) in tables.items():
        write_rows(os.path.join(output, name + ".csv"), headers, rows)
    titles = {(row["log"], row["objective"]): row["title"] for row in part_titles(benchmark)}
    with atomic_write(os.path.join(output, "book.md")) as stream:
        note = f"{SYNTHETIC_NOTE}\n\n" if synthetic else ""
        stream.write(
            f"# Results book: {benchmark.name}\n\n{note}" + book_text(titles, cells, pairs, judged)
        )
    run_report(
        output,
        os.path.join(output, "report.html"),
        shelf.command,
        os.path.join(output, "none"),
        lambda _: None,
    )
    count = {s: sum(row["status"] == s for row in cells) for s in ("done", "failed", "missing")}
    say(f"{count['done']} cells done, {count['failed']} failed, {count['missing']} missing")
    if earlier:
        works = (work for part in benchmark.parts for work in planner.of_part(part))
        rows = sum(shelf.look(work).earlier for work in works)
        say(f"{rows} of the cells done are rows of {shown(earlier.folder)}")
    for row in cells:
        if row["status"] == "failed":
            say(
                f"FAILED {row['log']}, {row['objective']}: {row['model']} {row['cell']}: {row['failure']}"
            )
    say(
        f"written: {shown(os.path.join(output, 'book.md'))}, report.html, cells.csv, claims.csv, pairs.csv"
    )
    return 1 if count["failed"] else 0


def part_titles(benchmark):
    """``{"log", "objective", "title"}`` of each part."""
    return [
        {
            "log": part.log,
            "objective": part.objective,
            "title": f"{benchmark.logs[part.log].title}, {part.objective.replace('_', ' ')}",
        }
        for part in benchmark.parts
    ]


def complexity_rows(output, earlier=None):
    """The rows of ``complexity`` in a book's folder, or an earlier book's; none if it was not measured."""
    path = os.path.join(output, "complexity.json")
    if not os.path.exists(path):
        return earlier.complexity if earlier else []
    record = read_json(path)
    return [dict(zip(record["headers"], row)) for row in record["rows"]]


def write_part(planner, part, entries, pairs, maps, output, scores):
    """The tables of one part as files that ``report`` reads, with figures."""
    groups = {}
    for (kind, *_), entry in entries.items():
        groups.setdefault(kind, []).append(entry)
    table = [*groups.get("tuned", []), *groups.get("untrained", [])]
    _publish(planner, part, "table2", table, output, lambda: draw_models(table), pairs)
    ours = [entries[k] for k in entries if k[:2] == ("tuned", OURS)]
    if groups.get("ablation"):
        _publish(planner, part, "table3", [*ours, *groups["ablation"]], output, pairs=pairs)
    if groups.get("published"):
        _publish(planner, part, "published", groups["published"], output, pairs=pairs)
    if maps:
        seen = list(maps.values())
        draw = lambda: draw_shares(seen)  # noqa: E731
        _publish(planner, part, "figure4", ours, output, draw, table=shares_table(seen))
    weights = groups.get("weight", [])
    if weights:
        points = [
            entry._replace(variant=entry.variant._replace(values=_weight(entry)))
            for entry in weights
        ]
        keys = list(dict.fromkeys(key for point in points for key in point.variant.values))
        draw = lambda: draw_points(points, keys)  # noqa: E731
        _publish(planner, part, "figure6", weights, output, draw, pairs)
    attentive = [e for e in groups.get("tuned", []) if e.variant.model in MODELS.split(",")]
    read = [(entry, scores.whole(part.key, entry)) for entry in attentive]
    read = [(entry, frames) for entry, frames in read if frames]
    if read:
        attentive = [entry for entry, _ in read]
        edges = list(attentive[0].hparams.length_groups)
        by_length = [each for own in read for each in split_by_length(*own, edges)]
        store = planner.shelf.store(_any_work(planner, part))
        draw = lambda: draw_lengths(by_length, candidates_of(store))  # noqa: E731
        _publish(planner, part, "figure5", by_length, output, draw, runs=attentive)


def _weight(entry):
    key, value = entry.variant.name.split(" ")
    return {key: value}


def _any_work(planner, part):
    return next(w for w in planner.of_part(part) if planner.shelf.look(w).status == "done")


def _publish(planner, part, kind, entries, output, draw=None, pairs=(), runs=None, table=None):
    """One table of a part as CSV, Markdown and JSON, and its figure.

    ``runs`` are the Entries that have the seeds and ``table`` the headers and rows, if others.
    """
    store = planner.shelf.store(_any_work(planner, part))
    seeds = sorted({result["seed"] for entry in runs or entries for result in entry.results})
    title = next(
        row["title"]
        for row in part_titles(planner.benchmark)
        if (row["log"], row["objective"]) == part.key
    )
    about = about_data(
        planner.shelf.command,
        entries[0].hparams,
        store,
        data=title,
        seeds=seeds,
        settings="each model's own, see cells.csv",
    )
    first = {
        "model": lambda entry: entry.title,
        "cell": lambda entry: entry.name,
        "part": lambda entry: "untrained" if entry.untrained else "trained",
    }
    columns = Columns(first, MEAN_AND_DEVIATION, {"seeds": Entry.seeds})
    record = {"pairs": [row for row in pairs if row["family"].startswith(kind)]}
    name = file_name(kind, *part.key, synthetic=about["synthetic"])
    measures = MEASURES if kind == "figure5" else (*MEASURES, *FULL)
    table = table or columns.of(entries, measures)
    base = write_results(name, *table, about, output, record=record)
    if draw:
        save_figure(draw(), base, about, TITLES[kind].split(":")[0])


def draw_models(entries):
    """A panel a metric: mean and deviation of each model, the untrained in another colour."""
    figure, axes = new_figure(2, 2)
    for axis, measure in zip(axes.flat, MEASURES):
        for number, untrained in enumerate((False, True)):
            own = [k for k, entry in enumerate(entries) if entry.untrained == untrained]
            own = [k for k in own if entries[k].mean(measure) is not None]
            means = [entries[k].mean(measure) for k in own]
            errors = [entries[k].deviation(measure) or 0.0 for k in own]
            label = ("trained", "untrained")[number]
            style = {"color": COLOURS[number], "marker": MARKERS[number], "linestyle": "none"}
            axis.errorbar(own, means, yerr=errors, label=label, capsize=2, markersize=4, **style)
        axis.set_xticks(range(len(entries)))
        axis.set_xticklabels(
            [entry.title for entry in entries], fontsize=7, rotation=60, ha="right"
        )
        axis.set_ylabel("test " + measure.name)
    axes[0][0].legend(fontsize=7)
    return figure
