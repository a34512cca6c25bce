"""What ``cluster`` and ``amazon`` under TF_CONFIG refuse, before anything is trained or written."""

import json
import os

import pytest
from small import MODEL, cache_dir, call, ratings_file, tree

from dfar_tf.settings import merge_hparams

TF_CONFIG = {
    "cluster": {"chief": ["127.0.0.1:1"], "ps": ["127.0.0.1:2"]},
    "task": {"type": "chief", "index": 0},
}


def refused(*arguments):
    outcome = call(*arguments)
    assert outcome.status == 2, outcome
    return outcome.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers=-1"], "--workers: '-1' is not a whole number >= 0"),
        (["--workers=two"], "--workers: 'two' is not a whole number >= 0"),
        (["--ps=0"], "--ps: '0' is not a whole number >= 1"),
        (["--restarts=x"], "--restarts: 'x' is not a whole number >= 0"),
        (["--resume"], "--resume: give the folder of the run"),
        (["--device=gpu:0,1"], "a task of a cluster uses one device"),
        (["--workers=9999"], "10000 processes train, but there are"),
        (["--iterator=released", "--train_targets=all"], "'released' draws one stream"),
    ],
)
def test_clusters_that_cannot_be(tmp_path, tmp_path_factory, flags, message):
    data = (
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={cache_dir(tmp_path_factory)}",
    )
    folder = [] if flags == ["--resume"] else [f"--run_dir={tmp_path / 'run'}"]
    assert message in refused("cluster", *data, *MODEL, *folder, *flags)
    assert not (tmp_path / "run").exists()


def test_a_task_needs_a_folder_to_meet_in(monkeypatch, tmp_path, tmp_path_factory):
    monkeypatch.setenv("TF_CONFIG", json.dumps(TF_CONFIG))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    ratings = f"--ratings={ratings_file(tmp_path_factory)}"
    assert "run_dir: not given, but TF_CONFIG names a cluster" in refused("amazon", ratings, *MODEL)
    assert "run_dir: not given: holds no run to join" in refused("cluster")
    message = refused("cluster", f"--run_dir={tmp_path}")
    assert "holds no run to join (hparams.yaml is missing)" in message
    monkeypatch.setenv("TF_CONFIG", "{")
    assert "TF_CONFIG: is not JSON" in refused("amazon", ratings, *MODEL)


def test_a_task_that_joins_takes_the_runs_hyper_parameters(monkeypatch, tmp_path):
    merge_hparams("amazon").save(str(tmp_path / "hparams.yaml"))
    monkeypatch.setenv("TF_CONFIG", json.dumps(TF_CONFIG))
    before = tree(tmp_path)
    message = refused("cluster", f"--run_dir={tmp_path}", "--learning_rate=0.5")
    assert (
        "--learning_rate: a task that joins uses the run's own settings (hparams.yaml)" in message
    )
    assert tree(tmp_path) == before
