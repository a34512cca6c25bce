"""The whole book from made-up cells: Tables 2 and 3, Figures 4 to 6, as published, tests and verdicts."""

import json
import os
import types

import numpy as np
import pytest
import yaml
from fake_cells import METRICS, C, predictions
from places import HPARAMS

from dfar_tf.experiments.book import shelf as shelf_module
from dfar_tf.experiments.book import write
from dfar_tf.experiments.book.benchmark import read_benchmark
from dfar_tf.experiments.book.csvfile import read_rows
from dfar_tf.experiments.book.docs import NAMES, sections
from dfar_tf.experiments.book.session import train
from dfar_tf.experiments.book.shelf import Shelf
from dfar_tf.experiments.book.works import Planner
from dfar_tf.runs.grid import Outcome
from recommenders_utils.evaluation.metrics import evaluate_predictions

LIFTS = {"dfar": 3.0, "caser": 1.2, "gru4rec": 0.6, "sasrec": 1.0, "newest": 0.3}


def lift(hparams):
    """Ours leads by far; without FHA nothing is left of it; the weights do not matter."""
    if hparams.values().get("ablation", "none") == "fha":
        return 0.0
    return LIFTS[hparams.model_type] * (0.8 if hparams.learning_rate == 0.0001 else 1)


def made_up(cell, path, given=(), command="", finished=False):
    """Stands in for ``run_cell``."""
    hparams = cell.hparams
    frame = predictions(lift(hparams), hparams.seed)
    os.makedirs(path, exist_ok=True)
    frame.to_csv(os.path.join(path, "predictions_test.csv"), index=False)
    figures = evaluate_predictions(frame, METRICS)
    results = {
        **{"model": hparams.model_type, "loss": hparams.loss, "seed": hparams.seed},
        **{"test": figures, "valid": figures, "observed_auc": {"valid": 0.5}},
        "epochs": [{"validation": figures}] * hparams.epochs,
        **{"seconds": {"all": 1.0}, "parameters": 1234, "best_epoch": 1},
        **{"data_fingerprint": "f" * 64, "synthetic": True},
        "ranking": {"full_hr@10": 0.1, "full_ndcg@10": 0.05, "full_hr@10_p-n": 0.02},
    }
    with open(os.path.join(path, "results.json"), "w") as stream:
        json.dump(results, stream)
    return Outcome(path, results)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """(folder of the book, what was said)."""
    folder, patch, said = tmp_path_factory.mktemp("book"), pytest.MonkeyPatch(), []
    path = HPARAMS / "benchmarks" / "tiny.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content.update(models=["gru4rec", "caser", "sasrec", "dfar"], untrained=["newest"])
    content["parts"][0]["extras"] = ["ablations", "weights", "published"]
    content["seeds"] = {"first": 1, "most": 3, "best_others": 1, "rest": 2}
    content["resamples"] = 800
    (folder / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "SYNTHETIC_tiny.csv").write_text("")
    meta = {"fingerprint": "f" * 64, "name": "tiny", "synthetic": True, "protocol": {}}
    counts = types.SimpleNamespace(counts=np.full(8, C))
    store = types.SimpleNamespace(meta=meta, splits={"test": counts})
    attention = {"attention": np.array([[2.0, 1], [1, 6]]), "pairs": np.array([[1.0, 1], [1, 7]])}
    attention["transitions"] = attention["pairs"]
    patch.setattr(shelf_module, "prepare_data", lambda *_: (store, None))
    patch.setattr(shelf_module, "run_cell", made_up)
    patch.setattr(write, "accumulate", lambda *_: attention)
    benchmark = read_benchmark(str(folder / "mine.yaml"), str(folder))
    shelf = Shelf(benchmark, str(folder / "cells"), command="the command", say=lambda _: None)
    planner = Planner(benchmark, shelf)
    train(planner, say=lambda _: None)
    assert write.write_book(planner, str(folder / "out"), said.append) == 0
    patch.undo()
    return folder / "out", said


def rows(book, name):
    return read_rows(str(book[0] / (name + ".csv")))


def test_every_cell_is_in_it(book):
    cells = rows(book, "cells")
    assert {row["status"] for row in cells} == {"done"}
    count = {kind: sum(row["kind"] == kind for row in cells) for kind in {r["kind"] for r in cells}}
    assert count == {
        **{"untrained": 1, "draw": 4, "finalist": 4, "tuned": 2 + 3 + 2 + 3},
        **{"ablation": 12, "weight": 24, "published": 8},
    }
    assert f"{len(cells)} cells done, 0 failed, 0 missing" in book[1]


