"""Table 3: DFAR without one of its parts, compared with the complete model."""

from dfar_tf.experiments.columns import MEASURES, Columns, Entry, Variant
from dfar_tf.experiments.study import Study
from dfar_tf.runs.paper import paper_table3
from recommenders_utils.evaluation.significance import compare

WHOLE = "DFAR"
# The paper's name of each ablation -> the value of ``ablation``.
ABLATIONS = {"w/o FHA": "fha", "w/o MO": "mo", "w/o IDL": "idl", "w/o IBL": "ibl", WHOLE: "none"}


def run_table3(dataset, given, seeds=3, command="", output=None, say=print):
    """Trains missing cells, prints the table and writes it.

    Args:
      dataset: name of a data set's file in ``hparams/``.
      given: hyper-parameters given as flags.
      seeds: how many.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      0, or 1 if a cell failed.
    """
    study = Study("table3", dataset, given, seeds, ("ablation",), command, output, say)
    study.run([Variant(name, "dfar", {"ablation": value}) for name, value in ABLATIONS.items()])
    column, entries = study.paper_column(study.entries[0].hparams), study.finished()
    figures = {} if column == "none" else paper_table3(column)
    tests = against_whole(entries)

    def paper(entry, measure):
        return measure.in_paper(figures.get(entry.name))

    def gap(entry, measure):
        test = tests.get((entry.name, measure))
        return test and test.difference

    def p(entry, measure):
        test = tests.get((entry.name, measure))
        return test and test.p

    def gap_text(entry, measure):
        test = tests.get((entry.name, measure))
        return f"{test.difference:+.4f} (p {test.p:.1g})" if test else ""

    first = {"variant": lambda entry: entry.name}
    each = {"": Entry.mean, "sd": Entry.deviation, "paper": paper, "diff": gap, "p": p}
    full = Columns(first, each, {"seeds": Entry.seeds})
    short = Columns(first, {"": Entry.text, "paper": paper, "diff": gap_text}, {})
    to_read = short.of(entries, study.measures, short=True)
    return study.publish(
        "Table 3",
        study.about(model="dfar"),
        full.of(entries, study.measures),
        printed=to_read,
        markdown=to_read,
        explained=[
            "diff: the ablation minus DFAR, seeds averaged. p: paired t-test over instances (MRR, NDCG) or "
            "users (GAUC), bootstrap over users (AUC)."
        ],
    )


def against_whole(entries):
    """``{(name, measure): PairedTest}`` of each ablation with as many seeds as DFAR, against it."""
    whole = [entry for entry in entries if entry.name == WHOLE]
    if not whole:
        return {}
    frames, tests, metrics = whole[0].predictions(), {}, [m.metric for m in MEASURES]
    for entry in entries:
        if entry.name != WHOLE and entry.seeds() == len(frames):
            found = compare(entry.predictions(), frames, metrics)
            tests.update({(entry.name, m): found[m.metric] for m in MEASURES})
    return tests
