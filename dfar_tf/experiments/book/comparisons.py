"""Pairs of models compared, with intervals over users and seeds and Holm's correction.

A family is what one correction counts: the pairs of a table by one metric.
"""

import itertools

from dfar_tf.experiments.book.benchmark import title_of
from dfar_tf.experiments.figure5 import MODELS, group_names, group_of
from dfar_tf.experiments.table2 import OURS
from dfar_tf.experiments.table3 import WHOLE
from recommenders_utils.evaluation.effects import METRICS, Resampled, holm

FULL = "full_ndcg@10"
HEADERS = (
    *("log", "objective", "family", "metric", "first", "second", "difference", "low", "high"),
    *("p", "p Holm", "comparisons", "users", "seeds first", "seeds second"),
)


def compare_part(part, entries, resamples, scores, earlier=None):
    """The comparisons of a part, dicts by ``HEADERS``.

    Families: ``table2``, all pairs of tuned models; ``table3``, ours against each ablation; ``figure5 ...``,
    ours against each attention model by history length; ``figure6 ...``, all pairs of a weight's values.

    Args:
      part: the Part.
      entries: as of ``entries_of``.
      resamples: of users and seeds.
      scores: the ``Scores`` that has the cells' predictions.
      earlier: the Earlier book that has the pairs of cells without predictions, or None.
    """
    family = _Families(part, resamples, scores, earlier)
    tuned = {model: entry for (kind, model, _), entry in entries.items() if kind == "tuned"}
    ours = tuned.get(OURS)
    metrics = (*METRICS, FULL)
    rows = family.rows("table2", tuned, itertools.combinations(tuned, 2), metrics)
    if ours is None:
        return rows
    parts = {name: entry for (kind, _, name), entry in entries.items() if kind == "ablation"}
    pairs = [(WHOLE, name) for name in parts]
    rows += family.rows("table3", {WHOLE: ours, **parts}, pairs, METRICS)
    if len(parts) > 1:
        rows += family.rows("table3 losses", parts, [("w/o IDL", "w/o IBL")], METRICS[:1])
    weights = {name: entry for (kind, _, name), entry in entries.items() if kind == "weight"}
    for key in dict.fromkeys(name.split(" ")[0] for name in weights):
        own = {name: entry for name, entry in weights.items() if name.split(" ")[0] == key}
        pairs = itertools.combinations(own, 2)
        rows += family.rows(f"figure6 {key}", own, pairs, METRICS[:1])
    rivals = [model for model in MODELS.split(",") if model in tuned and model != OURS]
    if rivals:
        rows += _by_length(family, {name: tuned[name] for name in [OURS, *rivals]})
    return rows


def _by_length(family, entries):
    rows, edges = [], list(entries[OURS].hparams.length_groups)
    for number, group in enumerate(group_names(edges)):
        pairs = [(OURS, name) for name in entries if name != OURS]

        def inside(frame, number=number):
            return frame[group_of(frame["history_length"], edges) == number]

        rows += family.rows(f"figure5 {group}", entries, pairs, METRICS[:1], inside)
    return rows


class _Families:
    """The families of a part; arguments as of ``compare_part``."""

    def __init__(self, part, resamples, scores, earlier):
        self.part, self.resamples, self.scores, self.earlier = part, resamples, scores, earlier

    def rows(self, name, entries, pairs, metrics, inside=None):
        """Rows of one family: a Holm correction for each metric."""
        pairs = [pair for pair in pairs if all(each in entries for each in pair)]
        if not pairs:
            return []
        used = {each: entries[each] for each in dict.fromkeys(itertools.chain(*pairs))}
        key = self.part.key
        runs = {each: self.scores.whole(key, entry) for each, entry in used.items()}
        if None in runs.values():
            titles = [tuple(map(_title, pair)) for pair in pairs]
            named = {_title(each): entry for each, entry in used.items()}
            return self.earlier.family(key, name, titles, named) if self.earlier else []
        if inside:
            runs = {each: [inside(frame) for frame in frames] for each, frames in runs.items()}
        if not len(next(iter(runs.values()))[0]):
            return []
        ranks = None
        if FULL in metrics:
            ranks = {each: self._ranks(entry) for each, entry in used.items()}
            if not all(ranks.values()):
                ranks, metrics = None, [metric for metric in metrics if metric != FULL]
        resampled = Resampled(runs, metrics, self.resamples, ranks=ranks)
        rows = []
        for metric in metrics:
            effects = [resampled.effect(*pair, metric) for pair in pairs]
            for pair, effect, corrected in zip(pairs, effects, holm([e.p for e in effects])):
                counts = [len(entries[each].results) for each in pair]
                values = (
                    *(*key, name, metric, *map(_title, pair)),
                    *(effect.difference, effect.low, effect.high, effect.p, corrected),
                    *(len(pairs), effect.users, *counts),
                )
                rows.append(dict(zip(HEADERS, values)))
        return rows

    def _ranks(self, entry):
        """A model's ranks in the whole catalogue, one DataFrame a seed; none if a seed has none."""
        found = [self.scores.ranks(self.part.key, folder) for folder in entry.folders]
        return [] if any(frame is None for frame in found) else found


def _title(name):
    """A model's title; a variant's own name."""
    return name if " " in name or name == WHOLE else title_of(name)
