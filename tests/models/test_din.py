"""DIN: against numpy and DeepCTR's layers; Dice by hand; packed positions against padded ones."""

import numpy as np
import pytest
from deepctr_oracle import deepctr
from dfar_case import C, Case, batch, model_hparams
from dfar_in_numpy import relu, within
from graph import Bench, close
from models_in_numpy import histories, sigmoid, softmax
from tower_case import tower_of_candidates

from dfar_tf.layers.baselines.activation_unit import LocalActivationUnit
from dfar_tf.layers.baselines.dice import Dice
from recommenders_utils.backend import tf

B, N, D = 3, 7, 10


def interest(target, keys, w, hp):
    """[D] for one candidate [D] and the [n, D] records."""
    if not len(keys):
        return np.zeros_like(target)
    v = np.repeat(target[None], len(keys), 0)
    hidden = np.concatenate([keys, v, keys - v, keys * v], 1) @ w["dense_0_kernel"]
    hidden = hidden + w["dense_0_bias"]
    for i in range(len(hp.attention_layers)):
        if i:
            hidden = hidden @ w[f"dense_{i}/kernel"] + w[f"dense_{i}/bias"]
        if hp.att_activation == "dice":
            dice = within(w, f"dice_{i}")
            p = sigmoid(
                (hidden - dice["norm/moving_mean"]) / np.sqrt(dice["norm/moving_variance"] + 1e-8)
            )
            hidden = p * hidden + (1 - p) * dice["alpha"] * hidden
        else:
            hidden = relu(hidden)
    a = (hidden @ w["dense_out/kernel"])[:, 0] + w.get("dense_out/bias", 0)
    return (softmax(a) if hp.att_softmax else a) @ keys


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"att_softmax": True, "attention_layers": [6]},
        {"att_activation": "relu", "feedback_input": "positive_only"},
        {"feedback_input": "label_embedding", "attention_layers": [9, 4, 3]},
    ],
    ids=str,
)
def test_forward_pass_is_the_equations(overrides):
    hp, arrays = model_hparams("din", **overrides), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    rows = []
    past = histories(arrays, hp.feedback_input == "positive_only")
    for (items, labels), candidates in zip(past, arrays["candidates"]):
        keys = w["item_embedding"][items]
        if hp.feedback_input == "label_embedding":
            keys = keys + w["label_embedding"][labels]
        for target in w["item_embedding"][candidates]:
            found = interest(target, keys, within(w, "attention"), hp)
            rows.append(np.concatenate([found, target]))
    expected = tower_of_candidates(np.array(rows), within(w, "tower"))
    close(logits, expected.reshape(-1, C), 1e-4)


@pytest.mark.parametrize("softmax_weights", [False, True])
def test_attention_is_deepctrs(softmax_weights):
    sequence = deepctr("layers.sequence")
    random = np.random.RandomState(1)
    keys = random.normal(size=[B, N, D]).astype(np.float32)
    query = random.normal(size=[B, 1, D]).astype(np.float32)
    lengths = np.array([7, 1, 4])
    mask = (np.arange(N) < lengths[:, None]).astype(np.float32)
    with Bench() as bench:
        layer = LocalActivationUnit([6, 5], "sigmoid", softmax_weights, name="ours")
        ours = layer(tf.constant(query), tf.constant(keys), tf.constant(mask))
        w = bench.randomize(layer.weights)
        pool = sequence.AttentionSequencePoolingLayer(
            att_hidden_units=(6, 5), att_activation="sigmoid", weight_normalization=softmax_weights
        )
        theirs = pool([tf.constant(query), tf.constant(keys), tf.constant(lengths[:, None])])
        bench.initialize()
        bench.randomize(layer.weights)
        # Theirs reads [v, e, v - e, v * e], ours [e, v, e - v, e * v].
        key, own, difference, product = np.split(w["ours/dense_0_kernel"], 4)
        values = {
            "kernel0": np.concatenate([own, key, -difference, product]),
            "bias0": w["ours/dense_0_bias"],
            "kernel1": w["ours/dense_1/kernel"],
            "bias1": w["ours/dense_1/bias"],
            "kernel": w["ours/dense_out/kernel"],
            "bias": w.get("ours/dense_out/bias", np.zeros(1)),
        }
        assert len(pool.weights) == len(values)
        for variable in pool.weights:
            bench.assign(variable, values[variable.name[:-2].split("/")[-1]])
        ours, theirs = bench.run([ours, theirs])
    close(ours, theirs)


@pytest.mark.parametrize("training", [False, True])
def test_dice_is_deepctrs(training):
    activation = deepctr("layers.activation")
    inputs = np.random.RandomState(2).normal(1, 2, [13, 5]).astype(np.float32)
    with Bench() as bench:
        ours = Dice(epsilon=1e-9, name="ours")
        theirs = activation.Dice()
        outputs = [layer(tf.constant(inputs), training=training) for layer in (ours, theirs)]
        w = bench.randomize(ours.weights)
        for variable in theirs.weights:
            key = variable.name[:-2].split("/")[-1]
            bench.assign(variable, w["ours/alpha" if key == "dice_alpha" else f"ours/norm/{key}"])
        first, second = bench.run(outputs)
    close(first, second)


def test_dice_by_hand():
    """Mean 2 and variance 1 of (1, 3): p = sigmoid(-1), sigmoid(1); alpha 0.5."""
    with Bench() as bench:
        layer = Dice(epsilon=0.0)
        outputs = layer(tf.constant([[1.0], [3.0]]), training=True)
        bench.initialize()
        bench.assign(layer.alpha, [0.5])
        outputs = bench.run(outputs)
    low, high = 1 / (1 + np.e), 1 / (1 + np.exp(-1))
    close(outputs, [[low + 0.5 * (1 - low)], [3 * (high + 0.5 * (1 - high))]])


def test_padding_is_in_no_statistic():
    """In training too: the same rows give the same output, however far they are padded."""
    hp, arrays = model_hparams("din"), batch()
    with Bench() as bench:
        layer = LocalActivationUnit([6, 5], name="unit")
        keys = tf.constant(np.random.RandomState(3).normal(size=[5, 6, 4]).astype(np.float32))
        query = tf.constant(np.random.RandomState(4).normal(size=[5, 3, 4]).astype(np.float32))
        mask = arrays["history_mask"] * (np.arange(6) < 4)
        long = layer(query, keys, tf.constant(mask), training=True)
        short = layer(query, keys[:, :4], tf.constant(mask[:, :4]), training=True)
        bench.randomize(layer.weights)
        long, short = bench.run([long, short])
    close(long, short)
    assert hp.att_activation == "dice"


def test_layers_come_back_from_their_configuration():
    layer = LocalActivationUnit([6, 5], "relu", True, name="unit")
    again = LocalActivationUnit.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert Dice.from_config(Dice(1e-6, 0.9).get_config()).get_config()["momentum"] == 0.9
