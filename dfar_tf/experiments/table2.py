"""Table 2: every model on the same instances and candidates, over seeds, and untrained ones beside them."""

from dfar_tf.experiments.cells import BUDGET, compared_models, tune_models, usual_loss
from dfar_tf.experiments.columns import MEASURES, Columns, Entry, Variant
from dfar_tf.experiments.study import Study
from dfar_tf.models import get_model, is_untrained
from dfar_tf.runs.paper import paper_row
from recommenders_utils.evaluation.orders import kendall
from recommenders_utils.evaluation.significance import compare

OURS = "dfar"
FIRST = {"model": lambda entry: entry.title}
PART = {"part": lambda entry: "untrained" if entry.untrained else "trained"}
UNTRAINED = "untrained:"
LAST = {
    "parameters": Entry.parameters,
    "seconds": Entry.seconds,
    "epochs": Entry.epochs,
    "seeds": Entry.seeds,
}
LAST_TO_READ = {
    "parameters": lambda entry: "" if entry.untrained else f"{entry.parameters():,}",
    "s": lambda entry: "" if entry.untrained else f"{entry.seconds():.0f}",
}


def run_table2(
    dataset,
    given,
    models=None,
    seeds=3,
    tune=False,
    budget=BUDGET,
    command="",
    output=None,
    say=print,
):
    """Trains missing cells, prints the table and writes it.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags, the same for all models.
      models: names, comma-separated; all if None.
      seeds: how many, from ``seed`` of ``given`` or 1 on.
      tune: whether each model's settings are chosen on validation first, within ``budget``.
      budget: ``key=value,value;key=value,...``, every combination of which is tried with the first seed.
      command: the command line.
      output: folder of the files; ``results/`` if None.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.

    Raises:
      UserError: bad flags or data.
    """
    named = compared_models(models)
    names = [name for name in named if not is_untrained(name)]
    study = Study("table2", dataset, given, seeds, command=command, output=output, say=say)
    chosen = tune_models(study, names, budget) if tune and names else {}
    study.run([Variant(name, name, chosen.get(name, {})) for name in names])
    study.measure_untrained([name for name in named if is_untrained(name)] or None)
    hparams = (study.entries or study.untrained)[-1].hparams
    about = study.about(
        hparams,
        loss=study.given.get("loss", usual_loss(dataset)),
        data_set=dataset,
        **({"settings": f"tuned on validation within {budget}"} if tune else {}),
    )
    study.measures = [*study.measures, *study.full_measures()]
    entries, tests = study.finished(), against_best_other(study.finished())
    column = study.paper_column(hparams)
    paper = {} if column == "none" else {"paper": published(entries, column)}
    full = Columns({**FIRST, **PART}, {"": Entry.mean, "sd": Entry.deviation, **paper}, LAST)

    def to_read(best, second):
        """A shorter table, each metric's two highest means marked, the untrained in a part of their own."""
        each = {"": ranked(entries, best, second), **paper}
        columns = Columns(FIRST, each, LAST_TO_READ)
        headers, rows = columns.of(entries, study.measures, short=True)
        own = columns.of(study.untrained, study.measures, short=True)[1]
        return headers, [*rows, [UNTRAINED, *[""] * (len(headers) - 1)], *own] if own else rows

    printed = to_read("{} *".format, "{} _".format)
    agreement = orders_agree([*entries, *study.untrained], study.full_measures())
    marks = (
        ["* best, _ second of the trained; ± sample standard deviation over seeds"]
        if entries
        else []
    )
    study.footer = [*marks, *study.footer]
    return study.publish(
        "Table 2",
        about,
        full.of([*entries, *study.untrained], study.measures),
        printed,
        to_read("**{}**".format, "<u>{}</u>".format),
        align="l" + "r" * (len(printed[0]) - 1),
        notes=[
            *agreement_notes(agreement),
            *_notes(entries, tests, about["loss"], column, chosen),
        ],
        record={
            "tests": {
                m.metric: {"against": rival.name, **test._asdict()}
                for m, (rival, test) in tests.items()
            },
            **({"kendall": {k: v._asdict() for k, v in agreement.items()}} if agreement else {}),
        },
    )