def test_pairs_are_corrected_by_family(book):
    pairs = rows(book, "pairs")
    count = {}
    for row in pairs:
        count.setdefault((row["family"], row["metric"]), []).append(row)
    assert {key: len(own) for key, own in count.items() if key[1] == "auc"} == {
        **{("table2", "auc"): 6, ("table3", "auc"): 4, ("table3 losses", "auc"): 1},
        **{("figure6 lambda_bpr", "auc"): 6, ("figure6 lambda_d", "auc"): 6},
        # Of the attention models there is SASRec, and ours; histories are 3, 6, ... 27 records long.
        **{(f"figure5 {group}", "auc"): 1 for group in ("<= 10", "11 to 15", "16 to 18", "> 20")},
    }
    for own in count.values():
        assert {row["comparisons"] for row in own} == {len(own)}
        raw = sorted(row["p"] for row in own)
        assert min(row["p Holm"] for row in own) == pytest.approx(min(1, raw[0] * len(own)))


def test_the_verdicts_are_those_of_what_was_made_up(book):
    verdicts = {row["claim"].split(" (")[0]: row["verdict"] for row in rows(book, "claims")}
    assert verdicts["DFAR is best by AUC"] == verdicts["DFAR is best by GAUC"] == "holds"
    assert verdicts["w/o FHA, NDCG@10 drops"] == "holds"
    assert verdicts["w/o MO, NDCG@10 drops"] == "not distinguishable"
    assert verdicts["AUC peaks at a lambda_D of 0.001"] == "not distinguishable"
    name = "after a negative record, attention to negative ones is above their share"
    assert verdicts[name] == "holds"
    assert verdicts["DFN is below Caser by AUC"] == "not measured"


def test_tables_figures_and_the_report(book):
    for kind in ("table2", "table3", "published", "figure4", "figure5", "figure6"):
        base = f"{kind}-tiny-log-loss-SYNTHETIC"
        figure = kind not in ("table3", "published")
        for ending in ("csv", "md", "json", *("png", "svg") * figure):
            assert (book[0] / f"{base}.{ending}").exists(), (kind, ending)
    record = json.loads((book[0] / "table3-tiny-log-loss-SYNTHETIC.json").read_text())
    names = [row[record["headers"].index("cell")] for row in record["rows"]]
    assert names == ["dfar", "w/o FHA", "w/o MO", "w/o IDL", "w/o IBL"]
    assert record["seeds"] == [1, 2, 3] and record["pairs"]
    page = (book[0] / "report.html").read_text(encoding="utf-8")
    for title in (
        "The paper&#x27;s claims",
        "Table 2",
        "Table 3",
        "Figure 4",
        "Figure 5",
        "Figure 6",
    ):
        assert title in page


def test_the_docs_are_made_from_the_rows_alone(book):
    text, page = (
        sections(str(book[0]))["docs/results.md"],
        (book[0] / "book.md").read_text(encoding="utf-8"),
    )
    assert set(NAMES) <= {path.stem for path in book[0].glob("*.csv")}
    # What is committed says nothing of the machine: no command line, no path.
    for name in NAMES:
        content = (book[0] / f"{name}.csv").read_text(encoding="utf-8")
        assert "the command" not in content and os.sep + "cells" not in content
    plain = page.partition("## Cells")[2].replace("\n## ", "\n### ")
    assert text.partition("### Cells")[2].strip() == plain.strip()
    assert "AUC: DFAR leads (+0." in text and "against Caser, the best other by validation" in text
    assert "As published: the paper's step size" in text and "| w/o FHA |" in text


def test_rows_of_paper_vs_released_are_measured_again(book):
    text = sections(str(book[0]))["docs/paper-vs-released.md"]
    pair = next(
        row
        for row in rows(book, "pairs")
        if (row["family"], row["metric"], row["second"]) == ("table3", "auc", "w/o IDL")
    )
    tested = f"{pair['difference']:+.4f} [{pair['low']:+.4f}, {pair['high']:+.4f}]"
    line = next(line for line in text.splitlines() if line.startswith("| 12 |"))
    assert tested in line and "| 3, 3 |" in line
    cells = [row for row in rows(book, "cells") if row["model"] == "dfar"]
    tuned, published = (
        np.mean([row["AUC"] for row in cells if row["kind"] == kind])
        for kind in ("tuned", "published")
    )
    line = next(line for line in text.splitlines() if line.startswith("| 25 |"))
    assert f"| {tuned - published:+.4f} | 3, 2 |" in line
    assert "Not measured" not in text
