"""Every public layer computes in float32, and says so to whoever gives it something else."""

import numpy as np
import pytest
from graph import Bench, close

from dfar_tf import layers
from recommenders_utils.backend import tf

B, T, D = 2, 3, 4
MASK = np.array([[1, 1, 1], [1, 0, 0]])
LABELS = np.array([[0, 1, 1], [1, 0, 0]])


def attended(kind, **more):
    """A layer of the attention family, and what it is called with beside its first input."""
    return lambda **kwargs: kind(2, 2, **kwargs), {"padding_mask": MASK, **more}


CASES = {
    "MLP": (lambda **kwargs: layers.MLP([3, 2], **kwargs), {}),
    "NormalizedTower": (lambda **kwargs: layers.NormalizedTower([3], **kwargs), {}),
    "InterestAggregation": (
        lambda **kwargs: layers.InterestAggregation([3], **kwargs),
        {"sequence": np.ones([B, T, D], np.float32), "mask": MASK},
    ),
    "MultiHeadAttention": attended(layers.MultiHeadAttention),
    "TalkingHeadsAttention": attended(layers.TalkingHeadsAttention),
    "FactorizationHeadsAttention": attended(layers.FactorizationHeadsAttention),
    "FeedbackAwareFactorizationHeadsAttention": attended(
        layers.FeedbackAwareFactorizationHeadsAttention, labels=LABELS
    ),
    "AttentionBlock": (
        lambda **kwargs: layers.AttentionBlock(layers.MultiHeadAttention(2, 2), **kwargs),
        {"mask": MASK.astype(np.float32)},
    ),
}


def test_no_public_layer_is_left_out():
    assert set(CASES) == set(layers.__all__) - {"CUSTOM_OBJECTS"}


@pytest.mark.parametrize("name", sorted(CASES))
def test_other_widths_are_refused_by_name_and_data_are_cast(name):
    make, more = CASES[name]
    x = np.random.RandomState(0).normal(size=[B, T, D])
    with Bench() as bench:
        tensors = {key: tf.constant(value) for key, value in more.items()}
        layer = make()
        wanted = layer(tf.constant(x, tf.float32), **tensors)
        for dtype in (tf.float16, tf.float64, tf.bfloat16):
            message = f"{name} .*: its input is {dtype.name}, but it computes in float32 alone"
            for each in (make(), layer):  # before it has its weights, and after
                with pytest.raises(TypeError, match=message):
                    each(tf.constant(x, dtype), **tensors)
            if "sequence" in more:
                with pytest.raises(TypeError, match=f"sequence is {dtype.name}"):
                    wide = {**tensors, "sequence": tf.cast(tensors["sequence"], dtype)}
                    layer(tf.constant(x, tf.float32), **wide)
        given = layer(x, **tensors)  # numpy's float64
        assert given.dtype == wanted.dtype == tf.float32
        bench.randomize(layer.weights)
        close(*bench.run([given, wanted]))


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_another_dtype_of_the_layer_is_refused(name, dtype):
    with pytest.raises(TypeError, match=f"{name} .*: dtype {dtype}, but it computes in float32"):
        CASES[name][0](dtype=dtype)
    assert CASES[name][0](dtype="float32").name


def test_a_policy_of_mixed_precision_is_refused():
    experimental = getattr(tf.keras.mixed_precision, "experimental", None)
    policy = experimental.Policy("mixed_float16") if experimental else "mixed_float16"
    with pytest.raises(TypeError, match="dtype float16, but it computes in float32"):
        layers.MLP([2], dtype=policy)
