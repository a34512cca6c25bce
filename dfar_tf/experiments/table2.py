"""Table 2: every model on the same instances and candidates, over seeds, beside the paper's figures."""

import itertools
import os

import pandas as pd

from dfar_tf.experiments.results import (
    SYNTHETIC_NOTE,
    about_data,
    file_name,
    heading,
    say_written,
    write_results,
)
from dfar_tf.models import get_model, model_names
from dfar_tf.runs.grid import Cell, failures, mean_and_deviation, run_cells, seeds_and_rest
from dfar_tf.runs.paper import paper_row, paper_table2
from dfar_tf.runs.tables import metric_name
from dfar_tf.settings import hparams_file, merge_hparams
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.significance import compare
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.tables import format_table

METRICS = ("auc", "mrr@10", "ndcg@10", "gauc")
OURS = "dfar"
# Section 4.1.3 of the paper; what it leaves open is base.yaml's, the release's values.
PAPER_SETTINGS = {"learning_rate": 1e-4}
# An AUC that has left chance: an epoch near .5 is not yet a failed one.
PATIENCE_FROM = 0.55
BUDGET = "learning_rate=0.0001,0.001,0.003;embed_l2=0.000001,0.0001"


def table2_models(names=None):
    """The models of the table: those named, or all that are systems of their own, the paper's first.

    Raises:
      UserError: an unknown name.
    """
    if names:
        chosen = [name.strip() for name in names.split(",") if name.strip()]
        for name in chosen:
            get_model(name)
        return chosen
    paper = [title.lower() for title in paper_table2("amazon")]

    def place(name):
        title = get_model(name).title.lower()
        # DFAR is the paper's last row; what the paper does not have comes right before it.
        return paper.index(title) if title in paper else len(paper) - 1.5

    known = [name for name in model_names() if get_model(name).compared]
    return sorted(known, key=lambda name: (place(name), name))


def run_table2(
    dataset,
    given,
    models=None,
    seeds=3,
    tune=False,
    budget=BUDGET,
    command="",
    output=None,
    log=print,
):
    """Trains what is not trained yet, prints the table and writes it.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags, the same for all models.
      models: names, comma-separated; all if None.
      seeds: how many, from ``seed`` of ``given`` or 1 on.
      tune: whether each model's settings are chosen on validation first, within ``budget``.
      budget: ``key=value,value;key=value,...``, every combination of which is tried with the first seed.
      command: what the person typed.
      output: folder of the files; ``results/`` if None.
      log: takes lines to print.

    Returns:
      0, or 1 if a cell failed.

    Raises:
      UserError: bad flags or data.
    """
    names = table2_models(models)
    numbers, given = seeds_and_rest(given, seeds)
    settings = {name: {} for name in names}
    failed = []
    if tune:
        tried = _tuning_cells(dataset, names, given, budget, numbers[0])
        outcomes, _ = run_cells([cell for _, _, cell in tried], given, command, log)
        failed += failures([cell for _, _, cell in tried], outcomes)
        settings = _best(tried, outcomes, names)
    cells = [
        (
            name,
            Cell(
                f"{name}, seed {seed}", cell_hparams(dataset, name, given, seed, **settings[name])
            ),
        )
        for seed, name in itertools.product(numbers, names)  # all models early, then more seeds
    ]
    outcomes, store = run_cells([cell for _, cell in cells], given, command, log)
    failed += failures([cell for _, cell in cells], outcomes)
    by_model = {name: [] for name in names}
    for (name, _), outcome in zip(cells, outcomes):
        if outcome.results is not None:
            by_model[name].append(outcome)
    hp = cells[-1][1].hparams
    usual = prepare_hparams(hparams_file("base"), hparams_file(dataset)).loss
    more = {"settings": f"tuned on validation within {budget}"} if tune else {}
    about = about_data(
        command,
        hp,
        store,
        loss=given.get("loss", usual),
        seeds=numbers,
        data_set=dataset,
        **more,
    )
    table = Table2(by_model, None if hp.paper_column == "none" else hp.paper_column)
    notes = _notes(about["loss"], hp, table, store, settings if tune else None, failed)
    _report(table, about, notes, output, log)
    return 1 if failed else 0


