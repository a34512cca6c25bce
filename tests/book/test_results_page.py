"""The committed book: pages are made of its rows, verdicts of its pairs, pairs of its scores."""

import pytest
from places import CHECKOUT

from dfar_tf.experiments.book import docs
from dfar_tf.experiments.book.benchmark import find_benchmark, read_benchmark
from dfar_tf.experiments.book.claims import claim_rows
from dfar_tf.experiments.book.csvfile import read_rows
from dfar_tf.experiments.book.scores import Scores
from dfar_tf.experiments.table2 import OURS
from dfar_tf.experiments.table3 import ABLATIONS, WHOLE
from recommenders_utils.evaluation.effects import METRICS, Resampled, holm

BOOK = CHECKOUT / "docs" / "book"
SECTIONS = docs.sections(str(BOOK))
FILE = read_benchmark(find_benchmark("book"), "data")
CELLS, PAIRS, ATTENTION, CLAIMS = (
    read_rows(str(BOOK / f"{name}.csv")) for name in ("cells", "pairs", "attention", "claims")
)


def of(rows, part):
    return [row for row in rows if (row["log"], row["objective"]) == part]


@pytest.mark.parametrize("name", SECTIONS)
def test_the_marked_part_is_generated(name):
    page = (CHECKOUT / name).read_text(encoding="utf-8")
    assert docs.with_section(page, SECTIONS[name]) == page


@pytest.mark.parametrize("part", [p.key for p in FILE.parts if p.objective != "retrieval"])
def test_the_verdicts_are_those_of_the_rows(part):
    judged = claim_rows(*part, FILE.logs[part[0]].paper, CELLS, PAIRS, ATTENTION)
    if not of(ATTENTION, part):  # what cells without rows of it gave was taken over
        judged = [row for row in judged if row["of"] != "Figure 4"]
    want = [r for r in of(CLAIMS, part) if r["of"] != "Figure 4" or of(ATTENTION, part)]
    assert [{k: v or None for k, v in row.items()} for row in judged] == want


@pytest.mark.parametrize("part", [("kuairand", "log_loss"), ("toys_released", "softmax")])
def test_table_3_is_tested_again_from_the_scores(part):
    scores = Scores(str(BOOK))
    runs = {}
    for row in of(CELLS, part):
        if row["model"] == OURS and row["kind"] in ("tuned", "ablation"):
            name = row["cell"] or WHOLE
            assert row["status"] == "done" and (name == WHOLE or name in ABLATIONS)
            runs.setdefault(name, []).append(scores.predictions(part, row["folder"]))
    assert {len(frames) for frames in runs.values()} == {FILE.seeds["most"]}
    resampled = Resampled(runs, METRICS, FILE.resamples)
    for metric in METRICS:
        effects = [resampled.effect(WHOLE, name, metric) for name in runs if name != WHOLE]
        rows = [r for r in of(PAIRS, part) if (r["family"], r["metric"]) == ("table3", metric)]
        assert len(rows) == len(effects) == 4
        for row, effect, corrected in zip(rows, effects, holm([e.p for e in effects])):
            want = [row[name] for name in ("difference", "low", "high")]
            assert effect[:3] == pytest.approx(want, abs=1e-12), (metric, row["second"])
            # Some resampled differences are 0 but for rounding, which numpy's versions do otherwise.
            assert effect.p == pytest.approx(row["p"], abs=0.005)
            assert corrected == pytest.approx(row["p Holm"], abs=4 * 0.005)
