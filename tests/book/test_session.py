"""A whole benchmark on a small SYNTHETIC log: trained, resumed, written, told again."""

import shutil

import pytest
import yaml
from places import HPARAMS
from small import call, ratings_file

from dfar_tf.experiments.book import csvfile
from recommenders_utils.files import read_json

FLAGS = ("--device=cpu", "--init_stddev=0.2", "--batch_size=200")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder, arguments, outcome) of the tiny benchmark."""
    folder = tmp_path_factory.mktemp("benchmark")
    content = yaml.safe_load((HPARAMS / "benchmarks" / "tiny.yaml").read_text(encoding="utf-8"))
    content["logs"]["tiny"]["ratings"] = ratings_file(tmp_path_factory).name
    content["objectives"]["log_loss"]["epochs"] = 1
    (folder / "mine.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    arguments = [
        "benchmark",
        str(folder / "mine.yaml"),
        f"--data_dir={ratings_file(tmp_path_factory).parent}",
        f"--cells={folder / 'cells'}",
        f"--output={folder / 'book'}",
        f"--cache_dir={folder / 'prepared'}",
        *FLAGS,
    ]
    return folder, arguments, call(*arguments)


def stamps(folder):
    return {p: p.stat().st_mtime_ns for p in sorted((folder / "cells").glob("*/results.json"))}


def test_every_cell_is_done_and_says_what_made_it(made):
    folder, _, outcome = made
    assert outcome.status == 0, outcome.err + outcome.out
    assert "8 cells done, 0 failed, 0 missing" in outcome.out
    found = csvfile.read_rows(str(folder / "book" / "cells.csv"))
    kinds = [(row["kind"], row["model"]) for row in found]
    assert kinds == [
        *(("untrained", name) for name in ("newest", "transitions")),
        *((kind, model) for model in ("gru4rec", "dfar") for kind in ("draw", "finalist", "tuned")),
    ]
    assert [row["epochs"] for row in found] == [None, None, 1, 1, 1, 1, 1, 1]
    for row in found:
        assert len(row["code"]) == 12 and len(row["fingerprint"]) == 12
        draw = row["kind"] in ("draw", "finalist")
        # The whole catalogue's and observed feedback are columns; draws show validation alone.
        for name in ("AUC", "NDCG@10", "full NDCG@10", "HR_p - HR_n", "observed AUC test"):
            assert (row[name] is None) == draw, (row["kind"], name)
    tuned = next(row for row in found if row["kind"] == "tuned" and row["model"] == "dfar")
    results = read_json(str(folder / "cells" / tuned["folder"] / "results.json"))
    assert tuned["AUC"] == results["test"]["auc"] and len(results["epochs"]) == 1
    assert tuned["folder"].endswith(tuned["code"])


def test_the_book_has_tables_tests_verdicts_and_figures(made):
    folder, _, _ = made
    text = (folder / "book" / "book.md").read_text(encoding="utf-8")
    assert "SYNTHETIC data" in text and "| DFAR |" in text and "| transitions * |" in text
    assert "against GRU4REC, the best other by validation" in text
    assert "| Table 2 | SYNTHETIC, tiny, log loss | DFAR is best by AUC" in text
    pairs = csvfile.read_rows(str(folder / "book" / "pairs.csv"))
    assert {row["metric"] for row in pairs if row["family"] == "table2"} == {
        *("auc", "gauc", "mrr@10", "ndcg@10", "full_ndcg@10")
    }
    assert all(row["low"] <= row["difference"] <= row["high"] for row in pairs if row["low"])
    page = (folder / "book" / "report.html").read_text(encoding="utf-8")
    assert "The paper&#x27;s claims" in page and "Table 2: models compared" in page
    assert "data:image/png" in page
    assert len(csvfile.read_rows(str(folder / "book" / "attention.csv"))) == 4


def test_nothing_is_trained_twice_and_what_is_missing_is_trained(made):
    folder, arguments, _ = made
    before = stamps(folder)
    again = call(*arguments, "--plan")
    assert again.status == 0 and "8 cells, 8 done; about 0 min to train" in again.out
    victim = next(path.parent for path in before if path.parent.name.startswith("gru4rec"))
    shutil.rmtree(str(victim))
    report = call(*arguments, "--only_report")
    assert "5 cells done, 0 failed, 3 missing" in report.out  # its draw, finalist and choice
    assert set(before) - set(stamps(folder)) == {victim / "results.json"}
    whole = call(*arguments)
    assert whole.status == 0 and "8 cells done" in whole.out
    after = stamps(folder)
    assert {path for path in before if after[path] != before[path]} == {victim / "results.json"}


def test_a_book_is_written_again_from_its_rows(made):
    folder, arguments, _ = made
    again = [f"--cells={folder / 'none'}", f"--output={folder / 'again'}", "--only_report"]
    words = [*arguments, *again, f"--add_to={folder / 'book'}"]
    outcome = call(*words)
    assert outcome.status == 0 and "8 cells done" in outcome.out, outcome.err + outcome.out
    for name in ("cells", "pairs", "claims", "attention"):
        old, new = (folder / each / f"{name}.csv" for each in ("book", "again"))
        assert new.read_text(encoding="utf-8") == old.read_text(encoding="utf-8"), name
    # Flags that decide figures make other cells, whatever code is taken.
    for flags in (["--batch_size=100"], ["--batch_size=100", "--any_code"]):
        outcome = call(*words, *flags)
        assert "0 cells done" in outcome.out
    outcome = call(*arguments, f"--add_to={folder / 'none'}")
    assert outcome.status == 2 and "--add_to takes the folder of a book" in outcome.err


def test_bad_input_is_one_message(made):
    folder, arguments, _ = made
    (folder / "bad.yaml").write_text("logs: {}\n", encoding="utf-8")
    for words, sign in (
        ([str(folder / "bad.yaml")], "'logs' is missing"),
        (["boook"], "did you mean book"),
        ([arguments[1], "--only=dfra"], "'dfra'"),
        ([arguments[1], "--minutes=x"], "--minutes"),
    ):
        outcome = call("benchmark", *words)
        assert outcome.status == 2 and sign in outcome.err
        assert len(outcome.err.splitlines()) == 1
