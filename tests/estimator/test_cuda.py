"""The GPU: everything heavy on it, memory as needed, the CPU's scores, two of them mirrored.

Tests that need a GPU skip and say so where there is none; the rest runs anywhere.
"""

import numpy as np
import pytest
from graph import close
from placement import KINDS, heavy_placement, short_device, traced
from small import MODEL, cache_dir, call, ratings_file
from training_case import STORE, Scripted, hparams, run

from dfar_tf.estimator import training
from dfar_tf.estimator.session import choose_devices, device_line
from recommenders_utils.backend import tf


def gpus():
    return len(tf.config.experimental.list_physical_devices("GPU"))


def need(number):
    """Skips, with what is there, unless TensorFlow finds so many GPUs."""
    found = gpus()
    if found < number:
        pytest.skip(f"needs {number} GPU(s); TensorFlow {tf.__version__} finds {found}")


@pytest.fixture()
def steps(monkeypatch):
    """Placements of the steps of any training, filled while it runs."""
    seen = []

    class Watching(training.EpochHook):
        def before_run(self, run_context):
            asked = super().before_run(run_context)
            return tf.estimator.SessionRunArgs(asked.fetches, options=traced())

        def after_run(self, run_context, run_values):
            seen.append(heavy_placement(run_values.run_metadata))
            super().after_run(run_context, run_values)

    monkeypatch.setattr(training, "EpochHook", Watching)
    return seen


def train_by_command(factory, folder, device):
    """A model is trained for an epoch, by the command a person would give."""
    flags = [flag for flag in MODEL if not flag.startswith("--device")]
    outcome = call(
        "amazon",
        f"--ratings={ratings_file(factory)}",
        f"--cache_dir={cache_dir(factory)}",
        f"--run_dir={folder / 'run'}",
        *flags,
        "--epochs=1",
        "--batch_size=2000",
        device,
    )
    assert outcome.status == 0, outcome.err


def devices_of(steps):
    """All kinds must be there, so that nothing is said to be well for not being found."""
    for step in steps:
        assert set(step) == set(KINDS)
    return {device for step in steps for found in step.values() for device in found}


def test_everything_heavy_is_where_it_is_asked_to_be(steps, tmp_path_factory, tmp_path):
    train_by_command(tmp_path_factory, tmp_path, "--device=cpu")
    assert "Device: CPU" in (tmp_path / "run" / "run.log").read_text()
    assert len(steps) >= 2
    assert devices_of(steps) == {"CPU:0"}


def test_everything_heavy_is_on_the_gpu(steps, tmp_path_factory, tmp_path):
    need(1)
    train_by_command(tmp_path_factory, tmp_path, "--gpus=0")
    assert "Device: GPU [0]" in (tmp_path / "run" / "run.log").read_text()
    assert devices_of(steps) == {"GPU:0"}


def test_a_run_that_was_not_traced_is_refused():
    with pytest.raises(ValueError, match="traced"):
        heavy_placement(tf.RunMetadata())


def test_operations_are_told_by_kind_and_type():
    metadata = tf.RunMetadata()
    graph = metadata.partition_graphs.add()
    nodes = (
        ("_FusedMatMul", "T", tf.float32, "MatMul"),
        ("_MklNativeBatchMatMulV2", "T", tf.float32, "BatchMatMul"),
        ("GatherV2", "Tparams", tf.float32, "Gather"),
        ("GatherV2", "Tparams", tf.int32, None),
        ("ResourceGather", "dtype", tf.float16, "Gather"),
        ("Exp", "T", tf.float32, "Softmax/Exp"),
        ("Expm1", "T", tf.float32, None),
        ("ResourceApplyAdam", "T", tf.float32, "optimizer"),
        ("AddV2", "T", tf.float32, None),
    )
    expected = {}
    for number, (op, key, dtype, kind) in enumerate(nodes):
        node = graph.node.add()
        node.op, node.device = op, f"/job:localhost/replica:0/task:0/device:GPU:{number % 2}"
        node.attr[key].type = dtype.as_datatype_enum
        if kind:
            at = expected.setdefault(kind, {})
            at[f"GPU:{number % 2}"] = at.get(f"GPU:{number % 2}", 0) + 1
    assert heavy_placement(metadata) == expected
    assert short_device("/cpu:0") == "CPU:0"


@pytest.mark.parametrize("device, visible", [("auto", "0"), ("gpu:1", "1"), ("gpu", "0")])
def test_memory_grows_on_a_machine_with_gpus(device, visible, monkeypatch):
    """The settings alone, so that no GPU is needed to see them."""
    monkeypatch.setattr(
        tf.config.experimental, "list_physical_devices", lambda kind=None: ["one", "two"]
    )
    config, strategy, replicas = choose_devices(device)
    assert config.gpu_options.allow_growth is True
    assert config.gpu_options.visible_device_list == visible
    assert (strategy, replicas) == (None, 1)
    assert f"GPU [{visible}] of 2, memory as needed" in device_line(device, config)


def test_memory_grows_on_the_gpu():
    need(1)
    config, _, _ = choose_devices("gpu:0")
    assert config.gpu_options.allow_growth
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        product = session.run(tf.matmul(tf.ones([64, 64]), tf.ones([64, 64])))
        assert any(device.device_type == "GPU" for device in session.list_devices())
    assert np.all(product == 64)


def test_scores_are_the_cpus(tmp_path):
    need(1)
    trained, _ = run(tmp_path, Scripted(0.5), epochs=1, device="cpu")
    scores = {
        device: training.predict(hparams(device=device), STORE, "test", trained.checkpoint)
        for device in ("cpu", "gpu:0")
    }
    np.testing.assert_array_equal(scores["cpu"]["item"], scores["gpu:0"]["item"])
    close(scores["gpu:0"]["score"], scores["cpu"]["score"], 1e-4)


def test_two_gpus_are_mirrored(steps, tmp_path):
    need(2)
    trained, lines = run(tmp_path, Scripted(0.5), epochs=1, device="gpu:0,1", batch_size=4)
    assert any("Device: GPU [0, 1]" in line for line in lines)
    assert devices_of(steps) == {"GPU:0", "GPU:1"}
    assert trained.best_epoch == 1
