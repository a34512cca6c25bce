"""The cells of a part of a benchmark, as far as results so far tell what they are.

Draws are known from the start; finalists once all draws of their model are done; a model's settings once
its finalists are; who gets most seeds once every model has settings. What is not known yet has no values.
"""

import typing

from dfar_tf.experiments.book.checks import keys_of
from dfar_tf.experiments.book.tuning import draws, finalists
from dfar_tf.experiments.figure6 import VALUES, WEIGHTS
from dfar_tf.experiments.table2 import OURS
from dfar_tf.experiments.table3 import ABLATIONS
from dfar_tf.runs.paper import paper_table2
from dfar_tf.settings import PAPER_SETTINGS

KINDS = ("untrained", "draw", "finalist", "tuned", "ablation", "weight", "published")


class Work(typing.NamedTuple):
    """One cell.

    Attributes:
      part: the Part.
      kind: one of ``KINDS``.
      model: its name.
      name: what distinguishes it among the model's cells of its kind, such as ``draw 3`` or ``w/o FHA``.
      seed: its seed.
      values: hyper-parameters over the part's; None if they are not known yet.
      share: of the epochs.
    """

    part: typing.Any
    kind: str
    model: str
    name: str
    seed: int
    values: typing.Optional[dict]
    share: float = 1.0

    @property
    def title(self):
        """``toys_released, ranking: gru4rec, draw 3, seed 1``."""
        named = f", {self.name}" if self.name else ""
        return f"{self.part.name}: {self.model}{named}, seed {self.seed}"


class Planner:
    """The works of every part of a benchmark.

    Args:
      benchmark: the Benchmark.
      shelf: the ``Shelf`` that knows what is done.
    """

    def __init__(self, benchmark, shelf):
        self.benchmark, self.shelf = benchmark, shelf
        self._draws = {}

    def of_part(self, part):
        """The works of a part, cheapest model first within each step."""
        models = sorted(part.models, key=lambda name: (self.shelf.seconds_of(part, name), name))
        seeds = self.seeds(part)
        first = self.benchmark.seeds["first"]
        tuned = [
            [self.tuned(part, model, seed) for model in models if seed in seeds[model]]
            for seed in range(first, first + max(map(len, seeds.values()), default=0))
        ]
        found = [Work(part, "untrained", name, "", first, {}) for name in self.benchmark.untrained]
        for model in models:
            found += [*self.draws(part, model), *self.finalists(part, model)]
            # Its test figures at once, so that a book without the other models has them.
            found += [work for work in tuned[0] if work.model == model]
        for works in tuned[1:]:
            found += works
        return [*found, *self.extras(part, models, seeds.get(OURS, []))]

    def draws(self, part, model):
        """The random points of a model, each for a share of the epochs."""
        tuning = self.benchmark.tuning
        if part.tuned_as:
            return []
        key = part.objective, model
        if key not in self._draws:
            values, seed = self.benchmark.values_of(part.objective), tuning["seed"]
            self._draws[key] = draws(model, keys_of(model), values, tuning["draws"], seed)
        points = self._draws[key]
        first, share = self.benchmark.seeds["first"], tuning["share"]
        return [
            Work(part, "draw", model, f"draw {number}", first, point, share)
            for number, point in enumerate(points, 1)
        ]

    def finalists(self, part, model):
        """The best draws, to the end; without values while a draw is to be trained."""
        tried, count = self.draws(part, model), self.benchmark.tuning["finalists"]
        count = min(count, len(tried))
        if not self.shelf.all_settled(tried):
            chosen = [None] * count
        else:
            scores = [self.shelf.score(work) for work in tried]
            chosen = [tried[place].values for place in finalists(scores, count)]
        return [
            Work(
                part, "finalist", model, f"finalist {number}", self.benchmark.seeds["first"], values
            )
            for number, values in enumerate(chosen, 1)
        ]

    def chosen(self, part, model):
        """The settings of a model: its best finalist's; ``{}`` without draws; None if not known yet."""
        if part.tuned_as:
            source = self.benchmark.part(part.tuned_as)
            return self.chosen(source, model) if model in source.rivals else {}
        last = self.finalists(part, model)
        if not last:
            return {} if not self.draws(part, model) else None
        if not self.shelf.all_settled(last):
            return None
        scores = [self.shelf.score(work) for work in last]
        best = finalists(scores, 1)
        return last[best[0]].values if best else None

    def is_without(self, part, model):
        """Whether a model has no settings and cannot get any, since all its draws or finalists failed."""
        part = self.benchmark.part(part.tuned_as) if part.tuned_as else part
        if not self.shelf.all_settled([*self.draws(part, model), *self.finalists(part, model)]):
            return False
        return self.chosen(part, model) is None

    def tuned(self, part, model, seed):
        """A model with its settings."""
        return Work(part, "tuned", model, "", seed, self.chosen(part, model))

    def best_others(self, part):
        """The best models but ours by validation with the first seed; None while one is not known."""
        first = self.benchmark.seeds["first"]
        works = [
            self.tuned(part, model, first)
            for model in part.rivals
            if model != OURS and not self.is_without(part, model)
        ]
        if not self.shelf.all_settled(works):
            return None
        scores = [self.shelf.score(work) for work in works]
        best = finalists(scores, self.benchmark.seeds["best_others"])
        return [works[place].model for place in best]

    def seeds(self, part):
        """``{model: its seeds}``: most for ours and the best others."""
        seeds = self.benchmark.seeds
        most = [OURS, *(self.best_others(part) or [])]
        count = {model: seeds["most" if model in most else "rest"] for model in part.models}
        return {
            model: list(range(seeds["first"], seeds["first"] + number))
            for model, number in count.items()
        }

    def extras(self, part, models, our_seeds):
        """Ablations and loss weights with our settings and seeds; the paper's settings."""
        found, ours = [], self.chosen(part, OURS) if OURS in models else None
        if OURS in models and "ablations" in part.extras:
            for seed in our_seeds:
                found += [
                    Work(part, "ablation", OURS, name, seed, _over(ours, ablation=value))
                    for name, value in ABLATIONS.items()
                    if value != "none"
                ]
        if OURS in models and "weights" in part.extras:
            for seed in our_seeds:
                found += [
                    Work(part, "weight", OURS, f"{key} {value}", seed, _over(ours, **{key: value}))
                    for key in WEIGHTS
                    for value in VALUES
                ]
        if "published" in part.extras:
            first, rest = self.benchmark.seeds["first"], self.benchmark.seeds["rest"]
            in_paper = [title.lower() for title in paper_table2("amazon")]
            for seed in range(first, first + rest):
                found += [
                    Work(part, "published", model, "as published", seed, dict(PAPER_SETTINGS))
                    for model in models
                    if model in in_paper
                ]
        return found


def _over(values, **more):
    """Settings with others over them; None if they are not known yet."""
    return None if values is None else {**values, **more}
