"""The attention layers as Keras layers: sizes, configs, gradients, dropout, blocks."""

import numpy as np
import pytest
from graph import Bench, close

from dfar_tf import layers
from recommenders_utils.backend import tf

B, N, X = 3, 7, 10
ARGUMENTS = {
    "MultiHeadAttention": {"causal": True, "use_bias": True},
    "TalkingHeadsAttention": {"num_softmax_heads": 5, "kernel_initializer": "he_normal"},
    "FactorizationHeadsAttention": {"dropout": 0.25, "memory_dim": 9},
    "FeedbackAwareFactorizationHeadsAttention": {"mask_mode": "weights", "causal": True},
}
SIZES = {"num_heads": 2, "key_dim": 3, "value_dim": 4, "output_dim": 6}
FEEDBACK_AWARE = layers.FeedbackAwareFactorizationHeadsAttention


def make(kind, **kwargs):
    return getattr(layers, kind)(**dict(SIZES, **kwargs))


def inputs(seed=0):
    random = np.random.RandomState(seed)
    x = random.normal(size=[B, N, X]).astype(np.float32)
    return x, random.randint(0, 2, [B, N]), np.arange(N) < np.array([[7], [4], [1]])


def labelled(layer, labels):
    return {"labels": tf.constant(labels)} if isinstance(layer, FEEDBACK_AWARE) else {}


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_config_round_trips(name):
    first = make(name, name="here", **ARGUMENTS[name])
    config = first.get_config()
    for key, value in dict(SIZES, **ARGUMENTS[name]).items():
        if key != "kernel_initializer":
            assert config[key] == value
    stored = tf.keras.layers.serialize(first)
    again = [
        type(first).from_config(config),
        tf.keras.layers.deserialize(stored, custom_objects=layers.CUSTOM_OBJECTS),
    ]
    x, labels, mask = inputs()
    with Bench() as bench:
        outputs = []
        for layer in (first, *again):
            assert type(layer) is type(first) and layer.get_config() == config
            memory = tf.constant(x[:, :, :9]) if config["memory_dim"] else None
            extra = labelled(layer, labels)
            outputs.append(layer(tf.constant(x), value=memory, padding_mask=mask, **extra))
            bench.randomize(layer.weights)  # the same seed for each
        assert outputs[0].shape.as_list()[-1] == 6
        first_output, *others = bench.run(outputs)
    for other in others:
        close(other, first_output)