def published(entries, column):
    """The paper's figure of an entry and a measure, or None: a column's function."""
    rows = {} if column == "none" else {e.title: paper_row(e.title, column) for e in entries}
    return lambda entry, measure: measure.in_paper(rows.get(entry.title))


def ranked(entries, best, second):
    """A column's function: mean and deviation, marked where the mean is the highest or the next."""

    def text(entry, measure):
        measured = [each for each in entries if each.mean(measure) is not None]
        order = sorted(measured, key=lambda other: -other.mean(measure))
        if entry.untrained or not order:
            return entry.text(measure)
        marks = {order[0].name: best, **({order[1].name: second} if order[1:] else {})}
        return marks.get(entry.name, str)(entry.text(measure))

    return text


def orders_agree(entries, full):
    """Do ten candidates and the whole catalogue order the models alike?

    Args:
      entries: of the table.
      full: the whole catalogue's Measures; none if it was not ranked.

    Returns:
      ``{"all": Agreement, "trained": Agreement}`` of the orders by NDCG, for as many models as there are.
    """
    catalogue = [measure for measure in full if "ndcg" in measure.metric]
    if not catalogue:
        return {}
    measures = MEASURES[2], catalogue[0]
    groups = {"all": entries, "trained": [entry for entry in entries if not entry.untrained]}
    return {
        group: kendall(*({e.name: e.mean(m) for e in chosen} for m in measures))
        for group, chosen in groups.items()
    }


def agreement_notes(agreement):
    """The line that says how far the two orders of models agree; none if there is one order."""
    if not agreement:
        return []
    told = [
        f"{found.tau:.2f} over {words} ({found.models})"
        for words, found in (
            ("all models", agreement["all"]),
            ("the trained ones", agreement["trained"]),
        )
        if found.models > 1
    ]
    if not told:
        return []
    return [
        "Kendall's tau between the orders by NDCG@10 of ten candidates and by NDCG of the whole catalogue: "
        + ", ".join(told)
        + "."
    ]


def against_best_other(entries):
    """``{measure: (the best other entry, PairedTest)}`` of DFAR against it; empty without either."""
    ours = [entry for entry in entries if entry.name == OURS]
    others = [entry for entry in entries if entry.name != OURS]
    if not ours or not others:
        return {}
    frames, tests = ours[0].predictions(), {}
    for measure in MEASURES:
        rival = max(others, key=lambda entry, m=measure: entry.mean(m))
        tested = compare(frames, rival.predictions(), [measure.metric])
        tests[measure] = rival, tested[measure.metric]
    return tests


def _notes(entries, tests, loss, paper_column, chosen):
    notes = [
        f"{measure.name}: {get_model(OURS).title} minus {rival.title}, the best other: "
        f"{test.difference:+.4f}, p = {test.p:.2g}, n = {test.n:,} ({test.method}, seeds averaged)."
        for measure, (rival, test) in tests.items()
    ]
    notes += [
        f"{entry.title} trains with its own loss, {entry.results[0]['loss']}."
        for entry in entries
        if entry.results[0]["loss"] != loss
    ]
    notes += [
        "With softmax an instance's scores are free up to an offset, so global AUC also measures "
        "that offset; GAUC, MRR and NDCG do not."
    ] * any(entry.results[0]["loss"] == "softmax" for entry in entries)
    if paper_column != "none":
        notes.append(
            "The paper's figures are of its own log (Table 1); its code trains DFAR with log loss and "
            "the others with softmax."
        )
    chosen = chosen.items()
    return notes + [f"{get_model(n).title}: chosen on validation: {point}." for n, point in chosen]