def cell_hparams(dataset, name, given, seed, **tuned):
    """A model's merged hyper-parameters in the table: the paper's settings under those given."""
    wanted = {"patience_from": PATIENCE_FROM, **PAPER_SETTINGS, **given, **tuned}
    if (
        given.get("early_stop_metric", "auc") not in ("auc", "gauc")
        and "patience_from" not in given
    ):
        del wanted["patience_from"]  # it is an AUC's
    if own_loss(dataset, name):
        wanted.pop("loss", None)
    return merge_hparams(dataset, **{**wanted, "model_type": name, "seed": seed})


def own_loss(dataset, name):
    """The loss a model's file sets for itself, or None if it takes what all take."""
    usual = prepare_hparams(hparams_file("base"), hparams_file(dataset)).loss
    chosen = merge_hparams(dataset, model_type=name).loss
    return None if chosen == usual else chosen


class Table2:
    """The figures of the table.

    Args:
      by_model: {model: list of finished Outcomes, one a seed}.
      paper_column: column of the paper's table, or None.

    Attributes:
      models: those with at least one finished seed.
      means: {model: {metric: (mean, deviation)}}.
      tests: {metric: (best baseline, PairedTest)} of DFAR against it.
    """

    def __init__(self, by_model, paper_column):
        self.models = [name for name, outcomes in by_model.items() if outcomes]
        self.outcomes = by_model
        self.paper = {
            name: (paper_row(get_model(name).title, paper_column) or {}) if paper_column else {}
            for name in self.models
        }
        self.means = {
            name: {
                m: mean_and_deviation([o.results["test"][m] for o in by_model[name]])
                for m in METRICS
            }
            for name in self.models
        }
        self.tests = self._tests()

    def headers(self):
        """Column names of ``rows``."""
        parts = [[metric_name(m), "sd", "paper"] for m in METRICS]
        names = [
            f"{parts[i][0]} {what}".strip()
            for i in range(len(METRICS))
            for what in ("", "sd", "paper")
        ]
        return ["model", *names, "parameters", "seconds", "epochs", "seeds"]

    def rows(self):
        """One row a model: each metric's mean, deviation and the paper's figure; parameters; seconds."""
        rows = []
        for name in self.models:
            runs = [outcome.results for outcome in self.outcomes[name]]
            row = [get_model(name).title]
            for metric in METRICS:
                row += [*self.means[name][metric], self.paper[name].get(metric)]
            seconds = mean_and_deviation([r["seconds"]["all"] for r in runs])[0]
            epochs = mean_and_deviation([r["best_epoch"] for r in runs])[0]
            rows.append(
                [*row, runs[0]["parameters"], round(seconds, 1), round(epochs, 1), len(runs)]
            )
        return rows

    def shown(self, best, second):
        """Headers and rows for reading; ``best`` and ``second`` mark a metric's two highest means."""
        headers = ["model"]
        for metric in METRICS:
            headers += [metric_name(metric), "paper"]
        rows = []
        for name, full in zip(self.models, self.rows()):
            row = [full[0]]
            for metric in METRICS:
                mean, deviation = self.means[name][metric]
                text = f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
                rank = self.rank(name, metric)
                text = best(text) if rank == 0 else second(text) if rank == 1 else text
                row += [text, self.paper[name].get(metric)]
            rows.append([*row, f"{full[-4]:,}", f"{full[-3]:.0f}"])
        return [*headers, "parameters", "s"], rows

    def rank(self, name, metric):
        """Place of a model by a metric's mean, 0 for the best."""
        order = sorted(self.models, key=lambda m: -self.means[m][metric][0])
        return order.index(name)

    def _tests(self):
        others = [name for name in self.models if name != OURS]
        if OURS not in self.models or not others:
            return {}
        ours, tests = _predictions(self.outcomes[OURS]), {}
        for metric in METRICS:
            rival = max(others, key=lambda name: self.means[name][metric][0])
            tests[metric] = (
                rival,
                compare(ours, _predictions(self.outcomes[rival]), [metric])[metric],
            )
        return tests


