"""Whole-catalogue ranking and observed feedback where they are wanted late, on import, or refused."""

import numpy as np
import pytest
from released_data_case import files  # noqa: F401 - a fixture
from small import MODEL, cache_dir, call, learnt_run, ratings_file

from dfar_tf.runs.grid import Cell, run_cells
from dfar_tf.settings import merge_hparams
from recommenders_utils.files import read_json


def test_finished_cells_are_evaluated_again_for_a_report_that_they_lack(tmp_path, tmp_path_factory):
    learnt_run(tmp_path_factory)  # which prepares the data
    given = dict(flag[2:].split("=", 1) for flag in MODEL)
    given.update(ratings=str(ratings_file(tmp_path_factory)), epochs="1", hidden_size="8")
    given.update(cache_dir=str(cache_dir(tmp_path_factory)))

    def run(**more):
        cells = [Cell("dfar seed 1", merge_hparams("amazon", **{**given, **more}))]
        lines = []
        (outcome,), _ = run_cells(cells, {**given, **more}, "x", lines.append, str(tmp_path))
        assert outcome.failure is None
        return outcome.results, lines[-1], tmp_path / outcome.folder

    first, said, folder = run()
    assert "ranking" not in first and "trained before" not in said
    weights = {p: p.stat().st_mtime_ns for p in (folder / "best").iterdir()}
    for more, has, lacks in (
        ({"ranking": "full", "ranking_cutoffs": "1,5"}, ["full_hr@5"], ["full_hr@3"]),
        ({"ranking": "full", "ranking_cutoffs": "1,3"}, ["full_hr@3"], []),
        ({"targets": "observed", "ranking_cutoffs": "1,3"}, ["full_hr@3"], []),
    ):
        results, said, again = run(**more)
        assert again == folder and "(trained before)" in said
        assert set(has) <= set(results["ranking"]) and not set(lacks) & set(results["ranking"])
        assert results["ranking"] == read_json(str(folder / "results.json"))["ranking"]
        assert results["test"] == pytest.approx(first["test"])
    assert "auc" in results["observed"] and (folder / "calibration.csv").exists()
    assert {p: p.stat().st_mtime_ns for p in (folder / "best").iterdir()} == weights
    # Nothing is computed that is there.
    stamp = (folder / "results.json").stat().st_mtime_ns
    run(ranking="full", ranking_cutoffs="3", targets="observed")
    assert (folder / "results.json").stat().st_mtime_ns == stamp


FLAGS = ("--show_progress=false", "--device=cpu", "--epochs=1")


def refused(done, message):
    assert done.status == 2 and message in done.err, done
    assert len(done.err.splitlines()) == 1


def test_imported_files_without_disliked_targets(files, tmp_path):
    folder, given = files(), (f"--prepared={tmp_path}/theirs", *FLAGS, f"--run_dir={tmp_path}/run")
    (tmp_path / "out" / "test_data_neg").unlink()
    assert (
        call("import-released", f"--released={folder}", f"--output={tmp_path}/theirs").status == 0
    )
    for model in ("gru4rec", "newest"):
        done = call("amazon", *given, f"--model={model}", "--targets=observed")
        refused(done, "targets=observed: the test targets hold no disliked one")
        assert "imported released files need test_data_neg" in done.err
        assert not (tmp_path / "run").exists()
    # They rank all the same; what is of disliked targets is undefined.
    done = call("amazon", *given, "--model=newest", "--ranking=full", "--ranking_cutoffs=1,2")
    assert done.status == 0, done.err
    figures = read_json(str(tmp_path / "run" / "results.json"))["ranking"]
    assert figures["full_targets_n"] == 0 and not np.isfinite(figures["full_hr@1_n"] or np.nan)


def test_a_log_without_test_targets(tmp_path):
    lines = [
        f"u{u},i{(u + 3 * r) % 11},{1 + u % 5},{10**9 + r * 9}" for u in range(12) for r in range(4)
    ]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    given = (f"--ratings={tmp_path}/log.csv", f"--cache_dir={tmp_path}/cache", *FLAGS)
    given += ("--min_item_records=0", "--min_user_records=0", "--split=ratio")
    for command in (["amazon", "--model=newest"], ["amazon", "--model=gru4rec"]):
        done = call(
            *command, *given, "--split_ratio=0.7,0.3,0", "--ranking=full", f"--run_dir={tmp_path}/run",
            "--ranking_cutoffs=1",
        )  # fmt: skip
        assert not (tmp_path / "run").exists()
        refused(done, "expected three positive shares (train, valid, test)")
