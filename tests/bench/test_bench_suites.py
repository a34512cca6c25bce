"""The benchmark's other suites, tiny: what they tell and count, not how fast anything is."""

import json

import numpy as np
import pytest
from small import call

from dfar_tf.bench import attention as bench_attention
from dfar_tf.bench import batches as bench_batches
from dfar_tf.bench import options as bench_options
from dfar_tf.bench import ranking as bench_ranking
from dfar_tf.bench import retrieval as bench_retrieval
from dfar_tf.bench import scale as bench_scale
from dfar_tf.bench import steps as bench
from dfar_tf.bench.matrix_rate import executed_products, matrix_rate, padded_products
from dfar_tf.bench.suites import run_suites
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.synthetic.ratings import generate_ratings

TINY = {"hidden_size": 8, "batch_size": 6, "tower_layers": [4], "device": "cpu", "init_stddev": 0.3}
SHAPE = {"users": 60, "items": 48, "records": 700, "positive_share": 0.7}


def hparams(**more):
    return merge_hparams("amazon", **{**TINY, "max_seq_length": 7, **more})


def test_products_of_a_run_are_counted_by_their_shapes():
    with tf.Graph().as_default(), tf.Session() as session:
        rows = tf.placeholder(tf.float32, [None, 3])
        left = tf.matmul(rows, tf.ones([3, 5]))  # 2 * n * 3 * 5
        again = tf.matmul(left, left, transpose_a=True)  # 2 * 5 * n * 5
        batched = tf.matmul(left[None], left[None], transpose_b=True)  # 2 * n * 5 * n
        aside = tf.matmul(rows, tf.ones([3, 9]))
        total = tf.reduce_sum(again) + tf.reduce_sum(batched)
        counted = executed_products(session, total, {rows: np.ones([4, 3], np.float32)})
        assert counted == 2 * (4 * 3 * 5 + 5 * 4 * 5 + 4 * 5 * 4)
        assert (
            executed_products(session, aside, {rows: np.ones([2, 3], np.float32)}) == 2 * 2 * 3 * 9
        )


def test_the_padded_products_are_those_of_the_equations():
    hp = hparams(batch_size=3, max_seq_length=5, hidden_size=4, train_num_ngs=1, tower_layers=[6],
                 aggregation_layers=[7])  # fmt: skip
    # H 2, K 2: Q, K, V; logits and values of 4 maps; W_0 of 4 * 2 rows.
    attention = 3 * 5 * 4 * 4 * 3 + 2 * 3 * 4 * 5 * 5 * 2 + 3 * 5 * 8 * 4
    aggregation = (3 * 2 + 3 * 5) * 4 * 7 + 3 * 5 * 2 * 7 * 4
    tower = (3 + 3 * 2) * 8 * 6 + 3 * 2 * 6
    assert padded_products(hp) == 3 * 2 * (3 * attention + 2 * aggregation + 2 * tower)
    assert matrix_rate(tf.ConfigProto(), repeats=1) > 1e8


@pytest.mark.slow
def test_options_are_measured_against_the_defaults_in_one_run(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "generate_ratings", lambda path: generate_ratings(path, **SHAPE))
    monkeypatch.setattr(bench_options, "LONG_SCALE", 0.0006)
    monkeypatch.setitem(bench_options.LONG, "max_seq_length", 9)
    lines, every = [], bench_options.variants(False)
    assert {"xla", "optimizer", "aggregation_layers"} <= {key for _, keys in every for key in keys}
    kept = [every[0], every[-1]]
    other = ("of another model", {"aggregation_layers": []})
    monkeypatch.setattr(bench_options, "variants", lambda on_gpu, wanted: [*kept, other])
    hp = hparams(model_type="gru4rec")
    rows = bench_options.bench_options(hp, 6, str(tmp_path), "it", lines.append)
    assert [row[1] for row in rows] == 2 * [name for name, _ in kept]
    assert [row[3] for row in rows][::2] == [1.0, 1.0]
    assert all(row[2] > 0 for row in rows)
    assert [line.count("defaults ") for line in lines[:2]] == [1, 1]  # a table for each log
    assert "SYNTHETIC" in lines[0] and "SYNTHETIC" in lines[1]
    assert json.loads((tmp_path / "bench-options.json").read_text())["synthetic"] is True


def test_variants_are_chosen_by_key():
    names = [name for name, _ in bench_options.variants(True, "xla_all_positions,mixed_precision")]
    assert names == ["defaults", "XLA, all T positions", "mixed precision"]
    with pytest.raises(UserError, match="--variants: 'mixed_precision' is none of all_positions"):
        bench_options.variants(False, "mixed_precision")  # there is no GPU
    with pytest.raises(UserError, match="--variants: suite step has none"):
        run_suites("step", hparams(), variants="xla")


