"""The paper's column stands beside ours only on the paper's log, or where the user asks for it."""

import pytest
from small import MODEL, cache_dir, call, house_file

from dfar_tf.runs.paper import paper_table1, same_counts, shown_column
from recommenders_utils.files import read_json

STATISTICS = {
    "users": 6919,
    "items": 28695,
    "positive_records": 99753,
    "negative_records": 20581,
    "avg_records_per_user": 17.392,
}
META = {"statistics": STATISTICS, "synthetic": False}
FLAGS = [f for f in MODEL if not f.startswith(("--paper_column", "--tower", "--train_targets"))]


def test_the_papers_log_is_known_by_its_counts():
    paper = paper_table1("amazon")
    assert (paper["users"], paper["negative"]) == (6919, 20581)
    assert same_counts(STATISTICS, "amazon") and not same_counts(STATISTICS, "micro_video")
    assert shown_column("amazon", {}, META) == "amazon"


@pytest.mark.parametrize("name", ["users", "items", "positive_records", "negative_records"])
def test_one_count_more_is_another_log(name):
    meta = {**META, "statistics": {**STATISTICS, name: STATISTICS[name] + 1}}
    assert shown_column("amazon", {}, meta) == "none"
    assert shown_column("amazon", {"paper_column": "amazon"}, meta) == "amazon"


def test_a_generated_log_is_not_the_papers_whatever_its_counts():
    assert shown_column("amazon", {"seed": "1"}, {**META, "synthetic": True}) == "none"


def test_none_stays_none():
    assert shown_column("none", {}, META) == "none"


def run_on_another_log(factory, folder, *more):
    outcome = call(
        "amazon",
        "--model=newest",
        f"--ratings={house_file(factory)}",
        f"--cache_dir={cache_dir(factory)}",
        f"--run_dir={folder}",
        *FLAGS,
        *more,
    )
    assert outcome.status == 0, outcome.err
    log = (folder / "run.log").read_text()  # what was printed, and the details
    assert outcome.out[outcome.out.index("newest on ") :] in log
    return log


def test_another_log_ends_with_the_untrained_line_instead(tmp_path_factory, tmp_path):
    out = run_on_another_log(tmp_path_factory, tmp_path / "run")
    assert "paper, Table 1" not in out and "difference" not in out
    test = out[out.index("newest on house log, test") :]
    assert ["metric", "ours"] in [line.split() for line in test.splitlines()]
    assert "\nuntrained: " in test
    assert "paper_column: none" in (tmp_path / "run" / "hparams.yaml").read_text()
    again = call("evaluate", f"--run_dir={tmp_path / 'run'}")
    assert again.status == 0 and "difference" not in again.out


def test_who_asks_for_it_gets_it_and_is_told(tmp_path_factory, tmp_path, monkeypatch):
    # The paper has no row of an untrained model: of DFAR's, whose training is not needed here.
    monkeypatch.setattr("dfar_tf.runs.steps.paper_row", lambda model, column: {"auc": 0.25})
    out = run_on_another_log(tmp_path_factory, tmp_path / "run", "--paper_column=amazon")
    assert "paper, Table 1" in out
    test = out[out.index("newest on house log, test") :]
    auc = read_json(str(tmp_path / "run" / "results.json"))["test"]["auc"]
    line = ["AUC", f"{auc:.4f}", "0.2500", f"{auc - 0.25:+.4f}"]
    assert line in [row.split() for row in test.splitlines()]
    assert "The paper's column is from its own log (Table 1), which this one is not." in test
    again = call("evaluate", f"--run_dir={tmp_path / 'run'}")
    assert line in [row.split() for row in again.out.splitlines()]


def test_the_papers_log_has_its_column_unasked(tmp_path_factory, tmp_path, monkeypatch):
    monkeypatch.setattr("dfar_tf.runs.steps.paper_row", lambda model, column: {"auc": 0.25})
    monkeypatch.setattr("dfar_tf.runs.paper.same_counts", lambda statistics, column: True)
    monkeypatch.setattr("dfar_tf.runs.steps.same_counts", lambda statistics, column: True)
    out = run_on_another_log(tmp_path_factory, tmp_path / "run")
    assert "paper, Table 1" in out and "difference" in out
    assert "which this one is not" not in out
