"""diff: whole recorded runs within tolerance, and every kind of difference found and named."""

import csv
import json
import os

import numpy as np
import pytest
from hostile_pickles import hostile
from released_data_case import keys, prepared, quiet, tiny_log, write_log

from dfar_tf.cli import main
from dfar_tf.diff import comparison as diff_module
from dfar_tf.diff.checkpoint import name_pairs
from dfar_tf.diff.comparison import ReleasedRun, diff_released
from dfar_tf.diff.model import our_scores, rows_of
from dfar_tf.diff.stages import Row, vocabulary_rows
from dfar_tf.estimator.scoring import variable_shapes
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.io import ReleasedIterator
from recommenders_utils.released.export import export_released
from recommenders_utils.released.instances import import_released
from recommenders_utils.released.metrics import released_figures

SIZES = {"hidden_size": 4, "max_seq_length": 3, "attention_layers": [5, 3], "tower_layers": [6, 2]}
SMALL = {
    **{k: getattr(keys("."), k) for k in ("min_item_records", "min_user_records")},
    "valid_num_ngs": 9,
    "test_num_ngs": 9,
}
FLAGS = [f"--{key}={value}" for key, value in SMALL.items()]


def released_log():
    """A log with more than ten items for each candidate list, whose names are no labels."""
    return [(u, f"item{i}", r, t) for u, i, r, t in tiny_log(users=12, items=16)]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """What a released run leaves, made here: data, ratings, checkpoint, predictions, metrics."""
    folder = tmp_path_factory.mktemp("original")
    store = prepared(folder, released_log(), valid_num_ngs=9, test_num_ngs=9, candidate_seed=77)
    out = folder / "a run"
    export_released(store, str(out), quiet)
    write_log(released_log(), out / "ratings_tiny.csv")
    store = import_released(str(out), say=quiet)
    hp = merge_hparams(model_type="dfar_released", **SIZES)
    num_items = ReleasedIterator(store, hp).num_items
    state = np.random.RandomState(4)
    shapes = variable_shapes(hp, num_items)
    values = {k: np.abs(state.normal(0, 0.5, s)).astype(np.float32) for k, s in shapes.items()}
    save_released(values, str(out / "epoch_2"))
    metrics = {"test_by_length_group": {}}
    for split in ("valid", "test"):
        scores = our_scores(store, split, (hp, num_items, values))
        frame = rows_of(store, split).assign(score=scores)
        lines = [f"{u},{y},{s!r}\n" for u, y, s in zip(*map(frame.get, ("user", "label", "score")))]
        (out / f"predictions_{split}.csv").write_text(
            "user_index,label,prediction\n" + "".join(lines)
        )
        metrics[split] = released_figures(frame)
    (out / "metrics.json").write_text(json.dumps(metrics))
    return out


def save_released(values, path, leave_out=()):
    """Saves weights as the released code names them: convolutions have an axis more."""
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {}
        for theirs, ours in name_pairs():
            value = (
                values[ours][None] if "conv1d" in theirs and "kernel" in theirs else values[ours]
            )
            if theirs not in leave_out:
                variables[theirs] = tf.Variable(value)
        unused = tf.Variable(np.zeros([7, 4], np.float32))
        variables["sequential/embedding/user_embedding"] = unused
        session.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(session, path, write_meta_graph=False, write_state=False)


@pytest.fixture
def run(original, tmp_path):
    """A copy of the run to spoil."""
    import shutil

    shutil.copytree(str(original), str(tmp_path / "run"))
    return tmp_path / "run"


def compared(folder, tmp_path, **given):
    rows = diff_released(
        ReleasedRun([str(folder)]), {**SMALL, **given}, str(tmp_path / "results"), say=quiet
    )
    return {row.stage: row for row in rows}


def bad(rows):
    return sorted(stage for stage, row in rows.items() if not row.sound())


def change_line(path, number, change):
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_text("\n".join(lines), encoding="utf-8")


