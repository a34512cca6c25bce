"""The benchmark, on a small log and for a few steps: what it tells, not how fast anything is."""

import pytest
from small import SHAPE, call, tree

from dfar_tf.bench import steps as bench
from recommenders_utils.files import read_json
from recommenders_utils.synthetic.ratings import generate_ratings


@pytest.fixture(scope="module")
def benched(tmp_path_factory):
    """A benchmark of three steps; returns (its folder, what was printed)."""
    folder = tmp_path_factory.mktemp("bench") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "generate_ratings", lambda path: generate_ratings(path, **SHAPE))
        patch.setattr(bench, "WARM_UP", 1)
        outcome = call(
            "bench", "--steps=3", f"--output={folder}", "--hidden_size=8", "--batch_size=40",
            "--max_seq_length=6", "--tower_layers=16", "--device=cpu", "--init_stddev=0.3",
        )  # fmt: skip
    assert outcome.status == 0, outcome.err
    return folder, outcome.out


def test_the_figures_are_stored(benched):
    folder, _ = benched
    assert list(tree(folder)) == ["bench.json"]
    record = read_json(str(folder / "bench.json"))
    assert record["command"].startswith("bash run.sh bench --steps=3 ")
    assert "SYNTHETIC" in record["data"]
    assert record["statistics"]["users"] == SHAPE["users"]
    assert record["hparams"]["train"]["batch_size"] == 40
    assert record["cores"] >= 1
    assert {"tensorflow", "python", "numpy"} <= set(record["versions"])
    assert record["released_recorded"] == bench.RELEASED
    results = record["results"]
    assert results["targets_per_step"] == 40
    seconds = results["seconds"]
    for name in ("forward", "input", "step_with_input"):
        assert 0 < seconds[name] < 60
    assert min(seconds["backward"], seconds["optimiser"]) >= 0
    for name in ("prepare_seconds", "test_seconds", "targets_per_second", "input_share"):
        assert results[name] > 0
    assert 0.01 < results["peak_gib"] < 100


def test_shared_histories_give_the_same_scores(benched):
    shared = read_json(str(benched[0] / "bench.json"))["results"]["share_history"]
    assert shared["largest_score_difference"] < 1e-5
    assert shared["ratio"] > 0
    assert shared["shared_seconds"] > 0
    assert shared["repeated_seconds"] > 0


def test_the_table_names_its_data_and_what_was_only_recorded(benched):
    out = benched[1]
    assert "SYNTHETIC log of Table 1's shape" in out
    assert "not measured by this command" in out
    for row in (
        "step: forward", "step: backward", "step: optimiser", "input: making a batch", "training",
        "peak memory", "history encoded once", "history encoded per candidate", "test pass",
    ):  # fmt: skip
        assert row in out
