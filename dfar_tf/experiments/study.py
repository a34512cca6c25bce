"""A study: variants of models trained over seeds, and one table of them.

Cells -> runs -> entries -> columns -> the printed table, its notes, the files and the figure. A table's own
module says which variants are trained, what its columns hold and what its notes say; the rest is here.

What all tables have is added to here: ``entries`` are the lines, ``measures`` the metrics that have columns,
``footer`` the lines right below the printed table, ``remarks`` the last notes.
"""

import itertools

from dfar_tf.experiments.cells import cell_hparams
from dfar_tf.experiments.columns import MEASURES, Entry
from dfar_tf.experiments.results import SYNTHETIC_NOTE, about_data, file_name, heading, publish
from dfar_tf.runs.grid import Cell, failures, run_cells, seeds_and_rest


class Study:
    """One table's runs.

    Args:
      name: of the table's files, such as ``table2``.
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags, the same for all cells.
      seeds: how many, from ``seed`` of ``given`` or 1 on.
      own: keys that the table sets itself and that are not taken from ``given``.
      command: the command line.
      output: folder of the files; ``results/`` if None.
      say: called with each line to print.

    Attributes:
      entries: one Entry a variant, in their order.
      measures: the Measures that the table has columns for.
      footer: lines right below the printed table.
      remarks: notes that follow the table's own.
      failed: lines that say which cells failed and why.
      store: the data.

    Raises:
      UserError: ``seeds`` is not a positive whole number.
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
