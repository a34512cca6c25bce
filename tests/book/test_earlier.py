"""A book that adds to an earlier one: its rows stand for cells, its scores are compared again."""

import itertools
import shutil

import numpy as np
import pandas as pd
import pytest
from made_book import write_made_up_book

from dfar_tf.experiments.book import docs
from dfar_tf.experiments.book.csvfile import read_rows, write_rows
from dfar_tf.experiments.book.docs import BEGIN, END, copy_scores, sections, write_docs
from dfar_tf.experiments.book.earlier import Earlier
from dfar_tf.experiments.book.rows import HEADERS
from dfar_tf.experiments.book.scores import Scores
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.centred import centred_auc

FEW = {"resamples": 60, "draws": False}
SAME = ("cells", "pairs", "attention", "claims", "parts")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a whole book in ``out`` and no run folder that made it."""
    folder, patch = tmp_path_factory.mktemp("earlier"), pytest.MonkeyPatch()
    write_made_up_book(folder, patch, **FEW)
    patch.undo()
    shutil.rmtree(folder / "cells-out")
    return folder


def without(place, name, keep):
    """A copy of the book without the rows of cells that ``keep`` refuses."""
    shutil.copytree(place / "out", place / name)
    path = str(place / name / "cells.csv")
    rows = [row for row in read_rows(path) if keep(row)]
    write_rows(path, HEADERS, rows)
    return place / name


def content(folder, name):
    return (folder / f"{name}.csv").read_text(encoding="utf-8")


def test_a_book_from_rows_and_scores_alone_is_the_same(place, monkeypatch):
    again, said, trained = write_made_up_book(
        place, monkeypatch, "again", place / "out", resamples=60
    )
    assert trained == [] and "0 missing" in said[0]
    assert said[1].startswith(f"{len(read_rows(str(again / 'cells.csv')))} of the cells done are")
    for name in SAME:
        assert content(again, name) == content(place / "out", name), name
    assert (again / "table2-tiny-log-loss-SYNTHETIC.png").exists()
    assert (again / "figure5-tiny-log-loss-SYNTHETIC.png").exists()
    for path in (place / "out" / "scores").iterdir():
        assert (again / "scores" / path.name).read_bytes() == path.read_bytes()


def test_under_softmax_the_book_has_auc_without_offsets(tmp_path, monkeypatch):
    softmax = {"objective": "ranking", "loss": "softmax", "early_stop_metric": "gauc"}
    changes = dict(FEW, objectives={"softmax": softmax})
    changes["parts"] = [{"log": "tiny", "objective": "softmax", "extras": ["ablations"]}]
    out = write_made_up_book(tmp_path, monkeypatch, **changes)[0]
    rows = read_rows(str(out / "cells.csv"))
    for row in rows:
        has = row["kind"] in ("tuned", "ablation")
        assert (row["AUC centred"] is not None) == has, row["kind"]
        if has:
            frame = pd.read_csv(tmp_path / "cells-out" / row["folder"] / "predictions_test.csv")
            assert row["AUC centred"] == centred_auc(frame)
    text = sections(str(out))["docs/results.md"]
    ours, other = (
        np.mean(
            [row["AUC centred"] for row in rows if (row["kind"], row["model"]) == ("tuned", model)]
        )
        for model in ("dfar", "caser")
    )
    said = f"(AUC centred) DFAR has {ours:.4f} and Caser {other:.4f}"
    assert "| AUC | AUC centred |" in text and said in text
    # And the parts of ours are told apart by GAUC.
    gauc = [row["GAUC"] for row in rows if (row["kind"], row["model"]) == ("tuned", "dfar")]
    page = sections(str(out))["docs/paper-vs-released.md"].splitlines()
    (line,) = (line for line in page if line.startswith("| 12 |"))
    assert f"| GAUC | {np.mean(gauc):.4f} ± " in line
    shutil.rmtree(tmp_path / "cells-out")
    again = write_made_up_book(tmp_path, monkeypatch, "again", out, **changes)[0]
    assert content(again, "cells") == content(out, "cells")


def test_without_scores_the_pairs_are_taken_over(place, monkeypatch):
    shutil.copytree(place / "out", place / "bare")
    shutil.rmtree(place / "bare" / "scores")
    (place / "bare" / "attention.csv").unlink()
    again, _, trained = write_made_up_book(place, monkeypatch, "kept", place / "bare", **FEW)
    assert trained == []
    for name in set(SAME) - {"attention"}:
        assert content(again, name) == content(place / "out", name), name


def test_only_what_it_lacks_is_trained(place, monkeypatch):
    old = without(place, "less", lambda row: row["cell"] != "w/o IDL")
    again, _, trained = write_made_up_book(place, monkeypatch, "more", old, **FEW)
    assert len(trained) == 3 and all("w/o IDL" in name for name in trained)
    for name in ("pairs", "claims", "attention"):
        assert content(again, name) == content(place / "out", name), name


def test_new_cells_are_not_compared_with_rows_that_have_no_scores(place, monkeypatch):
    old = without(place, "few", lambda row: row["model"] != "caser")
    shutil.rmtree(old / "scores")
    again, _, trained = write_made_up_book(place, monkeypatch, "mixed", old, **FEW)
    assert {name.split(": ")[1].split(",")[0] for name in trained} == {"caser"}
    families = {row["family"] for row in read_rows(str(again / "pairs.csv"))}
    # Those of Table 2 have a model that the old book's pairs are not known to have had.
    assert "table2" not in families and "table3" in families


def test_figures_that_differ_are_not_those_of_the_old_pairs(place, monkeypatch):
    shutil.copytree(place / "out", place / "other")
    shutil.rmtree(place / "other" / "scores")
    path = str(place / "other" / "cells.csv")
    rows = read_rows(path)
    for row in rows:
        if row["cell"] == "w/o FHA" and row["seed"] == 2:
            row["folder"] = None  # of other code: trained again, and comes out as it was
        if row["cell"] == "w/o IBL" and row["seed"] == 2:
            row["folder"], row["AUC"] = None, row["AUC"] + 0.001
    write_rows(path, HEADERS, rows)
    again, _, trained = write_made_up_book(place, monkeypatch, "differs", place / "other", **FEW)
    assert sorted(name.split(", ")[2] for name in trained) == ["w/o FHA", "w/o IBL"]
    families = {row["family"] for row in read_rows(str(again / "pairs.csv"))}
    assert "table2" in families and not families & {"table3", "table3 losses"}


def test_how_long_attentions_take_is_taken_over(place, monkeypatch):
    shutil.copytree(place / "out", place / "timed")
    ratios = {"MHA": 1.0, "FHA": 1.1, "THA": 1.4}
    rows = [
        {"axis": "T", "value": 10, "layer": layer, "ratio to MHA": ratio}
        for layer, ratio in ratios.items()
    ]
    write_rows(str(place / "timed" / "complexity.csv"), list(rows[0]), rows)
    again, _, _ = write_made_up_book(place, monkeypatch, "timely", place / "timed", **FEW)
    verdicts = {r["of"]: r["verdict"] for r in read_rows(str(again / "claims.csv"))}
    assert verdicts["A.1.5"] == "holds" and verdicts["Figure 4"] == "holds"


def test_figure_4_of_cells_that_are_trained_again_is_theirs(place, monkeypatch):
    old = without(place, "seedless", lambda row: (row["model"], row["seed"]) != ("dfar", 3))
    (old / "attention.csv").unlink()
    again, _, _ = write_made_up_book(place, monkeypatch, "seeded", old, **FEW)
    evidence = [
        r["evidence"] for r in read_rows(str(again / "claims.csv")) if r["of"] == "Figure 4"
    ]
    assert len(evidence) == 1 and evidence[0].endswith("above 1 with 1 of 1 seeds")


def test_the_docs_have_rows_and_scores_but_no_command_line(place, tmp_path, monkeypatch):
    shutil.copytree(place / "out", tmp_path / "book")
    (tmp_path / "book" / "complexity.csv").write_text("# command: mine\naxis,value\nT,10\n")
    (tmp_path / "docs" / "book").mkdir(parents=True)
    for page in sections(str(place / "out")):
        (tmp_path / page).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr(docs, "in_checkout", lambda path: str(tmp_path / path))
    write_docs(str(tmp_path / "book"), lambda _: None)
    folder = tmp_path / "docs" / "book"
    assert (folder / "complexity.csv").read_text() == "axis,value\nT,10\n"
    assert [path.name for path in (folder / "scores").iterdir()] == ["tiny-log_loss.npz"]
    for name in SAME:
        assert content(folder, name) == content(place / "out", name)
    less = without(place, "lesser", lambda row: row["model"] != "caser")
    with pytest.raises(UserError, match=r"has 7 finished cells that .*lesser lacks; write that"):
        write_docs(str(less), lambda _: None)
    assert content(folder, "cells") == content(place / "out", "cells")
    page = (tmp_path / "docs" / "results.md").read_text()
    assert page.startswith("before") and page.endswith("after\n") and "old\n" not in page


def test_scores_keep_order_ties_and_ranks(tmp_path):
    random = np.random.RandomState(0)
    part, folders = ("log", "loss"), []
    for number in range(2):
        folders.append(str(tmp_path / f"run{number}"))
        (tmp_path / f"run{number}").mkdir()
        frame = pd.DataFrame(
            {
                "instance": np.repeat(np.arange(7), 3),
                "user": np.repeat([f"u{k % 5}" for k in range(7)], 3),
                "label": np.tile([0, 1, 0], 7),
                "score": random.randint(0, 9, 21) / 7,
                "history_length": np.repeat(np.arange(7) + 1, 3),
            }
        )
        frame.assign(item="i").to_csv(tmp_path / f"run{number}" / "predictions_test.csv")
        ranks = frame.iloc[::3][["instance", "user", "label"]].assign(label=1, item="i")
        ranks = ranks.assign(candidates=900, rank=random.randint(2, 900, 7) / 2)
        ranks.to_csv(tmp_path / f"run{number}" / "ranks_test.csv")
    there = Scores()
    want = [(there.predictions(part, f), there.ranks(part, f)) for f in folders]
    there.write(str(tmp_path / "book" / "scores" / "log-loss.npz"), part, folders)
    packed = Scores(str(tmp_path / "book"))
    for number, (frame, ranks) in enumerate(want):
        got = packed.predictions(part, f"elsewhere/run{number}")
        assert got["user"].tolist() == frame["user"].tolist()
        for name in ("instance", "label", "history_length"):
            np.testing.assert_array_equal(got[name], frame[name])
        for i, j in itertools.combinations(range(21), 2):
            sign = np.sign(frame["score"][i] - frame["score"][j])
            assert np.sign(got["score"][i] - got["score"][j]) == sign
        found = packed.ranks(part, f"elsewhere/run{number}")
        np.testing.assert_array_equal(found["rank"], ranks["rank"])
        assert found["user"].tolist() == ranks["user"].tolist()
    assert packed.predictions(part, "elsewhere/run9") is None
    assert packed.predictions(("log", "other"), folders[0] + "x") is None


def test_cells_of_one_part_with_other_rows_are_refused(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "predictions_test.csv").write_text(
            f"instance,user,label,score,history_length\n0,u,1,0.5,{3 + number}\n"
        )
    with pytest.raises(ValueError, match="different rows"):
        Scores().write(str(tmp_path / "x.npz"), ("a", "b"), map(str, folders))
    assert not (tmp_path / "x.npz").exists()


def test_a_folder_that_is_no_book_or_is_damaged(place, tmp_path):
    with pytest.raises(UserError, match=r"cells\.csv: no such file; --add_to takes the folder"):
        Earlier(str(tmp_path))
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "a-b.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(UserError, match=r"a-b\.npz: is damaged .*; restore it, or delete it"):
        Scores(str(tmp_path)).predictions(("a", "b"), "run")
    shutil.copy(str(place / "out" / "cells.csv"), str(tmp_path / "cells.csv"))
    (tmp_path / "pairs.csv").write_text("nonsense\n1\n")
    with pytest.raises(
        UserError, match=r"pairs\.csv: is not what benchmark writes: no column .log."
    ):
        Earlier(str(tmp_path))


def test_the_folder_of_scores_is_made_the_same(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "old" / "gone.npz").write_bytes(b"1")
    (tmp_path / "new" / "there.npz").write_bytes(b"2")
    copy_scores(str(tmp_path / "new"), str(tmp_path / "old"))
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "old").iterdir()] == [("there.npz", b"2")]
    copy_scores(str(tmp_path / "absent"), str(tmp_path / "old"))
    assert not list((tmp_path / "old").iterdir())
