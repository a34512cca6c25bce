"""Released checkpoints: read by name, refused by name, scored."""

import csv
import glob
import json
import os

import numpy as np
import pytest
from graph import close
from released_case import load, ours_of, part, random_batch, released_hparams
from released_checkpoint_case import (
    ATT_NEG,
    ITEMS,
    LENGTH,
    SIZES,
    WIDTH,
    released_rows,
    released_variables,
    write,
)

from dfar_tf import cli
from dfar_tf.diff import checkpoint as released
from dfar_tf.estimator.model_fn import make_model_fn
from dfar_tf.estimator.scoring import save_values, score_batches
from dfar_tf.estimator.training import best_checkpoint, make_estimator
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import prepare_hparams


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write(tmp_path_factory.mktemp("released"), released_variables())


def test_every_variable_comes_under_our_name(checkpoint):
    theirs = released_variables()
    values = released.translate(
        released.read_variables(checkpoint), released_hparams(**SIZES), ITEMS, checkpoint
    )
    assert len(values) == 115 == len(theirs) - 1  # all but the users' table
    of = lambda name: theirs["sequential/" + name]  # noqa: E731
    for ours, name in (
        ("label_embedding", "embedding/cate_embedding"),
        ("encoder/norm_query/bias", "dfar/num_blocks_0/ln/Variable"),
        ("encoder/norm_query/gain", "dfar/num_blocks_0/ln/Variable_1"),
        ("encoder/norm_middle/gain", "dfar/num_blocks_0/ln_1/Variable_1"),
        ("encoder/norm_final/bias", "dfar/ln/Variable"),
        ("decoupler_positive/norm_final/bias", "dfar/ln_1/Variable"),
        ("decoupler_negative/norm_final/gain", "dfar/ln_2/Variable_1"),
        ("decoupler_negative/attention/value/kernel", "neg_num_blocks_0/self_attention/dense_2/kernel"),
        ("encoder/attention/query/bias", "num_blocks_0/self_attention/dense/bias"),
        ("target_attention_positive/matrix", "attention_fcnAtt_pos/attention_matAtt_pos"),
        ("target_attention_negative/mlp/norm_1/beta", ATT_NEG + "batch_normalization_1/beta"),
        ("tower_positive/dense_1_kernel", "logit_pos/nn_part/w_nn_layer1"),
        ("tower_negative/norm_0/moving_variance", "logit_neg/nn_part/batch_normalization/moving_variance"),
        ("tower_positive/dense_out_bias", "logit_pos/nn_part/b_nn_output"),
    ):  # fmt: skip
        np.testing.assert_array_equal(values[ours], of(name), ours)
    convolution = of("pos_num_blocks_0/multihead_attention/conv1d_1/kernel")
    np.testing.assert_array_equal(values["decoupler_positive/outer/kernel"], convolution[0])


def test_sizes_are_read_off_the_shapes(checkpoint):
    sizes, num_items = released.released_sizes(released.read_variables(checkpoint), checkpoint)
    assert sizes == SIZES and num_items == ITEMS


@pytest.mark.parametrize("name", ["dfar/ln_2/Variable_1", "logit_neg/nn_part/b_nn_layer1"])
def test_a_missing_variable_is_named(tmp_path, name):
    variables = released_variables()
    del variables["sequential/" + name]
    path = write(tmp_path, variables)
    with pytest.raises(UserError, match=f"epoch_3: variable 'sequential/{name}' is missing"):
        released.take_over(path, released_hparams())
    assert not (tmp_path / "out").exists()


def test_a_missing_table_is_named(tmp_path):
    variables = released_variables()
    del variables["sequential/embedding/item_embedding"]
    with pytest.raises(UserError, match="'sequential/embedding/item_embedding' is missing"):
        released.take_over(write(tmp_path, variables), released_hparams())


def test_a_misshapen_variable_is_named_with_both_shapes(tmp_path):
    variables = released_variables()
    name = "sequential/pos_num_blocks_0/multihead_attention/conv1d/kernel"
    variables[name] = np.zeros([2, WIDTH, WIDTH], np.float32)
    message = (
        rf"'{name}' has shape \[2, 6, 6\], expected \[6, 6\] for decoupler_positive/inner/kernel"
    )
    with pytest.raises(UserError, match=message):
        released.take_over(write(tmp_path, variables), released_hparams())
    assert not (tmp_path / "out").exists()


def test_sizes_that_are_given_must_fit(checkpoint):
    with pytest.raises(UserError, match=r"item_embedding' has shape \[12, 6\], expected \[9, 6\]"):
        released.translate(
            released.read_variables(checkpoint), released_hparams(**SIZES), 8, checkpoint
        )
    hparams = released_hparams(max_seq_length=9)
    with pytest.raises(
        UserError, match=r"position_embedding' has shape \[5, 6\], expected \[9, 6\]"
    ):
        released.take_over(checkpoint, hparams, given=["max_seq_length"])
    assert not os.path.exists("unused")


def test_a_variable_without_a_place_is_refused_but_for_the_optimisers(tmp_path):
    variables = released_variables()
    item = "sequential/embedding/item_embedding"
    variables.update({item + "/Adam": variables[item], "beta1_power": np.float32(0.9)})
    write(tmp_path, variables)
    values = released.translate(
        released.read_variables(str(tmp_path)), released_hparams(**SIZES), ITEMS, str(tmp_path)
    )
    assert len(values) == 115
    variables["sequential/num_blocks_1/self_attention/dense/bias"] = np.zeros(6, np.float32)
    path = write(tmp_path, variables, "two_blocks")
    with pytest.raises(UserError, match="num_blocks_1/self_attention/dense/bias' is not part of"):
        released.translate(released.read_variables(path), released_hparams(**SIZES), ITEMS, path)


