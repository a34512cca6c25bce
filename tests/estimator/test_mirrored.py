"""Several devices: two virtual CPUs under MirroredStrategy do what one device does."""

import shutil

import numpy as np
import pytest
from graph import close
from training_case import STORE, Scripted, hparams, run, variables

from dfar_tf.estimator import scorer, training
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.io import sequential_iterator

# Without batch normalisation, whose statistics are each device's own, and without Adam, which would
# blow rounding up and hide a sum in place of a mean; 4 divides the 12 instances, as 2 does.
SAME = {"tower_norm": "none", "optimizer": "sgd", "learning_rate": 0.5, "batch_size": 4}


@pytest.fixture
def two_devices(monkeypatch):
    """``device: gpu:0,1`` means two virtual CPUs, any other one of them."""

    def choose(device):
        config = tf.ConfigProto(allow_soft_placement=True, device_count={"CPU": 2, "GPU": 0})
        if "," not in device:
            return config, None, 1
        return config, tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"]), 2

    def next_items(targets, count, num_items, random):
        # Negatives that do not depend on how the batch is cut.
        return (targets[:, None] + np.arange(count)) % num_items + 1

    monkeypatch.setattr(training, "choose_devices", choose)
    monkeypatch.setattr(scorer, "choose_devices", choose)
    monkeypatch.setattr(sequential_iterator, "in_batch_negatives", next_items)


def test_two_devices_train_as_one(two_devices, tmp_path):
    """From the same first epoch, so that both begin with the same weights."""
    run(tmp_path / "one", Scripted(0.5), epochs=1, **SAME)
    start = variables(str(tmp_path / "one" / "checkpoints" / "model.ckpt-3"))
    shutil.copytree(str(tmp_path / "one"), str(tmp_path / "two"))
    scripts = {"one": Scripted(0.6, 0.7), "two": Scripted(0.6, 0.7)}
    devices = {"one": "cpu", "two": "gpu:0,1"}
    trained = {
        name: run(tmp_path / name, script, epochs=3, device=devices[name], **SAME)[0]
        for name, script in scripts.items()
    }
    one, two = (variables(trained[name].checkpoint) for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        close(two[name], one[name], 1e-5)
    assert (
        max(np.abs(one[name] - start[name]).max() for name in one if name != "global_step") > 0.01
    )
    assert [e["step"] for e in trained["two"].epochs] == [3, 6, 9]
    for first, second in zip(scripts["one"].seen, scripts["two"].seen):
        close(second["score"], first["score"], 1e-4)
    predictions = training.predict(hparams(**SAME), STORE, "valid", trained["two"].checkpoint)
    close(scripts["two"].seen[-1]["score"], predictions["score"], 1e-6)


@pytest.mark.slow
def test_two_devices_stop_by_the_whole_catalogue_as_one_does(two_devices, tmp_path):
    options = {**SAME, "early_stop_metric": "full_ndcg@10", "EARLY_STOP": 9}
    run(tmp_path / "one", Scripted(0.5), epochs=1, **options)
    shutil.copytree(str(tmp_path / "one"), str(tmp_path / "two"))
    found = {
        name: run(tmp_path / name, Scripted(0.5, 0.5), epochs=3, device=device, **options)[0]
        for name, device in (("one", "cpu"), ("two", "gpu:0,1"))
    }
    values = {
        name: [e["validation"]["full_ndcg@10"] for e in trained.epochs]
        for name, trained in found.items()
    }
    assert len(values["two"]) == 3
    np.testing.assert_allclose(values["two"], values["one"], atol=1e-6)
    assert found["two"].best_epoch == found["one"].best_epoch == 1 + np.argmax(values["one"])


def test_a_batch_the_devices_do_not_divide_is_refused(two_devices, tmp_path):
    with pytest.raises(UserError, match="batch_size: 5 is not a multiple of 2 devices"):
        run(tmp_path, Scripted(), device="gpu:0,1", batch_size=5)
