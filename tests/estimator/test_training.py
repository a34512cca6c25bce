"""The training loop: epochs, best checkpoint, early stop, resuming, divergence, devices."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from graph import close
from training_case import STEPS, STORE, Scripted, hparams, run, step_of, variables

from dfar_tf.estimator.samples import VALIDATION_FILE
from dfar_tf.estimator.session import choose_devices, device_line
from dfar_tf.estimator.state import TrainingState
from dfar_tf.estimator.training import best_checkpoint, predict
from recommenders_utils.backend import tf
from recommenders_utils.checksums import write_checked_json
from recommenders_utils.errors import UserError


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Four epochs of which the third is best."""
    folder = tmp_path_factory.mktemp("undisturbed")
    evaluate = Scripted(0.5, 0.6, 0.8, 0.7)
    return (folder, evaluate, *run(folder, evaluate, epochs=4))


def test_epochs_run_and_the_best_is_kept(undisturbed):
    folder, evaluate, trained, lines = undisturbed
    assert trained.best_epoch == 3 and step_of(trained.checkpoint) == 3 * STEPS
    assert trained.checkpoint == best_checkpoint(str(folder))
    latest = tf.train.latest_checkpoint(str(folder / "checkpoints"))
    assert step_of(latest) == 4 * STEPS
    assert [e["epoch"] for e in trained.epochs] == [1, 2, 3, 4]
    assert [e["step"] for e in trained.epochs] == [STEPS * k for k in (1, 2, 3, 4)]
    assert [e["validation"]["auc"] for e in trained.epochs] == evaluate.values
    assert all(e["seconds"] > 0 and np.isfinite(e["train_loss"]) for e in trained.epochs)
    state = json.loads((folder / "checkpoints" / "training_state.json").read_text("utf-8"))
    assert state == {"epochs": trained.epochs}
    epochs = [line for line in lines if line.startswith("epoch")]
    assert [line.endswith("best") for line in epochs] == [True, True, True, False]
    size = {k: v for k, v in variables(trained.checkpoint).items() if "Adam" not in k}
    trainable = [v.size for k, v in size.items() if "moving" not in k and "_power" not in k]
    assert trained.parameters == sum(trainable) - 1  # but the step


def test_training_learns(undisturbed):
    losses = [e["train_loss"] for e in undisturbed[2].epochs]
    assert losses[-1] < 0.95 * losses[0]


def test_summaries_are_written(undisturbed):
    folder = undisturbed[0]
    found = {}
    for name in os.listdir(str(folder / "checkpoints")):
        if "tfevents" in name:
            for event in tf.train.summary_iterator(str(folder / "checkpoints" / name)):
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
    steps, values = zip(*found["validation/auc"])
    assert steps == tuple(STEPS * k for k in (1, 2, 3, 4))
    close(values, np.float32([0.5, 0.6, 0.8, 0.7]))
    assert {"loss/main", "loss/bpr", "loss/disentangle", "learning_rate"} <= set(found)


def test_validation_in_the_session_is_prediction_from_the_checkpoint(undisturbed):
    evaluate, trained = undisturbed[1:3]
    predictions = predict(hparams(), STORE, "valid", trained.checkpoint)
    inside = evaluate.seen[2]  # the third epoch's
    assert inside.keys() == predictions.keys()
    split = STORE.splits["valid"]
    real = split.candidates > 0
    for name, value in predictions.items():
        close(inside[name], value, 1e-6)
    rows = np.repeat(np.arange(len(split))[:, None], split.candidates.shape[1], 1)
    np.testing.assert_array_equal(predictions["instance"], rows[real])
    np.testing.assert_array_equal(predictions["user"], split.users[rows[real]])
    np.testing.assert_array_equal(predictions["item"], split.candidates[real])
    np.testing.assert_array_equal(predictions["label"], split.labels[real])
    close(predictions["score"], 1 / (1 + np.exp(-predictions["logit"])), 1e-6)


def test_a_finished_run_is_not_trained_again(undisturbed):
    folder, _, trained, _ = undisturbed
    evaluate = Scripted()
    again, _ = run(folder, evaluate, epochs=4)
    assert again == trained and evaluate.seen == []


def test_moving_statistics_move_and_the_adam_step_counts(undisturbed):
    values = variables(undisturbed[2].checkpoint)
    moving = [k for k in values if "/moving_" in k]
    assert len(moving) == 12
    for name in moving:
        start = 0 if name.endswith("mean") else 1
        assert np.abs(values[name] - start).max() > 1e-6, name
    close(values["beta1_power"], np.float32(0.9 ** (3 * STEPS + 1)), 1e-4)


