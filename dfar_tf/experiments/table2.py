"""Table 2: every model on the same instances and candidates, over seeds, beside the paper's figures."""

from dfar_tf.experiments.cells import BUDGET, compared_models, tune_models, usual_loss
from dfar_tf.experiments.columns import MEASURES, Columns, Entry, Variant
from dfar_tf.experiments.study import Study
from dfar_tf.models import get_model
from dfar_tf.runs.paper import paper_row
from recommenders_utils.evaluation.significance import compare

OURS = "dfar"
FIRST = {"model": lambda entry: entry.title}
LAST = {
    "parameters": Entry.parameters,
    "seconds": Entry.seconds,
    "epochs": Entry.epochs,
    "seeds": Entry.seeds,
}
LAST_TO_READ = {
    "parameters": lambda entry: f"{entry.parameters():,}",
    "s": lambda entry: f"{entry.seconds():.0f}",
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
    names = compared_models(models)
    study = Study("table2", dataset, given, seeds, command=command, output=output, say=say)
    chosen = tune_models(study, names, budget) if tune else {}
    study.run([Variant(name, name, chosen.get(name, {})) for name in names])
    hparams = study.entries[-1].hparams
    about = study.about(
        hparams,
        loss=study.given.get("loss", usual_loss(dataset)),
        data_set=dataset,
        **({"settings": f"tuned on validation within {budget}"} if tune else {}),
    )
    entries, tests = study.finished(), against_best_other(study.finished())
    paper = published(entries, hparams.paper_column)
    full = Columns(FIRST, {"": Entry.mean, "sd": Entry.deviation, "paper": paper}, LAST)

    def to_read(best, second):
        """A shorter table with each metric's two highest means marked."""
        each = {"": ranked(entries, best, second), "paper": paper}
        return Columns(FIRST, each, LAST_TO_READ).of(entries, study.measures, short=True)

    printed = to_read("{} *".format, "{} _".format)
    study.footer = ["* best, _ second; ± sample standard deviation over seeds", *study.footer]
    return study.publish(
        "Table 2",
        about,
        full.of(entries, study.measures),
        printed,
        to_read("**{}**".format, "<u>{}</u>".format),
        align="l" + "r" * (len(printed[0]) - 1),
        notes=_notes(entries, tests, about["loss"], hparams.paper_column, chosen),
        record={
            "tests": {
                m.metric: {"against": rival.name, **test._asdict()}
                for m, (rival, test) in tests.items()
            }
        },
    )


def published(entries, column):
    """The paper's figure of an entry and a measure, or None: a column's function."""
    rows = {} if column == "none" else {e.title: paper_row(e.title, column) for e in entries}
    return lambda entry, measure: measure.in_paper(rows.get(entry.title))


def ranked(entries, best, second):
    """A column's function: mean and deviation, marked where the mean is the highest or the next."""

    def text(entry, measure):
        order = sorted(entries, key=lambda other: -other.mean(measure))
        marks = {order[0].name: best, **({order[1].name: second} if order[1:] else {})}
        return marks.get(entry.name, str)(entry.text(measure))

    return text


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
    notes.append(
        "With softmax an instance's scores are free up to an offset, so global AUC also measures "
        "that offset; GAUC, MRR and NDCG do not."
    )
    if paper_column != "none":
        notes.append(
            "The paper's figures are of its own log (Table 1); its code trains DFAR with log loss and "
            "the others with softmax."
        )
    chosen = chosen.items()
    return notes + [f"{get_model(n).title}: chosen on validation: {point}." for n, point in chosen]