def test_everything_is_found_and_the_same(run, tmp_path, capsys):
    output = tmp_path / "results"
    assert main(["diff", f"--released={run}", f"--output={output}", *FLAGS]) == 0
    out = capsys.readouterr().out
    assert "comparisons: nothing differs beyond tolerance" in out
    assert "candidates drawn from seed 77" in out and "differs because" not in out
    with open(str(output / "diff-run.csv"), encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["stage", "theirs", "ours", "difference", "verdict"]
    verdicts = {row["stage"]: row["verdict"] for row in rows}
    files = ["train_dataA", "valid_dataA", "test_dataA", "test_data_neg", "item_vocab_cd.pkl"]
    stages = [f"{kind}: {name}" for kind in ("file", "prepared") for name in files]
    stages += [f"prepared: {name}" for name in ("preprocessed_output", "instance_outputA")]
    stages += ["vocabulary: item", "split: test", "candidates: valid", "checkpoint: variables"]
    stages += ["predictions: test", "predictions: valid", "metrics: test, theirs"]
    stages += ["metrics: test, ours", "metrics: valid, ours"]
    assert set(stages) <= set(verdicts)
    assert {verdicts[stage] for stage in stages} <= {"identical", "within tolerance (1e-05)"}
    assert verdicts["batches"] == "not recorded"
    record = json.loads((output / "diff-run.json").read_text())
    assert [stage["stage"] for stage in record["stages"]] == [row["stage"] for row in rows]
    assert record["command"].startswith("bash run.sh diff") and record["versions"]["tensorflow"]


def test_data_alone(run, tmp_path):
    """Without checkpoint, predictions, metrics and ratings the other stages remain."""
    for path in list(run.iterdir()):
        if path.name.startswith(("epoch", "predictions", "metrics", "ratings")):
            path.unlink()
    rows = compared(run, tmp_path)
    assert not bad(rows) and rows["file: train_dataA"].difference == 0
    missing = [stage for stage, row in rows.items() if row.verdict() == "not recorded"]
    assert missing == ["batches", "checkpoint", "predictions: valid", "predictions: test"]
    assert not any(stage.startswith(("prepared", "metrics")) for stage in rows)


def test_subfolders_and_several_folders(run, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    for path in list(run.iterdir()):
        if path.name.startswith(("epoch", "predictions", "metrics")):
            path.rename(model / path.name)
    found = ReleasedRun([str(tmp_path)])
    assert found.checkpoint.endswith("epoch_2") and found.find("train_dataA") and found.metrics
    found = ReleasedRun([str(run), str(model)])
    assert found.predictions["test"] == str(model / "predictions_test.csv")
    assert ReleasedRun([str(run)]).checkpoint is None
    chosen = ReleasedRun(
        [str(run)], checkpoint="x", predictions=str(model / "predictions_test.csv")
    )
    assert (
        chosen.checkpoint == "x" and chosen.predictions["test"] and not chosen.predictions["valid"]
    )


def test_recorded_names(run):
    """Files that a recording called by how they came about, with the seed in the name."""
    for split in ("valid", "test"):
        (run / f"{split}_dataA").rename(run / f"{split}_dataA.after_neg_sampling_seed77")
        (run / "test_dataA_group2").exists()
    for k in range(1, 6):
        group = run / f"test_dataA_group{k}"
        group.rename(run / f"test_dataA.after_neg_sampling_seed77_group{k}")
    found = ReleasedRun([str(run)])
    assert found.seed == 77
    assert found.find("test_dataA").endswith("seed77")
    assert found.find("test_dataA_group3").endswith("seed77_group3")
    assert found.find("test_dataA_group9") is None


def test_another_prediction_is_a_difference(run, tmp_path, capsys):
    path = run / "predictions_test.csv"

    def by(amount):
        def change(line):
            user, label, score = line.split(",")
            return f"{user},{label},{float(score) + amount!r}"

        return change

    change_line(path, 4, by(9e-6))
    assert not bad(compared(run, tmp_path))
    change_line(path, 4, by(4e-6))
    rows = compared(run, tmp_path)
    assert bad(rows) == ["predictions: test"]
    assert rows["predictions: test"].difference == pytest.approx(1.3e-5, abs=1e-6)
    change_line(path, 2, lambda line: line.replace(",1,", ",0,"))
    assert np.isinf(compared(run, tmp_path)["predictions: test"].difference)
    assert main(["diff", f"--released={run}", f"--output={tmp_path / 'o'}", *FLAGS]) == 1
    out = capsys.readouterr().out
    assert "differs because the file has other lines or weights" in out
    assert "docs/paper-vs-released.md#the-model" in out and "comparisons differ" in out
    record = json.loads((tmp_path / "o" / "diff-run.json").read_text())
    (stage,) = [s for s in record["stages"] if s["stage"] == "predictions: test"]
    assert stage["difference"] == "Infinity"


def test_another_figure_is_a_difference(run, tmp_path):
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["test"]["ndcg@4"] += 0.0001
    (run / "metrics.json").write_text(json.dumps(metrics))
    rows = compared(run, tmp_path)
    # From their predictions the fourth digit must be right, from ours it may be off by one.
    assert bad(rows) == ["metrics: test, theirs"]
    assert "rows 26 and 27" in rows["metrics: test, theirs"].verdict()
    metrics["test"]["ndcg@4"] += 0.0001
    metrics["valid"]["something"] = 0.5
    (run / "metrics.json").write_text(json.dumps(metrics))
    rows = compared(run, tmp_path)
    assert bad(rows) == [
        f"metrics: {s}, {w}" for s in ("test", "valid") for w in ("ours", "theirs")
    ]


def test_other_data_are_a_difference(run, tmp_path):
    # The last digit of a test target's time: the lines agree with one another, not with the ratings.
    lines = (run / "train_dataA").read_text().split("\n")
    (run / "train_dataA").write_text("\n".join([lines[1], lines[0], *lines[2:]]))
    rows = compared(run, tmp_path)
    assert bad(rows) == ["prepared: train_dataA"] and rows["prepared: train_dataA"].difference == 2
    (run / "train_dataA").write_text("\n".join([*lines[1:]]))
    rows = compared(run, tmp_path)
    assert "split: train" in bad(rows) and rows["split: train"].difference == 1


def test_other_candidates_are_a_difference(run, tmp_path):
    for path in list(run.iterdir()):
        if path.name.startswith(("test_dataA_group", "predictions", "metrics", "epoch")):
            path.unlink()
    path = run / "test_dataA"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:4], *lines[5:]]))  # a target with 8 negatives
    rows = compared(run, tmp_path)
    assert bad(rows) == ["candidates: test", "prepared: test_dataA"]
    assert (
        rows["candidates: test"].difference == 1 and "row 24" in rows["candidates: test"].verdict()
    )


