"""The lines and columns of a table: what it is about, and what each cell says of it."""

import os
import typing

import pandas as pd

from dfar_tf.models import get_model, is_untrained
from dfar_tf.runs.grid import mean_and_deviation
from dfar_tf.runs.tables import metric_name
from recommenders_utils.evaluation.catalogue import figure_title


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
        if self.part == "ranking":
            return "full " + figure_title(self.metric)
        return metric_name(self.metric)

    def in_paper(self, figures):
        """The paper's figure among ``{metric: value}``, or None: the paper has figures of ``test`` alone."""
        return figures.get(self.metric) if figures and self.part == "test" else None


# The four of the paper's tables.
MEASURES = tuple(map(Measure, ("auc", "mrr@10", "ndcg@10", "gauc")))
# Of the whole catalogue, for tables with ``ranking=full``.
FULL_KINDS = ("hr", "ndcg")


def full_measures(cutoffs):
    """The Measures of the whole catalogue: HR and NDCG at 10, or the largest of other cut-offs."""
    k = 10 if 10 in cutoffs else max(cutoffs)
    return tuple(Measure(f"full_{kind}@{k}", "ranking") for kind in FULL_KINDS)


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
        return self.variant.model if self.untrained else get_model(self.variant.model).title

    @property
    def untrained(self):
        """Whether its model is fitted by counting."""
        return is_untrained(self.variant.model)

    def over_seeds(self, value):
        """(mean, sample standard deviation) of a function of the results."""
        return mean_and_deviation([value(each) for each in self.results])

    def mean(self, measure):
        """Mean of a Measure over seeds, or None."""
        return self.over_seeds(lambda each: each.get(measure.part, {}).get(measure.metric))[0]

    def deviation(self, measure):
        """Sample standard deviation of a Measure over seeds; None for one seed."""
        return self.over_seeds(lambda each: each.get(measure.part, {}).get(measure.metric))[1]

    def text(self, measure):
        """``0.7333 ± 0.0012``; None without a figure."""
        mean, deviation = self.mean(measure), self.deviation(measure)
        if mean is None:
            return None
        return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")

    def parameters(self):
        """Number of trainable parameters, or None."""
        return self.results[0]["parameters"] if self.results else None

    def seconds(self):
        """Mean seconds of a run, to a tenth; None where nothing was trained."""
        return self._tenths(lambda each: each["seconds"]["all"])

    def epochs(self):
        """Mean of the best epochs, to a tenth; None where nothing was trained."""
        return self._tenths(lambda each: each["best_epoch"])

    def _tenths(self, value):
        mean = self.over_seeds(value)[0]
        return None if mean is None else round(mean, 1)

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


# For ``Columns.each``: a metric's mean and deviation.
MEAN_AND_DEVIATION = {"": Entry.mean, "sd": Entry.deviation}