def test_attention_counts_time_products_and_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_attention, "BASE", {"T": 64, "H": 2, "D": 8})
    monkeypatch.setattr(bench_attention, "AXES", {"T": (64, 128)})
    rows = bench_attention.bench_attention(hparams(), 1, str(tmp_path), "it", lambda line: None)
    found = {(row[0], row[3]): row for row in rows}
    for length in (64, 128):
        blocks, whole = found[length, "FFHA"], found[length, "FFHA, whole maps"]
        assert blocks[5] < whole[5] / 1.5  # products
        assert blocks[7] < whole[7]  # memory
    # At the shorter length the order in which the operations happen to run decides.
    assert found[128, "FHA"][7] < found[128, "FHA, whole maps"][7]
    assert found[128, "MHA"][5] > 2 * found[64, "MHA"][5]


def test_scale_goes_from_nothing_to_trained_steps(tmp_path, monkeypatch):
    for key, value in {"max_seq_length": 9, "batch_size": 6}.items():
        monkeypatch.setitem(bench_scale.MICRO_VIDEO, key, value)
    found = bench_scale.bench_scale(hparams(), 12, str(tmp_path), "it", 0.0006, lambda line: None)
    assert found["targets a second"] > 0
    assert found["loss, last tenth"] < found["loss, first tenth"]
    table = (tmp_path / "bench-scale.md").read_text()
    assert "SYNTHETIC" in table and "prepare, s" in table


@pytest.mark.slow
def test_batches_train_on_as_many_targets_with_each_batch_and_step_size(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_options, "LONG_SCALE", 0.0006)
    monkeypatch.setitem(bench_options.LONG, "max_seq_length", 9)
    monkeypatch.setattr(bench_batches, "BATCHES", (5, 10))
    monkeypatch.setattr(bench_batches, "RATES", (1e-5, 0.01))
    lines = []
    hp = hparams(model_type="gru4rec")
    rows = bench_batches.bench_batches(hp, 12, str(tmp_path), "it", lines.append)
    assert [row[:2] for row in rows] == [[5, 1e-5], [5, 0.01], [10, 1e-5], [10, 0.01]]
    assert len({row[5] for row in rows}) == 1  # from the same weights
    for row in rows:
        assert row[3] == pytest.approx(1e3 * row[0] / row[2]) and row[4] > 0
        assert 0 <= row[6] <= 1
    assert rows[1][6] != rows[1][5]
    assert "SYNTHETIC" in lines[0] and "AUC after 60 targets" in lines[0]


@pytest.mark.parametrize("flags", [["--suite=fast"], ["--suite=step", "--steps=0"]])
def test_a_bad_suite_or_number_of_steps_is_refused(flags):
    outcome = call("bench", *flags)
    assert outcome.status == 2
    assert flags[-1].split("=")[0] in outcome.err


def test_ranking_is_measured_before_and_after_in_one_run(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_ranking, "CATALOGUES", (50, 130))
    monkeypatch.setattr(bench_ranking, "PAIRS", 40)
    monkeypatch.setattr(bench_ranking, "alone", lambda hp, items, users: items / users)
    lines = []
    rows = bench_ranking.bench_ranking(
        hparams(), 10, str(tmp_path), "it", lines.append, ["dfar", "gru4rec"]
    )
    assert [row[:3] for row in rows] == [
        ["dfar", 50, 10],
        ["dfar", 130, 4],
        ["gru4rec", 50, 10],
        ["gru4rec", 130, 4],
    ]
    for row in rows:
        assert row[3] > 0 and row[4] > 0 and row[5] > 0 and row[6] == pytest.approx(row[3] / row[5])
        assert row[7] < 1e-4 and row[8] == row[1] / row[2]
    with open(str(tmp_path / "bench-ranking.json")) as stream:
        assert json.load(stream)["synthetic"] is True
    assert "SYNTHETIC" in "".join(lines) and "before, ms a user" in "".join(lines)


def test_memory_is_that_of_a_process_of_its_own():
    filled = np.ones([1 << 28], np.int8)  # .25 GiB of this process
    found = bench_ranking.alone(hparams(model_type="gru4rec"), 50, 3)
    assert 0.1 < found < bench.peak_gib() - 0.2 * filled[0]


@pytest.mark.parametrize(
    "suite, models, words",
    [
        ("ranking", "dfar,dfer", "'dfer'"),
        ("step", "dfar", "--model=NAME, or --suite=ranking or retrieval"),
    ],
)
def test_models_of_a_suite_are_checked(suite, models, words):
    with pytest.raises(UserError, match=words):
        run_suites(suite, hparams(), models=models)


@pytest.mark.slow
def test_retrieval_is_measured_for_each_model_with_and_without_shared_negatives(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(bench, "generate_ratings", lambda path: generate_ratings(path, **SHAPE))
    lines = []
    rows = bench_retrieval.bench_retrieval(
        hparams(), 1, str(tmp_path), "bench", lines.append, models=["gru4rec", "din"]
    )
    assert [row[:3] for row in rows] == [["gru4rec", "all", 47], ["din", "last", 47]]
    for row in rows:
        assert min(row[3:]) > 0
        assert row[9] == row[7] / row[5]
    with open(str(tmp_path / "bench-retrieval.json")) as stream:
        about = json.load(stream)
    assert about["synthetic"] is True
    assert "SYNTHETIC" in lines[0] and "own / shared" in lines[0]
