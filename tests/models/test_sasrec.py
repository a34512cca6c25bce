"""SASRec and THA4Rec: forward passes against numpy, blocks against Keras and Model Garden, causality."""

import importlib.util
import os

import numpy as np
import pytest
from dfar_case import Case, T, batch, model_hparams
from dfar_in_numpy import tower, within
from graph import Bench, close
from models_in_numpy import histories, scored, transformer

from dfar_tf.layers.blocks import TransformerBlock
from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

MODELS = ("sasrec", "tha4rec")
B, N, D, H = 3, 7, 10, 2


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("overrides", [{}, {"num_blocks": 1, "num_heads": 4}], ids=str)
@pytest.mark.parametrize("feedback_input", ["none", "positive_only", "label_embedding"])
def test_forward_pass_is_the_equations(name, overrides, feedback_input):
    hp = model_hparams(name, feedback_input=feedback_input, **overrides)
    arrays = batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    users = []
    for items, labels in histories(arrays, feedback_input == "positive_only"):
        states = w["item_embedding"][items]
        if feedback_input == "label_embedding":
            states = states + w["label_embedding"][labels]
        # Position 0 is the newest record's.
        states = states * np.sqrt(hp.hidden_size) + w["position_embedding"][: len(items)][::-1]
        for number in range(hp.num_blocks):
            block = within(w, f"block_{number}")
            if len(items):
                states = transformer(states, block, causal=True, mix=name == "tha4rec")
        last = states[-1] if len(items) else np.zeros(hp.hidden_size)
        normed = (last - last.mean()) / np.sqrt(last.var() + 1e-8) * w["norm/gamma"]
        users.append(normed if len(items) else np.zeros(hp.hidden_size))
    close(logits, scored(np.array(users), arrays["candidates"], w, tower, hp), 2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_no_state_depends_on_a_later_record(name):
    hp, arrays = model_hparams(name), batch()
    with Bench() as bench:
        model = make_model(hp, 11)
        embedded = tf.placeholder(tf.float32, [None, T, hp.hidden_size])
        mask = tf.ones([1, T])
        states = model.states(embedded, mask)
        bench.randomize(model.weights)
        first = np.random.RandomState(0).normal(size=[1, T, hp.hidden_size])
        expected = bench.run(states, {embedded: first})
        for t in range(T):
            changed = first.copy()
            changed[:, t] += np.arange(hp.hidden_size)  # a constant would be normalised away
            moved = np.abs(bench.run(states, {embedded: changed}) - expected).max((0, 2))
            assert np.all(moved[:t] < 1e-5) and np.all(moved[t:] > 1e-4), (t, moved)
    assert arrays["history_mask"].shape[1] == T


def keras_block(bench, inputs, mask, attention):
    """The block out of Keras' layers alone, on weights of ours."""
    block = TransformerBlock(attention, name="block")
    ours = block(tf.constant(inputs), tf.constant(mask))
    w = bench.randomize(block.weights)
    keras = tf.keras.layers
    norms = [keras.LayerNormalization(epsilon=1e-8) for _ in range(2)]
    dense = [keras.Dense(D, activation="relu"), keras.Dense(D)]
    return ours, w, norms, dense


def finish(bench, w, norms, dense, inputs, attended, mask):
    middle = inputs + attended
    theirs = (middle + dense[1](dense[0](norms[1](middle)))) * mask[:, :, None]
    places = ("block/norm_attention", "block/norm_feed_forward")
    for norm, place in zip(norms, places):
        for variable, key in zip(norm.weights, ("gamma", "beta")):
            bench.assign(variable, w[f"{place}/{key}"])
    for layer, place in zip(dense, ("block/dense_inner", "block/dense_outer")):
        for variable, key in zip(layer.weights, ("kernel", "bias")):
            bench.assign(variable, w[f"{place}/{key}"])
    return theirs


def sequences():
    random = np.random.RandomState(5)
    mask = (np.arange(N) < np.array([[7], [4], [1]])).astype(np.float32)
    return (random.normal(size=[B, N, D]) * mask[:, :, None]).astype(np.float32), mask


def test_sasrecs_block_is_keras_own():
    if not hasattr(tf.keras.layers, "MultiHeadAttention"):
        pytest.skip("tf.keras.layers.MultiHeadAttention needs TensorFlow 2.4+")
    inputs, mask = sequences()
    hp = model_hparams("sasrec", hidden_size=D, num_heads=H)
    with Bench() as bench:
        attention = make_model(hp, 11).make_attention()
        ours, w, norms, dense = keras_block(bench, inputs, mask, attention)
        theirs = tf.keras.layers.MultiHeadAttention(H, D // H, use_bias=False)
        visible = np.tril(np.ones([N, N], bool))[None] & (mask[:, None, :] > 0)
        normed = norms[0](tf.constant(inputs))
        attended = theirs(normed, normed, attention_mask=tf.constant(visible))
        expected = finish(bench, w, norms, dense, inputs, attended, mask)
        for variable in theirs.weights:
            part, kind = variable.name[:-2].split("/")[-2:]
            part = {"attention_output": "output"}.get(part, part)
            bench.assign(variable, w[f"block/attention/{part}_{kind}"])
        ours, expected = bench.run([ours, expected])
    close(ours, expected, 2e-5)


def test_tha4recs_attention_is_model_gardens():
    found = importlib.util.find_spec("official")
    if found is None:
        pytest.skip("Model Garden (tf-models-official, installed with --no-deps) is not installed")
    place = ("nlp", "modeling", "layers", "talking_heads_attention.py")
    path = os.path.join(next(iter(found.submodule_search_locations)), *place)
    spec = importlib.util.spec_from_file_location("garden_talking_heads_of_tha4rec", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    inputs, mask = sequences()
    hp = model_hparams("tha4rec", hidden_size=D, num_heads=H)
    with Bench() as bench:
        attention = make_model(hp, 11).make_attention()
        ours = attention(tf.constant(inputs), padding_mask=tf.constant(mask))
        w = bench.randomize(attention.weights)
        theirs = module.TalkingHeadsAttention(num_heads=H, key_dim=D // H, use_bias=False)
        visible = np.tril(np.ones([N, N], bool))[None] & (mask[:, None, :] > 0)
        expected = theirs(
            tf.constant(inputs), tf.constant(inputs), attention_mask=tf.constant(visible)
        )
        names = {"attention_output": "output"}
        for variable in theirs.weights:
            parts = variable.name[:-2].split("/")
            if parts[-1].startswith(("pre_softmax", "post_softmax")):
                mix = "logits_mix" if parts[-1].startswith("pre") else "weights_mix"
                bench.assign(variable, w[f"attention/{mix}"])
            else:
                part = names.get(parts[-2], parts[-2])
                bench.assign(variable, w[f"attention/{part}_{parts[-1]}"])
        ours, expected = bench.run([ours, expected])
    close(ours[mask > 0], expected[mask > 0], 2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_released_form_weighs_a_hidden_position_minus_one(name):
    """Tanh of the mask's large negative number is -1: what padding holds is subtracted, not left out."""
    hp = model_hparams(name, released_form=True, num_blocks=1)
    with Bench() as bench:
        model = make_model(hp, 11)
        block = model.blocks[0]
        random = np.random.RandomState(0)
        inputs = tf.constant(random.normal(size=[2, T, 8]).astype(np.float32))
        weights = block(inputs, tf.ones([2, T]))["weights"]
        bench.randomize(block.weights)
        weights = bench.run(weights)
    later = np.triu(np.ones([T, T]), 1) > 0
    if name == "sasrec":
        assert np.all(weights[..., later] == -1)
    assert np.abs(weights[..., ~later]).max() < 2 and weights.shape == (2, 2, T, T)


@pytest.mark.parametrize("name", MODELS)
def test_the_released_form_sees_liked_items_only(name):
    arrays, others = batch(), batch()
    disliked = (arrays["history_mask"] > 0) & (arrays["history_labels"] == 0)
    others["history_items"][disliked] = others["history_items"][disliked] % 11 + 1
    hp = model_hparams(name, released_form=True)
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        bench.randomize(case.model.weights)
        first, second = case.run(logits, arrays), case.run(logits, others)
    assert disliked.sum() > 5
    close(first, second)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_heads": 3}, "num_heads: 3 does not divide"),
        ({"released_form": True, "feedback_input": "label_embedding"}, "liked items only"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        make_model(model_hparams("tha4rec", **options), 11)
