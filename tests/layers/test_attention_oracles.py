"""The attention family against other people's layers, by weight transfer.

tf.keras.layers.MultiHeadAttention came with TensorFlow 2.4 and Model Garden's talking heads with it, so
these tests skip under 1.15; test_attention.py says the same in numpy under both.
"""

import importlib.util
import os

import numpy as np
import pytest
from graph import Bench, close

from dfar_tf import layers
from recommenders_utils.backend import tf

B, N, M, X, MEMORY, H, K, V, Y = 3, 7, 5, 10, 9, 2, 3, 4, 6

needs_keras = pytest.mark.skipif(
    not hasattr(tf.keras.layers, "MultiHeadAttention"),
    reason="tf.keras.layers.MultiHeadAttention needs TensorFlow 2.4+",
)


@pytest.fixture(scope="module")
def garden():
    """Model Garden's TalkingHeadsAttention, its one file loaded without the package around it."""
    found = importlib.util.find_spec("official")
    if found is None:
        pytest.skip("Model Garden (tf-models-official, installed with --no-deps) is not installed")
    place = ("nlp", "modeling", "layers", "talking_heads_attention.py")
    path = os.path.join(next(iter(found.submodule_search_locations)), *place)
    spec = importlib.util.spec_from_file_location("garden_talking_heads", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TalkingHeadsAttention


def inputs(seed=0):
    random = np.random.RandomState(seed)
    x = random.normal(size=[B, N, X]).astype(np.float32)
    memory = random.normal(size=[B, M, MEMORY]).astype(np.float32)
    mask = (np.arange(M) < np.array([[3], [5], [1]])).astype(np.float32)
    return x, memory, mask


def both(ours, theirs, transfer, x, memory, mask):
    """(output, scores) of our layer and of theirs, ours under the weights ``transfer`` makes.

    Args:
      ours: a layer of the family.
      theirs: a Keras one.
      transfer: {our short name: value} -> list of values in the order of their weights.
      x, memory, mask: as ``inputs`` makes them.
    """
    with Bench() as bench:
        query, value = tf.constant(x), tf.constant(memory)
        ours_out = ours(query, value, padding_mask=mask, return_attention_scores=True)
        seen = None if mask is None else tf.constant(np.repeat(mask[:, None, :] > 0, N, 1))
        theirs_out = theirs(query, value, attention_mask=seen, return_attention_scores=True)
        values = bench.randomize(ours.weights)
        values = {name.split("/")[-1]: value for name, value in values.items()}
        transferred = transfer(values)
        assert len(transferred) == len(theirs.weights)
        for variable, value in zip(theirs.weights, transferred):
            bench.assign(variable, value)
        return bench.run((ours_out, theirs_out))


def projections(values, use_bias, query=lambda a: a, key=lambda a: a):
    """Weights in Keras' order; ``query`` and ``key`` repeat heads, where Keras has more of them."""
    out = []
    for name in ("query", "key", "value", "output"):
        repeat = {"query": query, "output": lambda a: a}.get(name, key)
        out.append(repeat(values[name + "_kernel"]))
        if use_bias:
            out.append(repeat(values[name + "_bias"]))
    return out


def heads_axis(array):
    return array.ndim - 2  # [width, heads, size] or [heads, size]


@needs_keras
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_multi_head_attention_is_keras(use_bias, masked):
    x, memory, mask = inputs()
    ours = layers.MultiHeadAttention(H, K, V, Y, MEMORY, use_bias)
    theirs = tf.keras.layers.MultiHeadAttention(H, K, V, use_bias=use_bias, output_shape=Y)
    ours_out, theirs_out = both(
        ours, theirs, lambda w: projections(w, use_bias), x, memory, mask if masked else None
    )
    close(ours_out[0], theirs_out[0])
    close(ours_out[1], theirs_out[1])


@needs_keras
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_factorization_heads_attention_is_keras_with_tiled_heads(use_bias, masked):
    """H * H Keras heads: query head h1 = head // H, key and value head h2 = head % H."""
    x, memory, mask = inputs(1)
    heads = 3
    ours = layers.FactorizationHeadsAttention(heads, K, V, Y, MEMORY, use_bias)
    theirs = tf.keras.layers.MultiHeadAttention(
        heads * heads, K, V, use_bias=use_bias, output_shape=Y
    )

    def transfer(values):
        each = lambda a: np.repeat(a, heads, heads_axis(a))  # noqa: E731
        all_again = lambda a: np.concatenate([a] * heads, heads_axis(a))  # noqa: E731
        return projections(values, use_bias, each, all_again)

    ours_out, theirs_out = both(ours, theirs, transfer, x, memory, mask if masked else None)
    close(ours_out[0], theirs_out[0])
    close(ours_out[1].reshape(B, heads * heads, N, M), theirs_out[1])


@needs_keras
def test_feedback_aware_attention_is_keras_under_a_mask_a_head():
    """Mode neg_inf: Keras takes a mask for each head, here M; rows that see nothing are left out."""
    x, _, _ = inputs(2)
    labels = np.random.RandomState(2).randint(0, 2, [B, N])
    labels[:, :2] = 0, 1
    ours = layers.FeedbackAwareFactorizationHeadsAttention(
        2, K, value_dim=V, output_dim=Y, mask_mode="neg_inf"
    )
    theirs = tf.keras.layers.MultiHeadAttention(4, K, V, use_bias=False, output_shape=Y)
    side = np.array([labels == head for head in (0, 1)])  # [head, B, N]
    pairs = [side[h1][:, :, None] & side[h2][:, None, :] for h1 in (0, 1) for h2 in (0, 1)]
    seen = np.stack(pairs, 1)  # [B, 4, N, N]
    with Bench() as bench:
        query = tf.constant(x)
        _, scores = ours(query, tf.constant(labels), return_attention_scores=True)
        _, expected = theirs(
            query, query, attention_mask=tf.constant(seen), return_attention_scores=True
        )
        values = bench.randomize(ours.weights)
        values = {name.split("/")[-1]: value for name, value in values.items()}
        each = lambda a: np.repeat(a, 2, heads_axis(a))  # noqa: E731
        all_again = lambda a: np.concatenate([a, a], heads_axis(a))  # noqa: E731
        for variable, value in zip(theirs.weights, projections(values, False, each, all_again)):
            bench.assign(variable, value)
        scores, expected = bench.run((scores, expected))
    close(scores.reshape(B, 4, N, N), np.where(seen, expected, 0))


@needs_keras
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_talking_heads_attention_is_model_gardens(garden, use_bias, masked):
    x, memory, mask = inputs(3)
    ours = layers.TalkingHeadsAttention(
        3, K, value_dim=V, output_dim=Y, memory_dim=MEMORY, use_bias=use_bias
    )
    theirs = garden(3, K, V, use_bias=use_bias, output_shape=Y)

    def transfer(values):
        named = projections(values, use_bias)
        by_shape = {"pre_softmax_weight": "logits_mix", "post_softmax_weight": "weights_mix"}
        mixes = [v for v in theirs.weights if v.name.split("/")[-1].split(":")[0] in by_shape]
        assert len(mixes) == 2
        ordered = iter(named)
        out = []
        for variable in theirs.weights:
            short = variable.name.split("/")[-1].split(":")[0]
            out.append(values[by_shape[short]] if short in by_shape else next(ordered))
        return out

    ours_out, theirs_out = both(ours, theirs, transfer, x, memory, mask if masked else None)
    close(ours_out[0], theirs_out[0])
    close(ours_out[1], theirs_out[1])
