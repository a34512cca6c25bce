"""A run that is stopped anywhere ends with the very bits of one that is not; damage is told."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import resume_case
from resume_case import EPOCHS, STEPS, Stop, assert_same, run, snap_at, stop_at, weights

from dfar_tf import paths
from dfar_tf.estimator import training
from dfar_tf.estimator.checkpoints import damage, recover
from dfar_tf.estimator.messages import heard
from dfar_tf.estimator.signals import Interrupts
from recommenders_utils.errors import UserError


def snapped(folder, snapshot, step, model, **overrides):
    """An undisturbed training; ``snapshot`` is what a kill right after a step would have left of it."""
    with pytest.MonkeyPatch.context() as patch:
        snap_at(patch, step, folder, snapshot)
        return run(folder, model, **overrides)[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder, trained, snapshot within the second epoch) of an undisturbed DFAR with dropout."""
    folder, snapshot = (tmp_path_factory.mktemp("runs") / name for name in ("whole", "snapshot"))
    return folder, snapped(folder, snapshot, STEPS + 5, "dfar"), snapshot


def stopped(folder, step, model="dfar", **overrides):
    """Trains until just before a step is counted."""
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(Stop):
            run(folder, model, **overrides)


def test_dfar_goes_on_within_an_epoch_to_the_same_bits(whole):
    folder, expected, snapshot = whole
    assert weights(snapshot)["global_step"] == STEPS + 4  # 12, within the second epoch
    trained, _ = run(snapshot)
    assert_same(snapshot, folder, trained, expected)


def test_sine_goes_on_to_the_same_bits(tmp_path):
    expected = snapped(tmp_path / "whole", tmp_path / "snapshot", 7, "sine", epochs=2)
    assert weights(tmp_path / "snapshot")["global_step"] == 6
    trained, _ = run(tmp_path / "snapshot", "sine", epochs=2)
    assert_same(tmp_path / "snapshot", tmp_path / "whole", trained, expected)


def test_all_positions_with_shared_negatives_go_on_to_the_same_bits(tmp_path):
    options = {
        "positions": "all",
        "scorer": "dot",
        "loss": "softmax",
        "negatives": "mixed",
        "shared_negatives": True,
        "max_seq_length": 2,
        "epochs": 2,
    }
    expected = snapped(tmp_path / "whole", tmp_path / "snapshot", 7, "sasrec", **options)
    assert weights(tmp_path / "snapshot")["global_step"] == 6
    trained, _ = run(tmp_path / "snapshot", "sasrec", **options)
    assert_same(tmp_path / "snapshot", tmp_path / "whole", trained, expected)


def test_shares_of_the_targets_go_on_to_the_same_bits(tmp_path):
    """16 of 40 targets an epoch, 4 steps; the third epoch has targets of two rounds."""
    options = {"epoch_share": 0.4, "validation_instances": 3, "epochs": 4}
    expected = snapped(tmp_path / "whole", tmp_path / "snapshot", 11, "gru4rec", **options)
    assert weights(tmp_path / "snapshot")["global_step"] == 9
    trained, _ = run(tmp_path / "snapshot", "gru4rec", **options)
    assert [epoch["step"] for epoch in trained.epochs] == [4, 8, 12, 16]
    assert_same(tmp_path / "snapshot", tmp_path / "whole", trained, expected)


@pytest.mark.slow
def test_a_stopped_process_goes_on_in_the_same_process(whole, tmp_path):
    stopped(tmp_path, STEPS + 6)
    trained, _ = run(tmp_path)
    assert_same(tmp_path, whole[0], trained, whole[1])


def copied(whole, tmp_path):
    """A copy of the finished run; the folder of its checkpoints and their steps."""
    shutil.copytree(str(whole[0]), str(tmp_path / "run"))
    return tmp_path / "run" / "checkpoints", (EPOCHS * STEPS - 2, EPOCHS * STEPS)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