def test_another_vocabulary_is_a_difference(run, tmp_path):
    store = import_released(str(run), say=quiet)
    names = store.extras["item_vocabulary"].copy()
    names[[3, 9]] = names[[9, 3]]
    store.extras["item_vocabulary"] = names
    rows = {row.stage: row for row in vocabulary_rows(store)}
    assert bad(rows) == ["vocabulary: item"] and rows["vocabulary: item"].difference == 2
    # Unknown targets may explain an order, up to how many there are.
    (run / "test_data_neg").unlink()
    store = import_released(str(run), say=quiet)
    assert not bad({row.stage: row for row in vocabulary_rows(store)})
    store.extras["item_vocabulary"] = store.extras["item_vocabulary"][::-1].copy()
    assert bad({row.stage: row for row in vocabulary_rows(store)}) == ["vocabulary: item"]


def test_without_vocabularies(run, tmp_path):
    for kind in ("user", "item", "category"):
        (run / f"{kind}_vocab_cd.pkl").unlink()
    rows = compared(run, tmp_path)
    assert rows["vocabularies"].verdict() == "not recorded" and not bad(rows)


def test_another_runs_checkpoint(run, tmp_path):
    hp = merge_hparams(model_type="dfar_released", **SIZES)
    values = {k: np.ones(s, np.float32) for k, s in variable_shapes(hp, 4).items()}
    save_released(values, str(run / "epoch_2"))
    with pytest.raises(UserError, match="5 rows of the item table"):
        compared(run, tmp_path)
    save_released(values, str(run / "epoch_2"), ["sequential/dfar/ln/Variable"])
    with pytest.raises(UserError, match="variable 'sequential/dfar/ln/Variable' is missing"):
        compared(run, tmp_path)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda run: (run / "metrics.json").write_text("{"), "metrics.json: not a JSON file"),
        (lambda run: (run / "metrics.json").write_text('{"test": 3}'), "expected figures by name"),
        (lambda run: (run / "epoch_9.index").write_text(""), "several checkpoints; choose one"),
        (
            lambda run: (run / "item_vocab_cd.pkl").write_bytes(hostile(str(run / "done"))),
            "item_vocab_cd.pkl: byte",
        ),
        (
            lambda run: (run / "user_vocab_cd.pkl").write_bytes(b"\x80\x03}q\x00(X"),
            "user_vocab_cd.pkl: truncated",
        ),
        (
            lambda run: change_line(
                run / "valid_dataA", 3, lambda line: "\t".join(line.split("\t")[:2])
            ),
            "valid_dataA:3: 2 tab",
        ),
    ],
)
def test_bad_input(run, tmp_path, capsys, spoil, message):
    spoil(run)
    output = tmp_path / "results"
    assert main(["diff", f"--released={run}", f"--output={output}", *FLAGS]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not output.exists() and not (run / "done").exists()


def test_bad_flags(tmp_path, capsys):
    assert main(["diff"]) == 2 and "--released is needed" in capsys.readouterr().err
    assert main(["diff", f"--released={tmp_path / 'none'}"]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["diff", f"--released={tmp_path}", "--predictions=none.csv"]) == 2
    assert "none.csv: no such file" in capsys.readouterr().err
    assert main(["diff", f"--released={tmp_path}"]) == 2
    assert "train_dataA: no such file" in capsys.readouterr().err


def test_verdicts():
    def verdict(difference, tolerance):
        return Row("s", "t", "o", difference, tolerance, "of it").verdict()

    assert verdict(None, 0) == "not recorded" and verdict(0, 0) == "identical"
    assert verdict(1e-6, 1e-5) == "within tolerance (1e-05)"
    assert verdict(2e-5, 1e-5) == verdict(np.nan, 1e-5) == "differs because of it"


def test_links_lead_to_headings_and_rows():
    """The page that verdicts point to has the headings and rows they name."""
    from dfar_tf.diff.stages import DATA, DOCS, MODEL
    from dfar_tf.paths import ROOT

    with open(os.path.join(ROOT, DOCS), encoding="utf-8") as stream:
        lines = stream.read().split("\n")
    headings = [line.strip("# ").lower() for line in lines if line.startswith("#")]
    anchors = [
        "".join(c for c in h if c.isalnum() or c in " -").replace(" ", "-") for h in headings
    ]
    assert {DATA.split("#")[1], MODEL.split("#")[1]} <= set(anchors)
    for row in (16, 17, 19, 20, 21, 22, 24, 25, 26):
        assert any(line.startswith(f"| {row} |") for line in lines), row
    assert diff_module.HEADERS == ("stage", "theirs", "ours", "difference", "verdict")


def test_recorded_small_run(shared, tmp_path, capsys):
    """Every file, draw, batch, variable, prediction and figure that was recorded of it."""
    command = ["diff", f"--released={shared / 'golden'}", f"--output={tmp_path}"]
    assert main(command) == 0
    assert "45 comparisons: nothing differs beyond tolerance" in capsys.readouterr().out
    rows = json.loads((tmp_path / "diff-golden.json").read_text())["stages"]
    by_stage = {row["stage"]: row for row in rows}
    assert by_stage["batches: train"]["difference"] <= 1e-6
    assert by_stage["predictions: test"]["difference"] <= 1e-5
    others = [
        row for row in rows if row["stage"] not in ("predictions: test", "predictions: valid")
    ]
    assert {row["verdict"] for row in others if "batches" not in row["stage"]} == {"identical"}


def test_recorded_whole_run(shared, tmp_path, capsys):
    """The whole run on the Toys log, and its files from the ratings, draws included."""
    command = ["diff", f"--released={shared / 'released_run_toys'}", f"--output={tmp_path}"]
    command += [f"--ratings={shared / 'data' / 'amazon_toys_5core.tsv.gz'}"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "38 comparisons: nothing differs beyond tolerance" in out
    assert "candidates drawn from seed 1" in out
    rows = json.loads((tmp_path / "diff-released-run-toys.json").read_text())["stages"]
    for row in rows:
        if row["stage"].startswith("predictions"):
            assert row["difference"] <= 1e-5
        elif row["stage"].startswith("metrics"):
            assert row["difference"] == 0, row["stage"]
    groups = [row for row in rows if "group" in row["stage"]]
    assert len(groups) == 10 and all(len(row["details"]["theirs"]) == 9 for row in groups)
