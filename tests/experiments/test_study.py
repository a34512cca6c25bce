"""A study's seams: further lines, columns, footers and notes come into a table without its module."""

import json

import pytest
from fake_cells import use
from small import MODEL, cache_dir, call, ratings_file, results_in

from dfar_tf.experiments.columns import (
    MEAN_AND_DEVIATION,
    MEASURES,
    Columns,
    Entry,
    Measure,
    Variant,
)
from dfar_tf.experiments.study import Study, observed_notes, tower_notes
from dfar_tf.models import untrained_names
from dfar_tf.settings import merge_hparams

PARAMETERS = {"parameters": Entry.parameters}


def entry(name, aucs, counted=7):
    """An Entry of made-up runs, one a seed."""
    results = [
        {"test": {"auc": auc}, "catalogue": {"auc": auc / 2}, "parameters": counted} for auc in aucs
    ]
    return Entry(Variant(name, "din", {}), None, results, [])


def test_columns_are_repeated_for_every_measure():
    columns = Columns({"name": lambda e: e.name}, MEAN_AND_DEVIATION, PARAMETERS)
    entries = [entry("a", [0.5, 0.7]), entry("b", [0.25]), entry("c", [])]
    headers, rows = columns.of(entries, [Measure("auc"), Measure("auc", "catalogue")])
    assert headers == ["name", "AUC", "AUC sd", "AUC", "AUC sd", "parameters"]
    assert rows[0] == pytest.approx(["a", 0.6, 0.02**0.5, 0.3, 0.005**0.5, 7])
    assert rows[1] == ["b", 0.25, None, 0.125, None, 7]
    assert rows[2] == ["c", None, None, None, None, None]


def test_a_figure_that_is_not_defined_is_none():
    """As HR_n of a log without disliked targets, under several seeds."""
    columns, nan = Columns({}, MEAN_AND_DEVIATION, {}), float("nan")
    entries = [entry("a", [nan, nan, nan]), entry("b", [nan]), entry("c", [0.5, nan, 0.7])]
    _, rows = columns.of(entries, [Measure("auc")])
    assert rows[:2] == [[None, None]] * 2
    assert rows[2] == pytest.approx([0.6, 0.02**0.5])
    assert entries[0].text(Measure("auc")) is None


def test_short_headers_name_the_measure_once():
    each = {"": Entry.text, "paper": lambda e, m: m.in_paper({"auc": 0.7})}
    headers, rows = Columns({}, each, {}).of(
        [entry("a", [0.5, 0.7]), entry("c", [])],
        [Measure("auc"), Measure("auc", "catalogue")],
        short=True,
    )
    assert headers == ["AUC", "paper", "AUC", "paper"]
    # The paper has no figures but those of its own candidates.
    assert rows == [["0.6000 ± 0.1414", 0.7, "0.3000 ± 0.0707", None], [None, 0.7, None, None]]


@pytest.mark.parametrize("command", ["table2", "table3", "figure6"])
def test_what_a_study_carries_is_in_every_table(command, tmp_path, tmp_path_factory, monkeypatch):
    """Another line, another group of columns, a footer and a note, none of them in the table's module."""
    use(monkeypatch, tmp_path, lambda hp: 1.0)
    run = Study.run

    def with_more(study, variants):
        run(study, variants)
        study.entries.insert(0, study.entries[0]._replace(variant=Variant("other", "caser", {})))
        study.measures = [*MEASURES, Measure("gauc", "valid")]
        study.footer.append("a footer")
        study.remarks.append("a remark")
        return study

    monkeypatch.setattr(Study, "run", with_more)
    data = [flag for flag in MODEL if "records" in flag or "targets" in flag]
    models = ["--models=gru4rec,dfar"] * (command == "table2")
    outcome = call(
        command,
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={cache_dir(tmp_path_factory)}",
        f"--output={tmp_path / 'results'}",
        "--seeds=1",
        *models,
        *data,
    )
    assert outcome.status == 0, outcome.err
    (name,) = results_in(tmp_path / "results", ".json")
    record = json.loads((tmp_path / "results" / name).read_text())
    lines = {"table2": 2, "table3": 5, "figure6": 8}[command]
    rows = [row for row in record["rows"] if "untrained" not in row]
    assert len(rows) == lines + 1 and record["headers"].count("GAUC") == 2
    assert len(record["rows"]) - len(rows) == (len(untrained_names()) if command == "table2" else 0)
    assert record["notes"][0].startswith("untrained: ")
    replaced = "The common tower stands in place of the published output: an output unit per item ("
    of = "Caser, GRU4REC" if command == "table2" else "Caser"
    assert [n for n in record["notes"] if n.startswith("The common")] == [f"{replaced}{of})."]
    assert record["notes"][-1] == "a remark" and "a footer" not in record["notes"]
    printed = outcome.out.splitlines()
    assert printed.index("a footer") < printed.index(record["notes"][0]) < printed.index("a remark")


def test_observed_feedback_is_a_note_of_every_table():
    first, second = entry("a", [0.5, 0.7]), entry("din", [0.25])
    assert observed_notes([first, second]) == []
    for results, auc in zip(first.results, (0.4, 0.6)):
        results["observed_auc"] = {"valid": auc, "test": auc / 2}
    assert observed_notes([first, second]) == [
        "Observed feedback, AUC of liked against disliked targets (validation / test): "
        "DIN (a) 0.5000 / 0.2500."
    ]


def test_a_product_replaces_no_published_output_by_the_tower():
    hparams = merge_hparams(model_type="sasrec")
    sasrec = Entry(Variant("sasrec", "sasrec", {}), hparams, [], [])
    assert tower_notes([sasrec]) == [
        "The common tower stands in place of the published output: a product with the item (SASRec)."
    ]
    dfar = Entry(Variant("dfar", "dfar", {}), merge_hparams(), [], [])
    for other in ({"scorer": "dot"}, {"released_form": True}):
        assert tower_notes([sasrec._replace(hparams=hparams.replace(**other)), dfar]) == []
