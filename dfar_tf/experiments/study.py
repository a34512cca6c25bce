"""A study: variants of models trained over seeds, and one table of them.

Cells -> runs -> entries -> columns -> the printed table, its notes, the files and the figure. A table's own
module says which variants are trained, what its columns hold and what its notes say; the rest is here.

What all tables have is data that a study carries: ``entries`` are the lines, ``measures`` the metrics that get
columns, ``footer`` the lines right below the printed table, ``remarks`` further notes.
"""

import itertools
import os
import typing

import pandas as pd

from dfar_tf.experiments.cells import cell_hparams
from dfar_tf.experiments.results import SYNTHETIC_NOTE, about_data, file_name, heading, publish
from dfar_tf.models import get_model
from dfar_tf.runs.grid import Cell, failures, mean_and_deviation, run_cells, seeds_and_rest
from dfar_tf.runs.tables import metric_name


class Measure(typing.NamedTuple):
    """A metric that a table has columns for.

    Attributes:
      metric: such as ``ndcg@10``.
      part: key of ``results.json`` under which runs have it.
    """

    metric: str
    part: str = "test"

    @property
    def name(self):
        """As tables print it."""
        return metric_name(self.metric)

    def in_paper(self, figures):
        """The paper's figure among ``{metric: value}``, or None: the paper has figures of ``test`` alone."""
        return figures.get(self.metric) if figures and self.part == "test" else None


# The four of the paper's tables.
MEASURES = tuple(map(Measure, ("auc", "mrr@10", "ndcg@10", "gauc")))


class Variant(typing.NamedTuple):
    """A model and the hyper-parameters that distinguish it in its table, under a name."""

    name: str
    model: str
    values: dict


class Entry(typing.NamedTuple):
    """What a line of a table is about: a variant's finished runs.

    Attributes:
      variant: the Variant.
      hparams: hyper-parameters of its first seed's cell.
      results: ``results.json`` of each finished run, one a seed.
      folders: of those runs.
    """

    variant: Variant
    hparams: typing.Any
    results: list
    folders: list

    @property
    def name(self):
        """The variant's."""
        return self.variant.name

    @property
    def title(self):
        """The model's, as the paper writes it."""
        return get_model(self.variant.model).title

    def over_seeds(self, value):
        """(mean, sample standard deviation) of a function of the results."""
        return mean_and_deviation([value(each) for each in self.results])

    def mean(self, measure):
        """Mean of a Measure over seeds, or None."""
        return self.over_seeds(lambda each: each[measure.part].get(measure.metric))[0]

    def deviation(self, measure):
        """Sample standard deviation of a Measure over seeds; None for one seed."""
        return self.over_seeds(lambda each: each[measure.part].get(measure.metric))[1]

    def text(self, measure):
        """``0.7333 ± 0.0012``; None without a figure."""
        mean, deviation = self.mean(measure), self.deviation(measure)
        if mean is None:
            return None
        return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")

    def parameters(self):
        """Number of trainable parameters, or None."""
        return self.results[0]["parameters"] if self.results else None

    def seeds(self):
        """How many runs finished."""
        return len(self.results)

    def predictions(self):
        """The test predictions of each run, as ``compare`` takes them."""
        columns = ["instance", "user", "label", "score"]
        paths = [os.path.join(folder, "predictions_test.csv") for folder in self.folders]
        return [pd.read_csv(path, usecols=columns) for path in paths]


class Columns(typing.NamedTuple):
    """The columns of a table by header; each is a function of an entry.

    Attributes:
      first: ``{header: entry -> cell}``.
      each: ``{word: (entry, measure) -> cell}``, repeated for every measure; the word is ``""`` for the
        measure's own column.
      last: ``{header: entry -> cell}``.
    """

    first: dict
    each: dict
    last: dict

    def of(self, entries, measures=MEASURES, short=False):
        """(headers, rows); ``short`` headers leave out the measure's name beside a word."""
        headers, rows = list(self.first), []
        for measure in measures:
            full = [f"{measure.name} {word}".strip() for word in self.each]
            headers += [word or measure.name for word in self.each] if short else full
        for entry in entries:
            row = [cell(entry) for cell in self.first.values()]
            row += [cell(entry, measure) for measure in measures for cell in self.each.values()]
            rows.append(row + [cell(entry) for cell in self.last.values()])
        return headers + list(self.last), rows