DATA = "model.ckpt-{}.data-00000-of-00001"
DAMAGES = {
    "cut": lambda folder, step: cut(folder / DATA.format(step)),
    "flipped": lambda folder, step: flip(folder / DATA.format(step)),
    "no data": lambda folder, step: (folder / DATA.format(step)).unlink(),
    "no index": lambda folder, step: (folder / f"model.ckpt-{step}.index").unlink(),
    "index cut": lambda folder, step: cut(folder / f"model.ckpt-{step}.index"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(whole, tmp_path, kind):
    folder, (older, newest) = copied(whole, tmp_path)
    DAMAGES[kind](folder, newest)
    (folder / "checkpoint").write_bytes(b"\xff garbage\0")
    lines = []
    with heard(lines.append):
        assert recover(str(folder), lambda step: True) == older
    (line,) = lines
    assert line.startswith(f"checkpoint of step {newest} cannot be used (")
    assert line.endswith(f"resuming from step {older}")
    assert not [name for name in os.listdir(str(folder)) if f"ckpt-{newest}" in name]
    assert weights(tmp_path / "run")["global_step"] == older


@pytest.mark.slow
def test_a_run_whose_newest_checkpoint_is_damaged_ends_the_same(whole, tmp_path):
    folder, (older, newest) = copied(whole, tmp_path)
    DAMAGES["cut"](folder, newest)
    (folder / "model.ckpt-40_temp_0a1b").mkdir()
    trained, lines = run(tmp_path / "run")
    assert any(f"resuming from step {older}" in line for line in lines)
    assert not [name for name in os.listdir(str(folder)) if "temp" in name]
    assert_same(tmp_path / "run", whole[0], trained, whole[1])


def test_all_damaged_is_one_error_and_nothing_is_deleted(whole, tmp_path):
    folder, steps = copied(whole, tmp_path)
    for step in steps:
        DAMAGES["cut"](folder, step)
    before = sorted(os.listdir(str(folder)))
    with pytest.raises(UserError, match=r"none of its 2 checkpoints can be used.*model\.ckpt-32"):
        run(tmp_path / "run")
    assert sorted(os.listdir(str(folder))) == before


def test_a_damaged_best_checkpoint_is_told(whole, tmp_path):
    copied(whole, tmp_path)
    best = whole[1].best_epoch * STEPS
    DAMAGES["flipped"](tmp_path / "run" / "best", best)
    with pytest.raises(UserError, match=rf"model\.ckpt-{best}.*: is damaged"):
        run(tmp_path / "run")


def test_a_damaged_state_is_told(whole, tmp_path):
    folder, _ = copied(whole, tmp_path)
    (folder / "training_state.json").write_text("{", "utf-8")
    with pytest.raises(UserError, match=r"training_state\.json: is damaged"):
        run(tmp_path / "run")


@pytest.mark.slow
def test_a_checkpoint_the_state_does_not_know_is_not_used(whole, tmp_path):
    folder, (older, newest) = copied(whole, tmp_path)
    path = folder / "training_state.json"
    state = json.loads(path.read_text("utf-8"))
    assert [sums["step"] for sums in state["within"]][-1] == older
    state["epochs"].pop()
    path.write_text(json.dumps(state), "utf-8")
    trained, lines = run(tmp_path / "run")
    assert any(f"step {newest} cannot be used (training_state.json" in line for line in lines)
    assert_same(tmp_path / "run", whole[0], trained, whole[1])


def test_a_first_checkpoint_that_was_never_whole_means_beginning_again(tmp_path):
    (tmp_path / DATA.format(3)).write_bytes(b"half")
    lines = []
    with heard(lines.append):
        assert recover(str(tmp_path), lambda step: True) == 0
    assert "resuming from the beginning" in lines[0] and os.listdir(str(tmp_path)) == []
    assert recover(str(tmp_path / "none"), lambda step: True) == 0


def test_batches_from_within_an_epoch_are_those_of_the_whole_epoch():
    from recommenders_utils.io import SequentialIterator

    iterator = SequentialIterator(resume_case.store(), resume_case.hparams("dfar"))
    every = list(iterator.train_batches(1))
    for first in (0, 3, STEPS - 1, STEPS):
        rest = list(iterator.train_batches(1, first=first))
        assert len(rest) == STEPS - first
        for one, other in zip(rest, every[first:]):
            for name in other:
                np.testing.assert_array_equal(one[name], other[name])


def full(*_, **__):
    raise OSError(28, "No space left on device", "training_state.json")


@pytest.mark.slow
def test_a_full_disk_leaves_a_run_that_goes_on(whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("dfar_tf.estimator.state.write_json", full)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path)
    trained, _ = run(tmp_path)
    assert_same(tmp_path, whole[0], trained, whole[1])


@pytest.mark.parametrize("text", ["No space left on device", "Permission denied"])
def test_what_tensorflow_says_of_a_disk_is_one_message(text):
    with pytest.raises(UserError, match=r"^checkpoints: .*--resume"), training.explained(
        "checkpoints"
    ):
        raise training.tf.errors.UnknownError(None, None, f"checkpoints/x; {text}")


# The rest: bash run.sh test -m slow tests/estimator/test_resume_exact.py


def drive(folder, where, number):
    """Status of a training that kills itself (see ``resume_case``), or ends."""
    tests = os.path.join(paths.ROOT, "tests")
    command = [sys.executable, os.path.join(tests, "resume_case.py"), str(folder), "dfar"]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([paths.ROOT, tests]))
    done = subprocess.run(
        [*command, where, str(number)],
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_it_ends_with_the_same_bits(whole, tmp_path, seed):
    """Every kind of moment in a random order, in one run; the kills that came are counted."""
    generator = random.Random(seed)
    kinds = ["step", "data", "index", "named", "state", "step"]
    generator.shuffle(kinds)
    kills = 0
    for kind in kinds:
        reached = weights(tmp_path)["global_step"] if (tmp_path / "best").exists() and kills else 0
        number = int(reached) + generator.randint(1, 6) if kind == "step" else 2
        status, text = drive(tmp_path, kind, number)
        if status == 0:
            break
        assert status == -signal.SIGKILL, text
        kills += 1
    status, text = drive(tmp_path, "never", 0)
    assert status == 0 and "finished" in text, text
    trained, _ = run(tmp_path)
    assert_same(tmp_path, whole[0], trained, whole[1])
    print(f"survived {kills} kills: {kinds}")
    assert kills >= 5


def test_a_whole_checkpoint_has_no_damage(whole):
    assert damage(str(whole[0] / "checkpoints" / f"model.ckpt-{EPOCHS * STEPS}")) is None


def test_ctrl_c_saves_the_step_and_goes_on_to_the_same_bits(whole, tmp_path, monkeypatch):
    before = resume_case.epochs.EpochHook.before_run

    def before_run(self, context):
        fetches = before(self, context)
        if self.step == STEPS + 1:
            os.kill(os.getpid(), signal.SIGINT)  # while a step is on its way
        return fetches

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(resume_case.epochs.EpochHook, "before_run", before_run)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler
    assert weights(tmp_path)["global_step"] == STEPS + 2  # not a multiple of checkpoint_every, 3
    trained, _ = run(tmp_path)
    assert_same(tmp_path, whole[0], trained, whole[1])


def test_a_second_ctrl_c_does_not_wait():
    interrupts = Interrupts()
    with interrupts:
        interrupts.begin_step()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    with Interrupts() as outside, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert not outside.asked