def _predictions(outcomes):
    paths = [os.path.join(o.folder, "predictions_test.csv") for o in outcomes]
    return [pd.read_csv(path, usecols=["instance", "user", "label", "score"]) for path in paths]


def _tuning_cells(dataset, names, given, budget, seed):
    axes = parse_budget(budget)
    return [
        (
            name,
            values,
            Cell(f"{name}, tuning {values}", cell_hparams(dataset, name, given, seed, **values)),
        )
        for name in names
        for values in (dict(zip(axes, chosen)) for chosen in itertools.product(*axes.values()))
    ]


def parse_budget(text):
    """``"a=1,2;b=3"`` to ``{"a": ["1", "2"], "b": ["3"]}``.

    Raises:
      UserError: another form.
    """
    axes = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        key, equals, values = part.partition("=")
        axes[key.strip()] = [v.strip() for v in values.split(",") if v.strip()]
        if not equals or not axes[key.strip()]:
            raise UserError(f"{text!r}: expected key=value,value;key=value, found {part!r}.")
    if not axes:
        raise UserError(f"{text!r}: expected key=value,value;key=value.")
    return axes


def _best(tried, outcomes, names):
    best = {name: (None, {}) for name in names}
    for (name, values, cell), outcome in zip(tried, outcomes):
        if outcome.results is None:
            continue
        metric = cell.hparams.early_stop_metric
        score = outcome.results["valid"][metric] * (-1 if metric == "logloss" else 1)
        if best[name][0] is None or score > best[name][0]:
            best[name] = score, values
    return {name: values for name, (_, values) in best.items()}


def _notes(asked, hp, table, store, tuned, failed):
    notes = []
    if store.meta["synthetic"]:
        notes.append(SYNTHETIC_NOTE)
    for metric, (rival, test) in table.tests.items():
        notes.append(
            f"{metric_name(metric)}: {get_model(OURS).title} minus {get_model(rival).title}, the best other: "
            f"{test.difference:+.4f}, p = {test.p:.2g}, n = {test.n:,} ({test.method}, seeds averaged)."
        )
    for name in table.models:
        loss = table.outcomes[name][0].results["loss"]
        if loss != asked:
            notes.append(f"{get_model(name).title} trains with its own loss, {loss}.")
    notes.append(
        "With softmax an instance's scores are free up to an offset: global AUC then also measures how they "
        "compare across instances, GAUC, MRR and NDCG do not."
    )
    if hp.paper_column != "none":
        notes.append(
            "The paper's figures are of its own log (Table 1); its code trains DFAR with log loss and "
            "the others with softmax."
        )
    if tuned:
        notes += [
            f"{get_model(n).title}: chosen on validation: {values}." for n, values in tuned.items()
        ]
    return notes + [f"FAILED {line}" for line in failed]


def _report(table, about, notes, output, log):
    headers, rows = table.shown(lambda text: text + " *", lambda text: text + " _")
    title = heading(f"Table 2, test, {len(about['seeds'])} seed(s),", about)
    log("\n" + format_table(headers, rows, title, "l" + "r" * (len(headers) - 1)))
    log("\n* best, _ second; ± sample standard deviation over seeds")
    for note in notes:
        log(note)
    marked, markdown = table.shown("**{}**".format, "<u>{}</u>".format)
    name = file_name("table2", about["data"], about["loss"], synthetic=about["synthetic"])
    base = write_results(
        name, table.headers(), table.rows(), about, output, notes,
        {"tests": {m: {"against": rival, **t._asdict()} for m, (rival, t) in table.tests.items()}},
        (marked, markdown),
    )  # fmt: skip
    say_written(base, log=log)