MEAN_AND_DEVIATION = {"": Entry.mean, "sd": Entry.deviation}


class Study:
    """One table's runs.

    Args:
      name: of the table's files, such as ``table2``.
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags, the same for all cells.
      seeds: how many, from ``seed`` of ``given`` or 1 on.
      own: keys that the table sets itself and that are not taken from ``given``.
      command: what the user typed.
      output: folder of the files; ``results/`` if None.
      say: takes lines to print.

    Attributes:
      entries: one Entry a variant, in their order.
      measures: the Measures that the table has columns for.
      footer: lines right below the printed table.
      remarks: notes that follow the table's own.
      failed: lines that say which cells failed and why.
      store: the data.

    Raises:
      UserError: ``seeds`` is no positive whole number.
    """

    def __init__(self, name, dataset, given, seeds, own=(), command="", output=None, say=print):
        self.seeds, self.given = seeds_and_rest(given, seeds, *own)
        self.name, self.dataset, self.command = name, dataset, command
        self.output, self.say = output, say
        self.entries, self.measures = [], MEASURES
        self.footer, self.remarks, self.failed = [], [], []
        self.store = None

    def train(self, cells):
        """The Outcomes of cells, trained where they have not been; keeps what failed."""
        outcomes, self.store = run_cells(cells, self.given, self.command, self.say)
        self.failed += failures(cells, outcomes)
        return outcomes

    def run(self, variants):
        """Trains each variant with each seed: all with one before any with the next.

        Returns:
          The study, with ``entries``.
        """
        cells = [
            Cell(
                f"{variant.name}, seed {seed}",
                cell_hparams(self.dataset, variant.model, self.given, seed, **variant.values),
            )
            for seed, variant in itertools.product(self.seeds, variants)
        ]
        outcomes = self.train(cells)
        for place, variant in enumerate(variants):
            own = [o for o in outcomes[place :: len(variants)] if o.results is not None]
            results, folders = [o.results for o in own], [o.folder for o in own]
            self.entries.append(Entry(variant, cells[place].hparams, results, folders))
        return self

    def finished(self):
        """The entries with a finished run."""
        return [entry for entry in self.entries if entry.results]

    def about(self, hparams=None, **more):
        """What the table is of (see ``about_data``); the first entry's settings if none are given."""
        hparams = hparams or self.entries[0].hparams
        return about_data(self.command, hparams, self.store, seeds=self.seeds, **more)

    def publish(
        self,
        title,
        about,
        table,
        printed=None,
        markdown=None,
        align=None,
        of="",
        words=None,
        notes=(),
        explained=(),
        record=None,
        draw=None,
    ):
        """Prints the table and its notes, writes the files and the figure.

        Args:
          title: what the printed table is called.
          about: dict that ``about`` gave.
          table: (headers, rows) in full.
          printed, markdown, align, record, draw: as ``results.publish`` takes them.
          of: what of, after the title.
          words: of the files' name after the table's and the data's; the loss if None.
          notes: lines on what was found, before those on failures.
          explained: lines on how to read the table, after them.

        Returns:
          0, or 1 if a cell failed.
        """
        noted = [
            *[SYNTHETIC_NOTE] * about["synthetic"],
            *notes,
            *(f"FAILED {line}" for line in self.failed),
            *explained,
            *self.remarks,
        ]
        words = [about["loss"]] if words is None else words
        publish(
            file_name(self.name, about["data"], *words, synthetic=about["synthetic"]),
            heading(f"{title}, test, {len(self.seeds)} seed(s), {of}".rstrip(), about),
            about,
            table,
            printed=printed,
            markdown=markdown,
            align=align,
            footer=self.footer,
            notes=noted,
            record=record,
            draw=draw,
            output=self.output,
            say=self.say,
        )
        return 1 if self.failed else 0
