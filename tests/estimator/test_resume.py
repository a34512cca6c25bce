"""A run that is stopped in three ways, and goes on each time with the very words it was told."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pandas as pd
import pytest
from small import EPOCHS, call, learnt_run, tree

from dfar_tf import paths
from recommenders_utils.files import read_json

# Signals race with a short run: on a busy machine it may be over before the last one is sent.
pytestmark = pytest.mark.slow


def start(*arguments):
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dfar_tf", *arguments],
        env=dict(os.environ, PYTHONPATH=paths.ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def stop_in(process, epoch, how):
    """Sends a signal once an epoch is over, while the next ones run; (status, stdout, stderr)."""
    seen = []
    try:
        for line in process.stdout:
            seen.append(line)
            if re.match(rf"epoch +{epoch} ", line):
                process.send_signal(how)
                break
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, "".join(seen) + out, err


def told(err):
    """The words after ``bash run.sh`` in the advice on how to go on."""
    (line,) = (line for line in err.splitlines() if "To resume: " in line)
    words = shlex.split(line.split("To resume: ")[1])
    assert words[:2] == ["bash", "run.sh"]
    return words[2:]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The learnt run once more, stopped after epochs 2, 4 and 6; yields (its folder, what happened)."""
    folder = tmp_path_factory.mktemp("stopped") / "the run"
    arguments = [
        f"--run_dir={folder}" if argument.startswith("--run_dir=") else argument
        for argument in learnt_run(tmp_path_factory).arguments
    ]
    happened = {}
    for epoch, how in ((2, signal.SIGINT), (4, signal.SIGTERM), (6, signal.SIGKILL)):
        happened[how] = stop_in(start(*arguments), epoch, how)
        assert not (folder / "results.json").exists()
        if how != signal.SIGKILL:
            arguments = told(happened[how][2])
    happened["end"] = call(*arguments)
    return folder, happened


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on(stopped, how):
    folder, happened = stopped
    status, _, err = happened[how]
    assert status == 130
    assert "Traceback" not in err
    (line,) = err.strip().splitlines()
    assert line.startswith("interrupted. To resume: bash run.sh amazon --ratings=")
    words = told(err)
    assert words.count("--resume") == 1
    last = [word for word in words if word.startswith("--run_dir=")][-1]
    assert os.path.abspath(last[len("--run_dir=") :]) == str(folder)


def test_each_time_it_goes_on_where_it_was(stopped):
    folder, happened = stopped
    shown = {
        how: [int(number) for number in re.findall(r"^epoch +(\d+) ", what[1], re.MULTILINE)]
        for how, what in happened.items()
    }
    first, second, third, last = shown.values()
    assert first[:2] == [1, 2]
    for earlier, later in ((first, second), (second, third)):
        assert later[0] == earlier[-1] + 1
    # Killed outright, an epoch whose checkpoint was not whole yet is done again.
    assert third[-1] <= last[0] <= third[-1] + 1
    assert last[-1] == EPOCHS
    assert happened["end"].status == 0, happened["end"].err
    assert happened[signal.SIGKILL][0] == -signal.SIGKILL
    epochs = read_json(str(folder / "results.json"))["epochs"]
    assert [record["epoch"] for record in epochs] == list(range(1, EPOCHS + 1))
    assert not [name for name in tree(folder) if ".tmp-" in name]


def test_the_end_is_that_of_an_undisturbed_run(stopped, tmp_path_factory):
    """The same scores, epoch by epoch and in the test: weights, optimiser, shuffling, all of it."""
    folder, whole = stopped[0], learnt_run(tmp_path_factory).folder
    ours, expected = (read_json(str(place / "results.json")) for place in (folder, whole))
    for one, other in zip(ours["epochs"], expected["epochs"]):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
        assert one["validation"] == pytest.approx(other["validation"], abs=1e-4)
    assert ours["test"] == pytest.approx(expected["test"], abs=1e-4)
    assert ours["best_epoch"] == expected["best_epoch"]
    scores, expected_scores = (
        pd.read_csv(str(place / "predictions_test.csv"))["score"] for place in (folder, whole)
    )
    assert (scores - expected_scores).abs().max() < 1e-4


def test_a_finished_run_is_not_trained_again(tmp_path_factory):
    run = learnt_run(tmp_path_factory)
    log = (run.folder / "run.log").read_text()
    before = read_json(str(run.folder / "results.json"))
    outcome = call(*run.arguments, "--resume")
    assert outcome.status == 0, outcome.err
    assert not re.search(r"^epoch ", outcome.out, re.MULTILINE)
    after = read_json(str(run.folder / "results.json"))
    assert after["test"] == before["test"]
    after = (run.folder / "run.log").read_text()
    assert after.startswith(log)
    added = iter(after[len(log) :].splitlines())
    assert all(line in added for line in outcome.out.splitlines())
    assert not re.search(r"^epoch ", after[len(log) :], re.MULTILINE)
