"""``--resume --run_dir=RUN`` alone: the run's own settings and data, and perhaps more epochs."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from serving_case import ratings_file
from small import call

from dfar_tf.estimator.state import STATE_FILE
from dfar_tf.runs.folder import HPARAMS_FILE, RunFolder
from dfar_tf.runs.sittings import seconds_before
from recommenders_utils.checksums import checked_write, write_checked_json
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json
from recommenders_utils.hparams import prepare_hparams

SETTINGS = (
    *(
        "--model=gru4rec",
        "--hidden_size=8",
        "--max_seq_length=5",
        "--tower_layers=6",
        "--device=cpu",
    ),
    *("--min_item_records=0", "--min_user_records=0", "--test_num_ngs=3", "--valid_num_ngs=3"),
    *("--batch_size=9", "--train_num_ngs=2", "--EARLY_STOP=9", "--seed=3", "--show_progress=false"),
    *("--untrained=", "--deterministic"),
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(a run of two epochs, a run of one with log and prepared data gone, its copy in another place)."""
    folder = tmp_path_factory.mktemp("runs")
    path, cache = ratings_file(folder), folder / "prepared"
    for name, epochs in (("two", 2), ("one", 1)):
        flags = f"--ratings={path}", f"--cache_dir={cache}", f"--epochs={epochs}"
        done = call("amazon", *flags, *SETTINGS, f"--run_dir={folder / name}")
        assert done.status == 0, done.err
    os.unlink(path)
    shutil.rmtree(str(cache))
    return folder / "two", folder / "one"


def test_a_run_is_resumed_with_its_own_settings_and_data_and_more_epochs(runs, tmp_path):
    whole, path = runs[0], str(tmp_path / "copy")
    shutil.copytree(str(runs[1]), path)
    state_file = os.path.join(path, "checkpoints", STATE_FILE)
    state = read_json(state_file)
    state["epochs"][0]["seconds"] = 5000.0  # of another sitting
    write_checked_json(state_file, state)
    done = call("train", "--resume", f"--run_dir={path}", "--epochs=2")
    assert (done.status, done.err) == (0, "")
    assert 5000 < read_json(os.path.join(path, "results.json"))["seconds"]["train"] < 6000
    assert "the copy in" in done.out and "epoch  2" in done.out.replace("epoch 2", "epoch  2")
    assert prepare_hparams(os.path.join(path, HPARAMS_FILE)).epochs == 2
    assert [e["epoch"] for e in read_json(os.path.join(path, "results.json"))["epochs"]] == [1, 2]
    scores, expected = (
        pd.read_csv(os.path.join(str(place), "predictions_test.csv"))["score"]
        for place in (path, whole)
    )
    assert np.array_equal(scores, expected)


def test_the_seconds_of_other_sittings(tmp_path):
    def before(text):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / "checkpoints" / STATE_FILE).write_text(text)
        return seconds_before(str(tmp_path))

    assert seconds_before(str(tmp_path / "none")) == 0
    epochs = '{"epochs": [{"step": 7, "seconds": 20.5, "validation_seconds": 1.5}]'
    assert before(epochs + "}") == 22
    assert before(epochs + ', "within": [{"step": 6, "seconds": 15}]}') == 22  # it is in the epoch
    within = '[{"step": 8, "seconds": 3}, {"step": 9, "seconds": 4}]'
    assert before(epochs + f', "within": {within}}}') == 26
    assert before(f'{{"epochs": [], "within": {within}}}') == 4
    for damaged in (
        "",
        "[]",
        "{}",
        '{"epochs": 3}',
        '{"epochs": [{"step": 7}]}',
        "7",
        "[" * 100000,
    ):
        assert before(damaged) == 0


def test_a_finished_run_is_resumed_without_any_other_flag(runs, tmp_path):
    """With its log and prepared data gone: nothing is trained, and its results are the same."""
    path = tmp_path / "copy"
    shutil.copytree(str(runs[1]), str(path))
    before = read_json(str(path / "results.json"))
    done = call("train", "--resume", f"--run_dir={path}")
    assert (done.status, done.err) == (0, "")
    after = read_json(str(path / "results.json"))
    assert [e["epoch"] for e in after["epochs"]] == [1]
    assert (after["test"], after["valid"]) == (before["test"], before["valid"])


def test_what_may_not_change_on_resuming(runs, tmp_path):
    path = runs[0]
    for flag, words in (
        ("--epochs=1", "epochs was 2, is now 1"),
        ("--hidden_size=16", "hidden_size was 8, is now 16"),
    ):
        done = call("train", "--resume", f"--run_dir={path}", flag)
        assert done.status == 2 and words in done.err and "or none to resume it" in done.err
    missing = call("train", "--resume", f"--run_dir={tmp_path}/none")
    assert missing.status == 2 and "it holds no run to resume" in missing.err
    assert "give the folder of the run to resume" in call("train", "--resume").err


def test_a_key_newer_than_the_run_has_its_default_there(runs, tmp_path):
    path = str(tmp_path / "copy")
    shutil.copytree(str(runs[1]), path)
    settings = os.path.join(path, HPARAMS_FILE)
    now = prepare_hparams(settings)
    with open(settings, encoding="utf-8") as stream:
        older = [line for line in stream if not line.startswith("  item_dropout:")]
    with checked_write(settings) as stream:
        stream.writelines(older)
    assert "item_dropout" not in prepare_hparams(settings).values()
    RunFolder(path).check_same(now)
    with pytest.raises(UserError, match=r"\(item_dropout was 0.0, is now 0.5\)"):
        RunFolder(path).check_same(now.replace(item_dropout=0.5))
    assert call("train", "--resume", f"--run_dir={path}", "--epochs=2").status == 0
