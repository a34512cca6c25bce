"""The MLP and the prediction tower against numpy, the tower on naively concatenated rows."""

import numpy as np
import pytest
from dfar_in_numpy import tower as naive_tower
from dfar_in_numpy import within
from graph import Bench, close

from dfar_tf import layers
from recommenders_utils.backend import tf

B, C, X, Z = 4, 3, 5, 7
ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
}


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_mlp_is_dense_layers_with_a_linear_last(activation):
    x = np.random.RandomState(0).normal(size=[2, 3, X]).astype(np.float32)
    mlp = layers.MLP([6, 4, 2], activation, name="mlp")
    with Bench() as bench:
        output = mlp(tf.constant(x))
        w = bench.randomize(mlp.weights)
        output = bench.run(output)
    for i in range(3):
        x = x @ w[f"mlp/dense_{i}/kernel"] + w[f"mlp/dense_{i}/bias"]
        x = ACTIVATIONS[activation](x) if i < 2 else x
    close(output, x)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", ["batch", "layer", "none"])
def test_tower_is_the_naive_one_on_concatenated_rows(kind, training):
    random = np.random.RandomState(1)
    instance = random.normal(1, 2, [B, X]).astype(np.float32)
    candidate = random.normal(-1, 3, [B, C, Z]).astype(np.float32)
    tower = layers.NormalizedTower([6, 4], kind, "elu", name="tower")
    with Bench() as bench:
        output = tower(tf.constant(instance), tf.constant(candidate), training)
        moved = list(tower.updates)
        w = bench.randomize(tower.weights)
        output = bench.run(output)
        bench.run(moved)
        after = dict(zip(w, bench.run(tower.weights)))
    rows = np.concatenate([np.repeat(instance, C, 0), candidate.reshape(B * C, Z)], 1)
    named = within(w, "tower")
    close(output, naive_tower(rows, named, kind, ACTIVATIONS["elu"], training).reshape(B, C), 1e-4)
    statistics = [name for name in w if "/moving_" in name]
    assert len(statistics) == (6 if kind == "batch" else 0)
    assert len(moved) == (6 if kind == "batch" and training else 0)
    if moved:
        for part, rows in (("instance", instance), ("candidate", candidate.reshape(-1, Z))):
            for name, seen in (("mean", rows.mean(0)), ("variance", rows.var(0))):
                key = f"tower/norm_{part}/moving_{name}"
                close(after[key], 0.95 * w[key] + 0.05 * seen, 1e-4)
    for name in w:
        if not (moved and name in statistics):
            close(after[name], w[name])


def test_tower_dropout_acts_in_training_only():
    random = np.random.RandomState(2)
    instance = random.normal(size=[B, X]).astype(np.float32)
    candidate = random.normal(size=[B, C, Z]).astype(np.float32)
    tower = layers.NormalizedTower([6, 4], "none", dropout=0.5)
    plain = layers.NormalizedTower([6, 4], "none")
    with Bench() as bench:
        arguments = tf.constant(instance), tf.constant(candidate)
        outputs = [tower(*arguments), tower(*arguments, training=True), plain(*arguments)]
        bench.randomize(tower.weights)
        bench.randomize(plain.weights)
        (still, moved, expected), (_, again, _) = bench.run(outputs), bench.run(outputs)
    close(still, expected)
    assert np.abs(moved - still).max() > 1e-3 and np.abs(moved - again).max() > 1e-3


def test_an_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match=r"batch.*group"):
        layers.NormalizedTower(normalization="group")


@pytest.mark.parametrize(
    "layer, build",
    [
        (layers.MLP([6, 2], "tanh"), lambda layer, x: layer(x)),
        (
            layers.NormalizedTower([6], "layer", "elu", 0.25),
            lambda layer, x: layer(x[:, 0], x),
        ),
        (
            layers.InterestAggregation([6, 3], "tanh"),
            lambda layer, x: layer(x, x, tf.ones([2, 3])),
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_config_round_trips(layer, build):
    config = layer.get_config()
    stored = tf.keras.layers.serialize(layer)
    again = tf.keras.layers.deserialize(stored, custom_objects=layers.CUSTOM_OBJECTS)
    x = np.random.RandomState(3).normal(size=[2, 3, 4]).astype(np.float32)
    with Bench() as bench:
        outputs = []
        for each in (layer, again, type(layer).from_config(config)):
            assert each.get_config() == config and type(each) is type(layer)
            outputs.append(build(each, tf.constant(x)))
            bench.randomize(each.weights)
        first, *others = bench.run(outputs)
    for other in others:
        close(other, first)