def test_what_is_no_checkpoint_is_said_so(tmp_path, checkpoint):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UserError, match=r"not a readable checkpoint|no file 'checkpoint'"):
            released.read_variables(str(path))
    for suffix in (".index", ".data-00000-of-00001"):
        prefix = write(tmp_path, released_variables(), "cut")
        with open(prefix + suffix, "r+b") as stream:
            stream.truncate(os.path.getsize(prefix + suffix) // 2)
        with pytest.raises(UserError, match=r"not a readable checkpoint.*cut\.index"):
            released.read_variables(prefix)
    (tmp_path / "text.index").write_text("not a table")
    with pytest.raises(UserError, match="not a readable checkpoint"):
        released.read_variables(str(tmp_path / "text"))
    assert set(released.read_variables(checkpoint + ".index")) == set(released_variables())


def test_the_command_prints_the_mapping_and_leaves_our_checkpoint(checkpoint, tmp_path, capsys):
    output = tmp_path / "loaded"
    words = ["load-released", f"--checkpoint={checkpoint}", f"--output={output}"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    assert ["released", "shape", "dfar_released"] in [line.split() for line in printed.splitlines()]
    rows = [line.split() for line in printed.splitlines() if line.startswith("sequential/")]
    assert [*rows[0]] == ["sequential/embedding/item_embedding", "12x6", "item_embedding"]
    assert rows[-1][0] == "sequential/embedding/user_embedding" and "(not used)" in printed
    assert len(rows) == 116
    hparams = prepare_hparams(str(output / "hparams.yaml"))
    assert {key: hparams.values()[key] for key in SIZES} == SIZES
    assert hparams.model_type == "dfar_released"
    values = released.translate(released.read_variables(checkpoint), hparams, ITEMS, checkpoint)
    reader = tf.train.load_checkpoint(best_checkpoint(str(output)))
    for name, value in values.items():
        np.testing.assert_array_equal(reader.get_tensor(name), value)
    assert cli.main(words) == 2
    assert "already exists" in capsys.readouterr().err
    assert cli.main(["load-released"]) == 2
    assert "--checkpoint is needed" in capsys.readouterr().err


def test_a_saved_checkpoint_predicts_what_the_weights_score(checkpoint, tmp_path):
    """Through an Estimator, as ``evaluate`` does it, and in a session of its own."""
    hparams = released_hparams(**SIZES, device="cpu")
    values = released.translate(released.read_variables(checkpoint), hparams, ITEMS, checkpoint)
    batches = [random_batch(length=LENGTH, items=ITEMS + 1, seed=seed) for seed in (1, 2)]
    scores = list(score_batches(batches, values, hparams, ITEMS))
    assert [score.shape for score in scores] == [(5, 3), (5, 3)]
    assert 0 < np.min(scores) < np.max(scores) < 1 and np.std(scores) > 1e-4
    path = save_values(values, hparams, ITEMS, str(tmp_path / "model.ckpt"))
    estimator = make_estimator(make_model_fn(hparams, ITEMS), hparams, str(tmp_path), None)
    types = {name: value.dtype for name, value in batches[0].items()}
    shapes = {name: [None, value.shape[1]] for name, value in batches[0].items()}
    predicted = estimator.predict(
        lambda: tf.data.Dataset.from_generator(lambda: batches, types, shapes),
        checkpoint_path=path,
        yield_single_examples=False,
    )
    close([batch["score"] for batch in predicted], scores, 1e-6)


# The recorded runs. ------------------------------------------------------------------------------


def test_the_recorded_run_is_scored_to_the_fifth_digit(shared):
    folder = shared / "golden"
    path = str(folder / "run" / "epoch_1")
    sizes, num_items = released.released_sizes(released.read_variables(path), path)
    assert (sizes["hidden_size"], sizes["num_heads"], sizes["max_seq_length"]) == (8, 2, 6)
    hparams = released_hparams(**sizes)
    values = released.translate(released.read_variables(path), hparams, num_items, path)
    final = ours_of(part(load(folder / "trajectory_h8_T6_H2.npz"), "final/"))
    assert set(final) == set(values)
    items = json.loads((folder / "preproc" / "item_vocab_cd.json").read_text())
    assert num_items + 1 == len(items)
    lines = (folder / "preproc" / "test_dataA.after_neg_sampling_seed0").read_text().splitlines()
    batches = [released_rows(lines[i : i + 100], items, 6) for i in range(0, len(lines), 100)]
    scores = np.concatenate(list(score_batches(batches, values, hparams, num_items)))[:, 0]
    with open(str(folder / "run" / "predictions_test.csv")) as stream:
        recorded = list(csv.DictReader(stream))
    assert [row["label"] for row in recorded] == [line[0] for line in lines]
    np.testing.assert_allclose(scores, [float(row["prediction"]) for row in recorded], rtol=1e-5)


def test_the_whole_runs_checkpoint_is_read(shared, tmp_path):
    path = str(shared / "released_run_toys" / "epoch_5")
    hparams, num_items, values, rows = released.take_over(path, released_hparams())
    released.save_converted(str(tmp_path / "out"), hparams, num_items, values)
    assert (hparams.hidden_size, hparams.max_seq_length, hparams.num_heads) == (32, 20, 2)
    assert (num_items, len(rows)) == (5161, 116)
    assert list(hparams.attention_layers) == [80, 40] and list(hparams.tower_layers) == [100, 64]
    assert glob.glob(str(tmp_path / "out" / "best" / "model.ckpt-0.index"))
