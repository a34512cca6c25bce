"""table2 end to end on a small SYNTHETIC log: cells, resuming, failing, what is written."""

import csv
import json
import os
import shutil
import types

import numpy as np
import pytest
from small import MODEL, call, ratings_file, results_in

from dfar_tf.cli import parse
from dfar_tf.commands import get_command
from dfar_tf.experiments import table2
from dfar_tf.experiments.cells import (
    cell_hparams,
    compared_models,
    grid_points,
    own_loss,
    parse_grid,
    tune_models,
)
from dfar_tf.models import untrained_names
from dfar_tf.runs import grid
from dfar_tf.runs.grid import Cell, cell_name
from dfar_tf.settings import PAPER_SETTINGS, merge_hparams
from recommenders_utils.errors import UserError

# Only what all models have.
SMALL = [flag for flag in MODEL if not flag.startswith(("--tower_layers", "--learning_rate"))]
FLAGS = ("--models=gru4rec,sine,dfar", "--seeds=2", "--epochs=1", "--learning_rate=0.01")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(cells' folder, output folder, command, outcome) of one whole table."""
    folder = tmp_path_factory.mktemp("table2")
    cells, output = folder / "cells", folder / "results"
    before = grid.in_checkout
    grid.in_checkout = lambda path: str(cells) if path.startswith("runs") else before(path)
    arguments = [
        "table2",
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={folder / 'prepared'}",
        f"--output={output}",
        *SMALL,
        *FLAGS,
    ]
    try:
        yield cells, output, arguments, call(*arguments)
    finally:
        grid.in_checkout = before


def read(output, ending):
    (name,) = results_in(output, ending)
    return (output / name).read_text(encoding="utf-8")


def stamps(cells):
    return {p: p.stat().st_mtime_ns for p in sorted(cells.glob("*/results.json"))}


def test_every_cell_is_trained_and_the_table_printed(made):
    cells, _, _, outcome = made
    assert outcome.status == 0, outcome.err
    names = sorted(p.name.rsplit("-", 1)[0] for p in cells.iterdir())
    expected = [
        f"{m}-{loss}-seed{s}"
        for m, loss in (("dfar", "log-loss"), ("gru4rec", "log-loss"), ("sine", "bpr"))
        for s in (1, 2)
    ]
    assert names == expected
    assert "cell 6 of 6: dfar, seed 2: test auc 0." in outcome.out
    assert "min elapsed, at most" in outcome.out
    title = "Table 2, test, 2 seed(s), on SYNTHETIC_small - SYNTHETIC data; loss log_loss"
    assert title in outcome.out
    assert "SINE trains with its own loss, bpr." in outcome.out


def test_means_and_deviations_are_those_of_the_cells(made):
    cells, output, _, _ = made
    record = json.loads(read(output, ".json"))
    by_model = {row[0]: dict(zip(record["headers"], row)) for row in record["rows"]}
    assert list(by_model) == ["GRU4REC", "SINE", "DFAR", *untrained_names()]
    assert [row["part"] for row in by_model.values()] == ["trained"] * 3 + ["untrained"] * 6
    for name, title in (("gru4rec", "GRU4REC"), ("dfar", "DFAR")):
        runs = [json.loads(p.read_text()) for p in sorted(cells.glob(f"{name}-*/results.json"))]
        values = [run["test"]["ndcg@10"] for run in runs]
        row = by_model[title]
        assert row["NDCG@10"] == pytest.approx(sum(values) / 2)
        assert row["NDCG@10 sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
        assert row["parameters"] == runs[0]["parameters"] and row["seeds"] == 2
    tests = record["tests"]
    assert set(tests) == {"auc", "mrr@10", "ndcg@10", "gauc"}
    assert all(test["against"] in ("gru4rec", "sine") for test in tests.values())
    gap = by_model["DFAR"]["AUC"] - max(by_model[m]["AUC"] for m in ("GRU4REC", "SINE"))
    assert tests["auc"]["difference"] == pytest.approx(gap, abs=1e-6)


def test_every_file_says_what_it_is_of(made):
    _, output, _, _ = made
    text = read(output, ".csv")
    about = [line for line in text.splitlines() if line.startswith("#")]
    assert any(line.startswith("# command: bash run.sh table2 --ratings=") for line in about)
    assert "# seeds: [1, 2]" in about and "# synthetic: true" in about
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    assert [row["model"] for row in rows] == ["GRU4REC", "SINE", "DFAR", *untrained_names()]
    assert all("SYNTHETIC" in name for name in os.listdir(str(output)))
    markdown = read(output, ".md")
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert sum(line.count("**") for line in table) == 2 * 4
    assert sum(line.count("<u>") for line in table) == 4
    assert (
        "SYNTHETIC data: these results say nothing" in markdown and "learning rate 0.01" in markdown
    )


def test_untrained_models_stand_in_a_part_of_their_own(made):
    _, output, _, outcome = made
    lines = outcome.out.splitlines()
    start = lines.index("untrained:")
    names = [line.split()[0] for line in lines[start + 1 : start + 7]]
    assert names == untrained_names() and lines[start - 1].startswith("DFAR ")
    record = json.loads(read(output, ".json"))
    by_model = {row[0]: dict(zip(record["headers"], row)) for row in record["rows"]}
    best = max(untrained_names(), key=lambda name: by_model[name]["NDCG@10"])
    value = f"{by_model[best]['NDCG@10']:.3f}".replace("0.", ".")
    assert record["notes"][0] == f"untrained: {best} NDCG@10 {value}"
    below = [
        title
        for title in ("GRU4REC", "SINE", "DFAR")
        if by_model[title]["NDCG@10"] <= by_model[best]["NDCG@10"]
    ]
    warned = [note for note in record["notes"] if note.startswith("WARNING: ")]
    assert [note.split()[1] for note in warned] == below
    # Marks are among the trained.
    assert not any("*" in line or "_" in line for line in lines[start + 1 : start + 7])


def test_untrained_models_alone_or_none(made, tmp_path):
    cells, _, arguments, _ = made
    arguments = [a for a in arguments if not a.startswith(("--output", "--models"))]
    before = len(list(cells.iterdir()))
    alone = call(*arguments, f"--output={tmp_path / 'alone'}", "--models=newest,itemknn")
    assert alone.status == 0, alone.err
    record = json.loads(read(tmp_path / "alone", ".json"))
    assert [row[:2] for row in record["rows"]] == [[n, "untrained"] for n in ("newest", "itemknn")]
    assert len(list(cells.iterdir())) == before  # nothing was trained
    more = ("--models=gru4rec", "--seeds=1", "--untrained=")
    none = call(*arguments, f"--output={tmp_path / 'none'}", *more)
    assert none.status == 0, none.err
    assert "untrained" not in json.dumps(json.loads(read(tmp_path / "none", ".json"))["notes"])
    assert "untrained:" not in none.out


def test_ten_candidates_and_the_whole_catalogue_side_by_side(made, tmp_path):
    cells, _, arguments, _ = made
    before = stamps(cells)
    arguments = [a for a in arguments if not a.startswith(("--output", "--seeds", "--models"))]
    more = ("--models=gru4rec,dfar", "--seeds=1", "--ranking=full", f"--output={tmp_path}")
    outcome = call(*arguments, *more)
    assert outcome.status == 0, outcome.err
    assert len(stamps(cells)) == len(before) and outcome.out.count("(trained before)") == 2
    record = json.loads(read(tmp_path, ".json"))
    by_model = {row[0]: dict(zip(record["headers"], row)) for row in record["rows"]}
    assert list(by_model) == ["GRU4REC", "DFAR", *untrained_names()]
    (cell,) = cells.glob("dfar-*seed1-*")
    ranking = json.loads((cell / "results.json").read_text())["ranking"]
    assert by_model["DFAR"]["full HR@10"] == ranking["full_hr@10"]
    assert by_model["DFAR"]["full NDCG@10"] == ranking["full_ndcg@10"]


def test_the_two_orders_of_models_are_compared(made, tmp_path):
    _, _, arguments, _ = made
    arguments = [a for a in arguments if not a.startswith(("--output", "--models", "--seeds"))]
    more = ("--models=gru4rec,dfar", "--seeds=1", "--ranking=full", f"--output={tmp_path}")
    outcome = call(*arguments, *more)
    assert outcome.status == 0, outcome.err
    record = json.loads(read(tmp_path, ".json"))
    rows = [dict(zip(record["headers"], row)) for row in record["rows"]]
    assert [row["model"] for row in rows] == ["GRU4REC", "DFAR", *untrained_names()]
    sampled, full = ([row[name] for row in rows] for name in ("NDCG@10", "full NDCG@10"))
    # tau-b by its definition
    pairs = [
        (np.sign(sampled[i] - sampled[j]), np.sign(full[i] - full[j]))
        for i in range(len(rows))
        for j in range(i)
    ]
    tau = (
        sum(a * b for a, b in pairs)
        / (sum(a != 0 for a, _ in pairs) * sum(b != 0 for _, b in pairs)) ** 0.5
    )
    assert record["kendall"]["all"]["tau"] == pytest.approx(tau)
    assert record["kendall"]["all"]["models"] == len(rows)
    (note,) = [note for note in record["notes"] if note.startswith("Kendall's tau")]
    assert f"{tau:.2f} over all models ({len(rows)})" in note and "the trained ones (2)" in note
    assert "; whole catalogue: " in record["notes"][0]


def test_the_same_command_trains_nothing_again(made):
    cells, _, arguments, _ = made
    before = stamps(cells)
    again = call(*arguments)
    assert again.status == 0 and again.out.count("(trained before)") == 6
    assert stamps(cells) == before and len(before) == 6


def test_a_cell_that_is_gone_is_trained_again_to_the_same_figures(made):
    cells, _, arguments, _ = made
    (gone,) = cells.glob("gru4rec-*seed2-*")
    before = json.loads((gone / "results.json").read_text())["test"]
    shutil.rmtree(str(gone))
    again = call(*arguments)
    assert again.out.count("(trained before)") == 5
    after = json.loads((gone / "results.json").read_text())["test"]
    assert after["auc"] == pytest.approx(before["auc"], abs=1e-6)


def test_other_settings_are_other_cells(made, tmp_path):
    cells, _, arguments, _ = made
    arguments = [a for a in arguments if not a.startswith(("--output", "--models", "--seeds"))]
    more = [f"--output={tmp_path}", "--models=gru4rec", "--seeds=1", "--embed_l2=0.5"]
    before = len(list(cells.iterdir()))
    outcome = call(*arguments, *more)
    assert outcome.status == 0, outcome.err
    assert len(list(cells.iterdir())) == before + 1


def test_tuning_takes_the_best_of_the_budget_on_validation(made, tmp_path):
    cells, _, arguments, _ = made
    arguments = [
        a
        for a in arguments
        if not a.startswith(("--output", "--models", "--seeds", "--learning_rate"))
    ]
    budget = "--budget=learning_rate=0.00001,0.01"
    more = [f"--output={tmp_path}", "--models=gru4rec", "--seeds=1", "--tune", budget]
    outcome = call(*arguments, *more)
    assert outcome.status == 0, outcome.err
    assert "cell 2 of 2: gru4rec, tuning {'learning_rate': '0.01'}" in outcome.out
    notes = json.loads(read(tmp_path, ".json"))["notes"]
    values, settings = {}, {}
    for path in cells.glob("gru4rec-*seed1-*"):
        lines = (path / "hparams.yaml").read_text().splitlines()
        (line,) = [line for line in lines if "learning_rate" in line]
        rate, rest = float(line.split(":")[1].split("#")[0]), tuple(sorted({*lines} - {line}))
        settings[path] = rate, rest
    # Other tests' cells have other settings beside the step size.
    (tuned,) = [rest for rate, rest in settings.values() if rate == 1e-5]
    for path, (rate, rest) in settings.items():
        if rest == tuned:
            values[rate] = json.loads((path / "results.json").read_text())["valid"]["auc"]
    chosen = max((1e-5, 0.01), key=lambda rate: values[rate])
    assert any(
        "GRU4REC: chosen on validation" in n and f"{chosen:g}" in n.replace("0.00001", "1e-05")
        for n in notes
    )


@pytest.mark.parametrize(
    "metric, rate", [("auc", "0.1"), ("logloss", "0.2"), ("full_ndcg@10", "0.3")]
)
def test_tuning_chooses_by_the_metric_of_early_stopping(metric, rate):
    """The whole catalogue's is in the best epoch, any other in the validation of the best weights."""
    found = {  # by step size: auc and log loss at the best epoch, and in the whole catalogue
        "0.1": ({"auc": 0.9, "logloss": 0.5}, [0.8, 0.1]),
        "0.2": ({"auc": 0.5, "logloss": 0.3}, [0.1, 0.2]),
        "0.3": ({"auc": 0.6, "logloss": 0.4}, [0.2, 0.3]),
    }

    def train(cells):
        for cell in cells:
            valid, whole = found[str(cell.hparams.learning_rate)]
            epochs = [{"validation": {"auc": 0.1, "full_ndcg@10": value}} for value in whole]
            results = {"valid": valid, "epochs": epochs, "best_epoch": 2}
            yield types.SimpleNamespace(
                results=None if cell.hparams.model_type == "din" else results
            )

    study = types.SimpleNamespace(
        seeds=[5], dataset="amazon", given={"early_stop_metric": metric}, train=train
    )
    best = tune_models(study, ["gru4rec", "din"], "learning_rate=0.1,0.2,0.3")
    assert best == {"gru4rec": {"learning_rate": rate}, "din": {}}


def test_a_failing_cell_does_not_lose_the_others(made, tmp_path, monkeypatch):
    _, _, arguments, _ = made
    arguments = [a for a in arguments if not a.startswith("--output")]
    monkeypatch.setattr(grid, "run_experiment", failing(grid.run_experiment))
    (gone,) = made[0].glob("sine-*seed1-*")
    shutil.rmtree(str(gone))
    outcome = call(*arguments, f"--output={tmp_path}")
    assert outcome.status == 1
    assert "cell 2 of 6: sine, seed 1: FAILED: ValueError" in outcome.out
    assert "FAILED sine, seed 1: ValueError" in outcome.out
    record = json.loads(read(tmp_path, ".json"))
    trained = [row for row in record["rows"] if "trained" in row]
    assert [row[0] for row in trained] == ["GRU4REC", "SINE", "DFAR"]
    assert [row[-1] for row in trained] == [2, 1, 2]


def failing(run_experiment):
    def run(hparams, *arguments, **named):
        if hparams.model_type == "sine":
            raise ValueError("a defect")
        return run_experiment(hparams, *arguments, **named)

    return run


def test_interrupted_it_says_how_to_go_on(made, monkeypatch, tmp_path):
    _, _, arguments, _ = made

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(grid, "run_experiment", interrupted)
    outcome = call(*arguments, f"--output={tmp_path}", "--seed=77")
    assert outcome.status == 130
    assert "0 of 6 cells are done. To resume: bash run.sh table2" in outcome.err


def test_an_interrupt_within_tensorflow_is_one(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise RuntimeError("ORIGINAL InvalidArgumentError REPLACED BY KeyboardInterrupt: <EMPTY>")

    monkeypatch.setattr(grid, "run_experiment", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grid.run_cell(Cell("a cell", merge_hparams("amazon")), str(tmp_path / "cell"))


def test_all_systems_of_the_paper_come_in_its_order():
    names = compared_models()
    paper = [
        "din",
        "caser",
        "gru4rec",
        "dien",
        "sasrec",
        "tha4rec",
        "dfn",
        "feedrec",
        "sine",
        "dfar",
    ]
    assert names == paper
    assert compared_models("dfar, din") == ["dfar", "din"]
    assert compared_models("din,dfar,din") == ["din", "dfar"]
    with pytest.raises(UserError, match="unknown model 'dinn'; did you mean din"):
        compared_models("dinn")


@pytest.mark.parametrize("dataset", ["amazon", "interactions", "kuairand"])
def test_one_step_size_for_tables_and_runs_and_the_papers_where_asked_for(dataset, monkeypatch):
    assert cell_hparams(dataset, "din", {}, 3).learning_rate == 3e-3
    assert merge_hparams(dataset).learning_rate == 3e-3
    for command in ("table3", "sweep"):
        options = parse(get_command(command), [command, "--paper_settings"])
        assert cell_hparams(dataset, "din", options.given, 3).learning_rate == 1e-4
    both = parse(get_command("table2"), ["table2", "--paper_settings", "--learning_rate=0.01"])
    assert both.given["learning_rate"] == "0.01"


def test_a_cell_of_the_default_step_size_is_the_cell_where_it_was_given():
    store = types.SimpleNamespace(meta={"fingerprint": "f"})
    names = [
        cell_name(Cell("", cell_hparams("amazon", "din", given, 1)), store)
        for given in ({}, {"learning_rate": "0.003"}, PAPER_SETTINGS)
    ]
    assert names[0] == names[1] != names[2]


def test_without_tuning_a_runs_settings_unless_given():
    hp = cell_hparams("amazon", "din", {}, 3)
    assert (hp.learning_rate, hp.batch_size, hp.hidden_size, hp.EARLY_STOP) == (3e-3, 200, 32, 2)
    assert hp.patience_from == 0.55 and hp.seed == 3 and hp.loss == "log_loss"
    assert cell_hparams("amazon", "din", {"learning_rate": "0.01"}, 3).learning_rate == 0.01
    assert cell_hparams("amazon", "sine", {"loss": "softmax"}, 3).loss == "bpr"
    assert cell_hparams("amazon", "din", {"loss": "softmax"}, 3).loss == "softmax"
    assert own_loss("amazon", "sine") == "bpr" and own_loss("amazon", "din") is None
    assert cell_hparams("amazon", "din", {"early_stop_metric": "logloss"}, 3).patience_from == 0
    # Nor one that the objective's file chooses: NDCG in the whole catalogue would never reach .55.
    assert cell_hparams("amazon", "sasrec", {"objective": "retrieval"}, 3).patience_from == 0


def test_a_budget_is_read_or_refused():
    assert parse_grid("a=1,2; b=3") == {"a": ["1", "2"], "b": ["3"]}
    for text in ("", "a", "a=", "a=1;b"):
        with pytest.raises(UserError, match="expected key=value,value;key=value"):
            parse_grid(text)


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--seeds=0", "--seeds: '0' is not a positive whole number"),
        ("--models=nobody", "unknown model 'nobody'"),
        ("--data=nowhere", "nowhere.yaml"),
        ("--learning_rate=fast", "learning_rate"),
    ],
)
def test_bad_flags(flag, message, capsys):
    outcome = call("table2", flag)
    assert outcome.status == 2 and message in outcome.err and "Traceback" not in outcome.err


def test_the_note_on_softmax_is_told_of_softmax_alone():
    for loss in ("log_loss", "softmax"):
        entry = types.SimpleNamespace(title="DIN", results=[{"loss": loss}])
        notes = table2._notes([entry], {}, loss, "none", {})
        assert any("With softmax" in note for note in notes) == (loss == "softmax")


@pytest.mark.parametrize(
    "name, budget, key, values",
    [
        ("din", "att_softmax=true,false", "att_softmax", [True, False]),
        ("caser", "max_filter_height=5,20", "max_filter_height", [5, 20]),
    ],
)
def test_what_two_papers_leave_open_can_be_tuned(name, budget, key, values):
    cells = [cell_hparams("amazon", name, {}, 1, **point) for point in grid_points(budget)]
    assert [cell.values()[key] for cell in cells] == values
