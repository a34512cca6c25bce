"""A study: variants of models trained over seeds, and one table of them.

Cells -> runs -> entries -> columns -> the printed table, its notes, the files and the figure. A table's own
module says which variants are trained, what its columns hold and what its notes say; the rest is here.

What all tables have is added to here: ``entries`` are the lines, ``measures`` the metrics that have columns,
``footer`` the lines right below the printed table, ``remarks`` the last notes. The first note of each is the
best untrained score on the same rows.
"""

import itertools

from dfar_tf.experiments.cells import cell_hparams
from dfar_tf.experiments.columns import MEASURES, Entry, Variant, full_measures
from dfar_tf.experiments.results import SYNTHETIC_NOTE, about_data, file_name, heading, publish
from dfar_tf.models import get_model
from dfar_tf.runs.baselines import check_untrained, closing_lines, untrained_figures
from dfar_tf.runs.chance import chance_lines
from dfar_tf.runs.grid import Cell, failures, run_cells, seeds_and_rest
from dfar_tf.runs.paper import shown_column
from dfar_tf.runs.steps import prepare_data

# Keys that change where a run computes and what it prints, not what a table says.
_OF_MACHINE = (
    *("cache_dir", "device", "log_every", "show_progress", "ratings", "prepared", "interactions"),
    *("intra_op_threads", "inter_op_threads", "checkpoint_every", "seed"),
)


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
      untrained: one Entry an untrained model, measured on the same rows but not run as cells.
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
        self.entries, self.untrained, self.measures = [], [], MEASURES
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
        if cells:
            check_untrained(cells[0].hparams)
        outcomes = self.train(cells) if cells else []
        for place, variant in enumerate(variants):
            own = [o for o in outcomes[place :: len(variants)] if o.results is not None]
            results, folders = [o.results for o in own], [o.folder for o in own]
            self.entries.append(Entry(variant, cells[place].hparams, results, folders))
        return self

    def measure_untrained(self, names=None):
        """Measures untrained models on the table's rows, if they are not yet measured.

        Args:
          names: of the models; ``untrained`` of the hyper-parameters if None.

        Returns:
          The study, with ``untrained``.
        """
        if self.untrained:
            return self
        hparams = self.hparams(names)
        if self.store is None:
            self.store, _ = prepare_data(hparams, self.given, self.say)
        needed = [measure.metric for measure in MEASURES]
        metrics = list(dict.fromkeys([*hparams.metrics, *needed]))
        hparams = hparams.replace(metrics=metrics)
        figures = untrained_figures(self.store, hparams, self.say, names, self.given)
        for name, found in figures.items():
            results = {**found, "parameters": 0, "seconds": {"all": None}, "best_epoch": None}
            self.untrained.append(Entry(Variant(name, name, {}), hparams, [results], []))
        return self

    def hparams(self, names=None):
        """Hyper-parameters that all of the table share: the first entry's, or of the first of ``names``."""
        if self.entries:
            return self.entries[0].hparams
        return cell_hparams(self.dataset, names[0], self.given, self.seeds[0])

    def paper_column(self, hparams):
        """The paper's column to show beside the table's figures, or ``none`` (see ``shown_column``)."""
        return shown_column(hparams.paper_column, self.given, self.store.meta)

    def closing_lines(self):
        """The best untrained score on the same rows, the models that do not exceed it, those at chance."""
        figures = {e.name: e.results[0] for e in self.measure_untrained().untrained}
        measures = [*MEASURES, *self.full_measures()]
        trained = []
        for entry in self.finished():
            means = {"test": {}, "ranking": {}}
            for measure in measures:
                means[measure.part][measure.metric] = entry.mean(measure)
            if not entry.untrained:
                trained.append((_called(entry), means))
        tested = [
            (_called(entry), each["test"])
            for entry in self.finished()
            if not entry.untrained
            for each in entry.results
        ]
        return [*closing_lines(figures, trained), *chance_lines(tested)]

    def full_measures(self):
        """The Measures of the whole catalogue; none unless the table is run with ``ranking=full``."""
        values = (self.entries or self.untrained)[0].hparams.values()
        full = values.get("ranking") == "full"
        return full_measures(values["ranking_cutoffs"]) if full else ()

    def finished(self):
        """The entries with a finished run."""
        return [entry for entry in self.entries if entry.results]

    def asked(self, about):
        """What the table is the answer to: its data, seeds and the settings of every line."""
        entries = [*self.entries, *self.untrained]
        lines = []
        for entry in entries:
            values = {**(entry.hparams.values() if entry.hparams else {}), **entry.variant.values}
            kept = {key: value for key, value in values.items() if key not in _OF_MACHINE}
            lines.append([entry.name, entry.variant.model, kept])
        return [about["data_fingerprint"], about.get("settings"), self.seeds, lines]

    def about(self, hparams=None, **more):
        """What the table is of (see ``about_data``); the first entry's settings if none are given."""
        hparams = hparams or (self.entries or self.untrained)[0].hparams
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
            *self.closing_lines(),
            *[SYNTHETIC_NOTE] * about["synthetic"],
            *notes,
            *observed_notes(self.finished()),
            *(f"FAILED {line}" for line in self.failed),
            *explained,
            *tower_notes(self.finished()),
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
            asked=self.asked(about),
        )
        return 1 if self.failed else 0


def observed_notes(entries):
    """The line with each entry's AUC of liked against disliked targets; none where the data have one kind."""
    said, splits = [], {}
    for entry in entries:
        figures = []
        for split, word in (("valid", "validation"), ("test", "test")):
            mean, _ = entry.over_seeds(lambda each, s=split: each.get("observed_auc", {}).get(s))
            if mean is not None:
                splits[split] = word
                figures.append(f"{mean:.4f}")
        said += [f"{_called(entry)} {' / '.join(figures)}"] if figures else []
    if not said:
        return []
    return [
        f"Observed feedback, AUC of liked against disliked targets ({' / '.join(splits.values())}): "
        + ", ".join(said)
        + "."
    ]


def tower_notes(entries):
    """The line that says whose published output the common tower replaces; none without such a model.

    With ``scorer: dot`` there is no tower, and the released forms have one of their own.
    """
    replaced = {}
    for entry in entries:
        output = "" if entry.untrained else get_model(entry.variant.model).published_output
        values = entry.hparams.values() if output else {}
        if output and values.get("scorer") != "dot" and not values.get("released_form"):
            replaced.setdefault(output, []).append(entry.title)
    parts = [f"{output} ({', '.join(dict.fromkeys(names))})" for output, names in replaced.items()]
    if not parts:
        return []
    return ["The common tower stands in place of the published output: " + "; ".join(parts) + "."]


def _called(entry):
    """An entry in a sentence: DFAR, or DFAR (w/o FHA)."""
    own = entry.name if entry.name.lower() != entry.title.lower() else ""
    return f"{entry.title} ({own})" if own and own != entry.variant.model else entry.title
