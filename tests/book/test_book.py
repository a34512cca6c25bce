"""The whole book from made-up cells: Tables 2 and 3, Figures 4 to 6, as published, tests and verdicts."""

import json
import os

import numpy as np
import pytest
from made_book import write_made_up_book

from dfar_tf.experiments.book.csvfile import read_rows
from dfar_tf.experiments.book.docs import NAMES, sections


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """(folder of the book, what was said)."""
    patch = pytest.MonkeyPatch()
    found = write_made_up_book(tmp_path_factory.mktemp("book"), patch)
    patch.undo()
    return found[:2]


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
    assert "AUC centred" not in text  # there are no free offsets under log loss
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
