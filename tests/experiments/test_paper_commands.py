"""Tables 1 and 3, Figures 5 and 6, and sweeps: what is computed, shown and written."""

import csv
import json
import struct
import xml.etree.ElementTree

import numpy as np
import pytest
from fake_cells import C, N, predictions, use
from small import MODEL, cache_dir, call, ratings_file, results_in

from dfar_tf.experiments.figure5 import by_group, group_names, group_of
from dfar_tf.experiments.table3 import ABLATIONS
from recommenders_utils.evaluation.metrics import evaluate_predictions

DATA = [flag for flag in MODEL if "records" in flag or "targets" in flag]


@pytest.fixture
def flags(tmp_path, tmp_path_factory):
    return [
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={cache_dir(tmp_path_factory)}",
        f"--output={tmp_path / 'results'}",
        *DATA,
    ]


def written(tmp_path, what):
    """(JSON, rows of the CSV by header, names of the files) of one result."""
    folder = tmp_path / "results"
    names = sorted(name for name in results_in(folder) if name.startswith(what))
    base = names[0].rsplit(".", 1)[0]
    record = json.loads((folder / f"{base}.json").read_text())
    text = (folder / f"{base}.csv").read_text().splitlines()
    about = [line for line in text if line.startswith("#")]
    assert any("run.sh " + what in line for line in about) and "# synthetic: true" in about
    rows = list(csv.DictReader(line for line in text if not line.startswith("#")))
    assert all("SYNTHETIC" in name for name in names)
    return record, rows, [name.rsplit(".", 1)[1] for name in names]


def check_figure(tmp_path, what):
    folder = tmp_path / "results"
    (png,) = (folder / n for n in results_in(folder, "png") if n.startswith(what))
    content = png.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and b"run.sh " + what.encode() in content
    width, height = struct.unpack(">II", content[16:24])
    assert width > 300 and height > 200
    svg = png.with_suffix(".svg").read_text()
    xml.etree.ElementTree.fromstring(svg)
    assert "run.sh " + what in svg


def test_table1_of_another_log_has_no_column_of_the_papers(flags, tmp_path):
    outcome = call("table1", *flags)
    assert outcome.status == 0, outcome.err
    record, rows, _ = written(tmp_path, "table1")
    assert record["headers"] == ["statistic", "ours"] and "6,919" not in outcome.out
    assert {row["statistic"]: row["ours"] for row in rows}["users"] == "400"


def test_table1(flags, tmp_path):
    outcome = call("table1", *flags, "--paper_column=amazon")
    assert outcome.status == 0, outcome.err
    record, rows, endings = written(tmp_path, "table1")
    assert endings == ["csv", "json", "md"]
    by_name = {row["statistic"]: row for row in rows}
    assert by_name["users"]["ours"] == "400" and by_name["users"]["paper"] == "6919"
    positive, negative = (int(by_name[f"{k} records"]["ours"]) for k in ("positive", "negative"))
    assert positive + negative == 6000 and record["synthetic"] is True
    assert by_name["avg records per user"] == {
        "statistic": "avg records per user",
        "ours": "15.0",
        "paper": "17.39",
    }


def test_table3(flags, tmp_path, monkeypatch):
    lifts = {"fha": 0.2, "mo": 0.9, "idl": 1.0, "ibl": 0.8, "none": 1.0}
    use(monkeypatch, tmp_path, lambda hp: lifts[hp.ablation])
    outcome = call("table3", *flags, "--seeds=2", "--paper_column=amazon")
    assert outcome.status == 0, outcome.err
    _, rows, _ = written(tmp_path, "table3")
    by_name = {row["variant"]: row for row in rows}
    assert list(by_name) == list(ABLATIONS) and {row["seeds"] for row in rows} == {"2"}
    values = [evaluate_predictions(predictions(0.2, s), ["mrr@10"])["mrr@10"] for s in (1, 2)]
    row = by_name["w/o FHA"]
    assert float(row["MRR@10"]) == pytest.approx(np.mean(values))
    assert float(row["MRR@10 sd"]) == pytest.approx(np.std(values, ddof=1))
    assert row["MRR@10 paper"] == "0.4782"
    gap = float(row["MRR@10"]) - float(by_name["DFAR"]["MRR@10"])
    assert float(row["MRR@10 diff"]) == pytest.approx(gap) and float(row["MRR@10 p"]) < 0.01
    assert float(by_name["w/o IDL"]["AUC diff"]) == 0 and by_name["w/o IDL"]["AUC p"] == ""
    assert by_name["DFAR"]["AUC diff"] == ""


