"""The paper's figures as data: consistent in themselves, and as in the tables' CSV files."""

import csv
import os

import pytest
import yaml
from places import CHECKOUT

from dfar_tf.runs.paper import (
    paper_datasets,
    paper_row,
    paper_table1,
    paper_table2,
    paper_table3,
)
from recommenders_utils.errors import UserError

ROOT = str(CHECKOUT)
SHARED = os.environ.get("DFAR_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
METRICS = ["auc", "mrr@10", "ndcg@10", "gauc"]


def test_source_is_named():
    text = (CHECKOUT / "dfar_tf" / "runs" / "paper_tables.yaml").read_text(encoding="utf-8")
    source = yaml.safe_load(text)["source"]
    assert source["doi"] == "10.1145/3543507.3583278" and source["venue"] == "WWW 2023"
    assert "Guanyu Lin" in source["authors"] and "Dual-interest" in source["title"]


def test_table1():
    assert paper_datasets() == ["amazon", "micro_video"]
    amazon = paper_table1("amazon")
    assert amazon["users"] == 6919 and amazon["items"] == 28695
    for dataset in paper_datasets():
        row = paper_table1(dataset)
        records = (row["positive"] + row["negative"]) / row["users"]
        assert round(records, 2) == row["records_per_user"]


@pytest.mark.parametrize("dataset", ["amazon", "micro_video"])
def test_tables_2_and_3_agree(dataset):
    table2, table3 = paper_table2(dataset), paper_table3(dataset)
    assert len(table2) == 9 and len(table3) == 5
    assert table2["DFAR"] == table3["DFAR"]
    for table in (table2, table3):
        for metric in METRICS:
            # The paper's own claim: DFAR is best in every row.
            assert max(table, key=lambda model: table[model][metric]) == "DFAR"
        assert all(list(row) == METRICS for row in table.values())


def test_improvements_as_printed():
    """Table 2's last column, DFAR over the best other model in per cent, recomputed."""
    printed = {"amazon": [0.76, 1.61, 1.00, 0.54], "micro_video": [2.83, 3.91, 2.60, 2.19]}
    for dataset, improvements in printed.items():
        table = paper_table2(dataset)
        for metric, improvement in zip(METRICS, improvements):
            best = max(row[metric] for model, row in table.items() if model != "DFAR")
            gain = 100 * (table["DFAR"][metric] / best - 1)
            assert gain == pytest.approx(improvement, abs=0.006)


def test_row_by_model_name_in_any_case():
    assert paper_row("gru4rec", "amazon") == paper_table2("amazon")["GRU4REC"]
    assert paper_row("DFAR", "amazon")["auc"] == 0.7333
    assert paper_row("sine", "amazon") is None
    with pytest.raises(UserError, match=r"no data set 'books'.*amazon, micro_video"):
        paper_row("dfar", "books")


def test_callers_cannot_change_the_figures():
    paper_table1("amazon")["users"] = 0
    paper_table2("amazon")["DFAR"]["auc"] = 0
    assert paper_table1("amazon")["users"] == 6919
    assert paper_row("dfar", "amazon")["auc"] == 0.7333


def test_as_in_the_csv_files():
    folder = os.path.join(SHARED, "paper")
    if not os.path.isdir(folder):
        pytest.skip("needs paper/ of the shared development material (DFAR_SHARED)")
    names = dict(zip(["AUC", "MRR", "NDCG", "GAUC"], METRICS))
    for file, table in (("table2.csv", paper_table2), ("table3.csv", paper_table3)):
        with open(os.path.join(folder, file), newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == 8
        for row in rows:
            metric = names[row.pop("metric")]
            ours = table(row.pop("dataset"))
            assert {m: float(v) for m, v in row.items()} == {m: r[metric] for m, r in ours.items()}
    with open(os.path.join(folder, "table1.csv"), newline="") as stream:
        for row in csv.DictReader(stream):
            figures = [float(value) for value in list(row.values())[1:]]
            assert list(paper_table1(row["dataset"]).values()) == figures