@pytest.mark.parametrize("name", list(ARGUMENTS))
@pytest.mark.parametrize(
    "wrong",
    [
        {"num_heads": 0},
        {"key_dim": -1},
        {"value_dim": 0},
        {"output_dim": 2.5},
        {"memory_dim": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
    ],
    ids=str,
)
def test_bad_sizes_are_refused(name, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        make(name, **wrong)


def test_feedback_aware_attention_needs_even_heads_and_a_known_mode():
    with pytest.raises(ValueError, match="even"):
        make("FeedbackAwareFactorizationHeadsAttention", num_heads=3)
    with pytest.raises(ValueError, match=r"mask_mode.*neg_inf"):
        make("FeedbackAwareFactorizationHeadsAttention", mask_mode="inf")


@pytest.mark.parametrize("wrong", [0, -2])
def test_talking_heads_refuses_a_bad_number_of_softmax_heads(wrong):
    with pytest.raises(ValueError, match="num_softmax_heads"):
        make("TalkingHeadsAttention", num_softmax_heads=wrong)


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_gradients_are_finite_and_reach_every_weight(name):
    x, labels, mask = inputs(1)
    layer = make(name, use_bias=True)
    with Bench() as bench:
        output = layer(tf.constant(x), padding_mask=mask, **labelled(layer, labels))
        loss = tf.reduce_sum(tf.sin(output) * mask[:, :, None])
        names = [v.name.split("/")[-1].split(":")[0] for v in layer.weights]
        gradients = tf.gradients(loss, layer.weights)
        bench.randomize(layer.weights)
        values = dict(zip(names, bench.run(gradients)))
    wanted = [p + k for p in ("query_", "key_", "value_", "output_") for k in ("kernel", "bias")]
    wanted += ["logits_mix", "weights_mix"] if name == "TalkingHeadsAttention" else []
    assert sorted(names) == sorted(wanted)
    for key, value in values.items():
        assert np.all(np.isfinite(value)), key
        # A bias of the keys moves all logits of a query alike, which a softmax does not see;
        # where a mask or another mix stands between them it is seen.
        if key != "key_bias" or name.startswith("Feedback"):
            assert np.abs(value).max() > 1e-4, key


def test_kernels_start_within_glorot_limits_of_the_flat_matrix():
    layer = layers.FactorizationHeadsAttention(num_heads=4, key_dim=8)
    with Bench() as bench:
        layer(tf.zeros([1, 2, 32]))
        bench.initialize()
        query, output = bench.run([layer.query_kernel, layer.output_kernel])
    for kernel, flat in ((query, (32, 32)), (output, (4 * 4 * 8, 32))):
        limit = np.sqrt(6.0 / sum(flat))
        assert 0.95 * limit < np.abs(kernel).max() <= limit


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_dropout_acts_in_training_only_and_keeps_the_mean(name):
    x, labels, _ = inputs(2)
    layer = make(name, dropout=0.5)
    with Bench() as bench:
        query, extra = tf.constant(np.tile(x[:1], [400, 1, 1])), labelled(layer, labels[:1])
        if extra:
            extra = {"labels": tf.constant(np.tile(labels[:1], [400, 1]))}
        calls = [
            layer(query, training=training, return_attention_scores=True, **extra)
            for training in (False, True)
        ]
        bench.randomize(layer.weights)
        (still, still_scores), (moved, moved_scores) = bench.run(calls)
    close(still[1:], np.repeat(still[:1], 399, 0))
    close(moved_scores, still_scores)  # the weights are returned as they were before dropout
    assert moved.std(0).min() > 0.01
    error = np.abs(moved.mean(0) - still[0]) / (moved.std(0) / np.sqrt(400))
    assert error.max() < 5


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_any_non_zero_mask_value_is_real_and_lengths_may_be_unknown(name):
    x, labels, mask = inputs(3)
    layer = make(name)
    with Bench() as bench:
        extra = labelled(layer, labels)
        fed = tf.placeholder(tf.float32, [None, None, X])
        masks = [mask, mask.astype(np.int32) * 3, mask.astype(np.float32)]
        outputs = [layer(fed, padding_mask=tf.constant(m), **extra) for m in masks]
        outputs.append(layer(tf.constant(x), padding_mask=tf.constant(mask), **extra))
        bench.randomize(layer.weights)
        first, *others = bench.run(outputs, {fed: x})
    for other in others:
        close(other, first)


@pytest.mark.parametrize("kind", ["plain", "residual", "transformer"])
def test_blocks_are_what_their_docstring_says(kind):
    x, labels, mask = inputs(4)
    mask = mask.astype(np.float32)
    attention = layers.FeedbackAwareFactorizationHeadsAttention(2, 5, name="attention")
    block = layers.AttentionBlock(attention, kind, name="block")
    with Bench() as bench:
        query, of = tf.constant(x), tf.constant(labels)
        output = block(query, tf.constant(mask), labels=of)
        values = bench.randomize(block.weights)

        def norm(z, where):
            z = (z - tf.reduce_mean(z, -1, keepdims=True)) / tf.sqrt(
                1e-8 + tf.math.reduce_variance(z, -1, keepdims=True)
            )
            return z * values[f"block/{where}/gamma"] + values[f"block/{where}/beta"]

        def dense(z, where):
            return (
                tf.tensordot(z, values[f"block/{where}/kernel"], 1) + values[f"block/{where}/bias"]
            )

        if kind == "transformer":
            z = query + attention(norm(query, "norm_in"), of, value=query, padding_mask=mask)
            inner = tf.nn.relu(dense(norm(z, "norm_mid"), "dense_inner"))
            expected = norm(z + dense(inner, "dense_outer"), "norm_out")
        else:
            expected = attention(query, of, padding_mask=mask)
            expected += query if kind == "residual" else 0
        output, expected = bench.run((output, expected))
    assert values.keys() == {v.name.split(":")[0] for v in block.weights}
    close(output, expected * mask[:, :, None])


def test_an_unknown_block_is_refused():
    with pytest.raises(ValueError, match="transformer"):
        layers.AttentionBlock(make("MultiHeadAttention"), "resnet")