def test_figure5(flags, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, lambda hp: 1.5 if hp.model_type == "dfar" else 0.1)
    outcome = call("figure5", *flags, "--seeds=2", "--models=sasrec,dfar", "--length_groups=6,12")
    assert outcome.status == 0, outcome.err
    _, rows, endings = written(tmp_path, "figure5")
    assert endings == ["csv", "json", "md", "png", "svg"]
    assert [(row["model"], row["history"]) for row in rows] == [
        (model, group) for model in ("SASRec", "DFAR") for group in ("<= 6", "7 to 12", "> 12")
    ]
    sizes = [int(row["instances"]) for row in rows[:3]]
    lengths = 3 * (1 + np.arange(N) % 9)
    assert sizes == [
        np.sum(lengths <= 6),
        np.sum((lengths > 6) & (lengths <= 12)),
        np.sum(lengths > 12),
    ]
    means = []
    for seed in (1, 2):
        frame = predictions(1.5, seed)
        part = frame[frame["history_length"] > 12].reset_index(drop=True)
        means.append(evaluate_predictions(part, ["auc"])["auc"])
    assert float(rows[5]["AUC"]) == pytest.approx(np.mean(means))
    check_figure(tmp_path, "figure5")


def test_length_groups():
    edges = [10, 15, 18, 20]
    assert group_names(edges) == ["<= 10", "11 to 15", "16 to 18", "19 to 20", "> 20"]
    assert group_of([1, 10, 11, 15, 16, 18, 19, 20, 21, 400], edges).tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    assert group_names([5, 6]) == ["<= 5", "6", "> 6"]


def test_an_empty_group_has_no_figures():
    groups = by_group(predictions(1.0, 3), [2, 50, 60])
    assert [g["instances"] for g in groups] == [0, N, 0, 0] and "auc" not in groups[0]
    assert groups[1]["rows"] == N * C


def test_figure6(flags, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, lambda hp: 1.0 + hp.lambda_bpr - hp.lambda_d)
    outcome = call("figure6", *flags, "--seeds=1")
    assert outcome.status == 0, outcome.err
    _, rows, _ = written(tmp_path, "figure6")
    assert [(row["lambda_bpr"], row["lambda_d"]) for row in rows] == [
        *((v, "") for v in ("0.0001", "0.001", "0.01", "0.1")),
        *(("", v) for v in ("0.0001", "0.001", "0.01", "0.1")),
    ]
    auc = [float(row["AUC"]) for row in rows]
    assert auc[3] > auc[0] and auc[7] < auc[4] and auc[1] == auc[5]
    assert outcome.out.count("(trained before)") == 1  # both defaults are one cell
    check_figure(tmp_path, "figure6")


@pytest.mark.parametrize("grid", ["num_heads=2,4;hidden_size=8,16,32", "dropout=0,0.5"])
def test_sweep(flags, tmp_path, monkeypatch, grid):
    use(monkeypatch, tmp_path, lambda hp: hp.hidden_size / 32 + hp.num_heads / 10 - hp.dropout)
    outcome = call("sweep", *flags, f"--grid={grid}")
    assert outcome.status == 0, outcome.err
    _, rows, _ = written(tmp_path, "sweep")
    if "heads" in grid:
        assert [(r["num_heads"], r["hidden_size"]) for r in rows] == [
            (h, d) for h in ("2", "4") for d in ("8", "16", "32")
        ]
        assert float(rows[-1]["AUC"]) > float(rows[0]["AUC"])
    else:
        assert [row["dropout"] for row in rows] == ["0", "0.5"]
    check_figure(tmp_path, "sweep")


def test_other_questions_have_other_files_and_the_newest_a_link(flags, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, lambda hp: hp.hidden_size / 32)
    for values in ("8,16", "16,32", "16,32"):
        assert call("sweep", *flags, f"--grid=hidden_size={values}").status == 0
    (folder,) = {path.parent for path in tmp_path.rglob("sweep-*.md")}
    names = results_in(folder, ".csv")
    assert len(names) == 2 and all("SYNTHETIC" in name for name in names)
    links = [path for path in folder.glob("sweep-*") if path.is_symlink()]
    assert sorted(path.suffix for path in links) == [".csv", ".json", ".md", ".png", ".svg"]
    (newest,) = (path for path in links if path.suffix == ".csv")
    assert newest.name == "sweep-synthetic-small-dfar-log-loss-hidden-size-SYNTHETIC.csv"
    assert "\n32," in newest.read_text() and "\n8," not in newest.read_text()


def test_a_table_at_chance_says_so(flags, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, lambda hp: 0.0 if hp.ablation != "none" else 3.0)
    outcome = call("table3", *flags)
    assert outcome.status == 0, outcome.err
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("AT CHANCE: "))
    assert "DFAR (w/o FHA) AUC 0." in line and "differences and p-values say nothing" in line
    assert "DFAR AUC" not in line


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sweep"], "--grid is needed"),
        (["sweep", "--grid=num_heads"], "expected key=value,value"),
        (["sweep", "--grid=nonsense=1,2"], "nonsense"),
        (["figure5", "--models=dfar,nobody"], "unknown model 'nobody'"),
        (["table3", "--seeds=some"], "--seeds: 'some'"),
    ],
)
def test_bad_flags(arguments, message):
    outcome = call(*arguments)
    assert outcome.status == 2 and message in outcome.err and "Traceback" not in outcome.err