def test_an_interrupted_run_goes_on_as_if_nothing_had_been(undisturbed, tmp_path):
    """Stopped in the third epoch's validation, and even after its entry was noted but not its weights."""
    whole, trained = undisturbed[1:3]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Scripted(*whole.values, interrupt=3), epochs=4)
    path = tmp_path / "checkpoints" / "training_state.json"
    state = json.loads(path.read_text("utf-8"))
    assert [e["epoch"] for e in state["epochs"]] == [1, 2]
    state["epochs"].append(dict(state["epochs"][1], epoch=3, validation={"auc": 0.99}))
    write_checked_json(str(path), state)
    rest = Scripted(*whole.values[2:])
    resumed, _ = run(tmp_path, rest, epochs=4)
    assert len(rest.seen) == 2
    assert resumed.best_epoch == 3 and [e["epoch"] for e in resumed.epochs] == [1, 2, 3, 4]
    for which in ("best", "checkpoints"):
        ours = variables(tf.train.latest_checkpoint(str(tmp_path / which)))
        theirs = variables(tf.train.latest_checkpoint(str(undisturbed[0] / which)))
        assert ours.keys() == theirs.keys()
        for name in ours:
            close(ours[name], theirs[name], 1e-6)
    ours, theirs = ([e["train_loss"] for e in t.epochs] for t in (resumed, trained))
    close(ours, theirs, 1e-6)


def test_training_stops_early(tmp_path):
    evaluate = Scripted(0.7, 0.6, 0.65)
    trained, _ = run(tmp_path, evaluate, epochs=9)
    assert len(evaluate.seen) == 3 and trained.best_epoch == 1
    assert step_of(trained.checkpoint) == STEPS


def test_divergence_is_one_message(tmp_path):
    with pytest.raises(UserError, match=r"The loss is nan at step .*learning_rate"):
        run(tmp_path, Scripted(), optimizer="sgd", learning_rate=1e30)


def test_state_remembers_the_earliest_best_and_lower_logloss(tmp_path):
    def best(metric, *values):
        state = TrainingState(str(tmp_path / metric), metric, 2)
        for epoch, value in enumerate(values, 1):
            state.add({"epoch": epoch, "step": 3 * epoch, "validation": {metric: value}})
        again = TrainingState(str(tmp_path / metric), metric, 2)
        assert again.epochs == state.epochs
        return state.best_epoch(), state.should_stop()

    assert best("auc", 0.5, 0.7, 0.7) == (2, False)
    assert best("gauc", 0.5, 0.7, 0.7, 0.6) == (2, True)
    assert best("logloss", 0.5, 0.4, 0.6) == (2, False)


@pytest.mark.parametrize("spelling", ["tpu", "gpu:", "gpu:a", "cpu:0", "gpu:0;1", "", "gpu:-1"])
def test_a_misspelt_device_is_refused(spelling):
    with pytest.raises(UserError, match=r"device: .* is none of auto, cpu, gpu"):
        choose_devices(spelling)


def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    found = len(tf.config.experimental.list_physical_devices("GPU"))
    with pytest.raises(UserError, match=rf"GPU {found + 7}, .*finds {found}.*--device=auto"):
        run(tmp_path, Scripted(), device=f"gpu:{found + 7}")
    config, strategy, replicas = choose_devices("auto")
    assert strategy is None and replicas == 1
    assert ("CPU" if not found else "GPU") in device_line("auto", config)


def test_a_stored_sample_is_validated(undisturbed, tmp_path):
    evaluate, folder = Scripted(0.5, 0.6), tmp_path / "run"
    run(folder, evaluate, epochs=1, validation_instances=3)
    sample = pd.read_csv(str(folder / VALIDATION_FILE))
    part = STORE.splits["valid"]
    rows = np.flatnonzero(np.isin(part.ends, sample["record"]))
    assert len(rows) == 3 < len(part)
    assert list(sample["item"]) == list(STORE.item_ids[STORE.items[part.ends[rows]] - 1])
    run(folder, evaluate, epochs=2, validation_instances=3)
    for seen in evaluate.seen:
        np.testing.assert_array_equal(np.unique(seen["instance"]), rows)
    whole = predict(hparams(), STORE, "valid", undisturbed[2].checkpoint)
    some = predict(hparams(), STORE, "valid", undisturbed[2].checkpoint, rows)
    kept = np.isin(whole["instance"], rows)
    for name, value in some.items():
        close(value, whole[name][kept], 1e-6)
    (folder / VALIDATION_FILE).write_text("record,user,item\n1,a,b\n", "utf-8")
    with pytest.raises(UserError, match=VALIDATION_FILE):
        run(folder, evaluate, epochs=2, validation_instances=3)


def test_a_sample_without_a_liked_target_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(STORE, "labels", np.zeros_like(STORE.labels))
    with pytest.raises(UserError, match=r"validation_instances: of 2 sampled .* none is liked"):
        run(tmp_path, Scripted(), validation_instances=2)


def test_epochs_count_against_the_patience_only_once_chance_is_left(tmp_path):
    def stops(metric, counts_from, *values):
        folder = str(tmp_path / f"{metric}-{len(values)}-{values[-1]}-{counts_from}")
        state = TrainingState(folder, metric, 2, counts_from)
        for epoch, value in enumerate(values, 1):
            state.add({"epoch": epoch, "validation": {metric: value}})
        return state.should_stop()

    at_chance = (0.505, 0.501, 0.503, 0.502)
    assert stops("auc", None, *at_chance) and not stops("auc", 0.55, *at_chance)
    assert not stops("auc", 0.55, *at_chance, 0.56, 0.54)
    assert stops("auc", 0.55, *at_chance, 0.56, 0.54, 0.53)
    assert not stops("auc", 0.55, *at_chance, 0.56, 0.54, 0.57)
    assert not stops("logloss", 0.3, 0.5, 0.6, 0.7)
    assert stops("logloss", 0.3, 0.5, 0.29, 0.7, 0.8)
