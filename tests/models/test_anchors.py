"""gSASRec and eSASRec: forward passes against numpy, causality, and what each is trained with."""

import numpy as np
import pytest
from dfar_case import Case, T, batch, model_hparams
from dfar_in_numpy import dense, layer_norm, relu, tower, within
from graph import Bench, close
from models_in_numpy import histories, multi_head, scored, sigmoid

from dfar_tf.layers import MultiHeadAttention
from dfar_tf.layers.blocks import GatedBlock, QueryNormBlock
from dfar_tf.models import make_model
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

MODELS = ("gsasrec", "esasrec")


def query_norm(x, w):
    """A ``QueryNormBlock``: [n, D] -> [n, D]."""
    query = layer_norm(x, within(w, "norm_attention"), 1e-8)
    attended = multi_head(query, x, within(w, "attention"), causal=True)
    middle = layer_norm(query + attended, within(w, "norm_feed_forward"), 1e-8)
    inner = relu(dense(middle, within(w, "dense_inner")))
    return middle + dense(inner, within(w, "dense_outer"))


def gated(x, w):
    """A ``GatedBlock``: [n, D] -> [n, D]."""
    normed = layer_norm(x, within(w, "norm_attention"), 1e-5)
    attended = multi_head(normed, normed, within(w, "attention"), causal=True)
    middle = x + sigmoid(dense(x, within(w, "gate_attention"))) * attended
    normed = layer_norm(middle, within(w, "norm_feed_forward"), 1e-5)
    switch = normed @ w["dense_switch/kernel"]
    inner = switch * sigmoid(switch) * (normed @ w["dense_inner/kernel"])
    fed = inner @ w["dense_outer/kernel"]
    return middle + sigmoid(dense(middle, within(w, "gate_feed_forward"))) * fed


BLOCKS = {"gsasrec": query_norm, "esasrec": gated}


def user(name, hp, w, items, labels):
    """[D]: the state after a history's last record, 0 without one."""
    if not len(items):
        return np.zeros(hp.hidden_size)
    states = w["item_embedding"][items]
    if hp.feedback_input == "label_embedding":
        states = states + w["label_embedding"][labels]
    # Position 0 is the newest record's.
    states = states + w["position_embedding"][: len(items)][::-1]
    for number in range(hp.num_blocks):
        states = BLOCKS[name](states, within(w, f"block_{number}"))
    last = states[-1]
    if name == "esasrec":
        return last
    normed = (last - last.mean()) / np.sqrt(last.var() + 1e-8) * w["norm/gamma"]
    return normed + w.get("norm/beta", 0)


@pytest.mark.parametrize("scorer", ["tower", "dot"])
@pytest.mark.parametrize(
    "overrides",
    [
        {"feedback_input": "none"},
        {"feedback_input": "positive_only", "num_blocks": 1, "num_heads": 4},
        {"feedback_input": "label_embedding", "num_blocks": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", MODELS)
def test_forward_pass_is_the_equations(name, overrides, scorer):
    more = {"inner_multiplier": 3} if name == "esasrec" else {}
    hp = model_hparams(name, scorer=scorer, **overrides, **more)
    arrays = batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    kept = histories(arrays, hp.feedback_input == "positive_only")
    users = np.array([user(name, hp, w, *history) for history in kept])
    if scorer == "dot":
        wanted = np.einsum("bd,bcd->bc", users, w["item_embedding"][arrays["candidates"]])
    else:
        wanted = scored(users, arrays["candidates"], w, tower, hp)
    close(logits, wanted, 2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_no_state_depends_on_a_later_record(name):
    hp = model_hparams(name)
    with Bench() as bench:
        model = make_model(hp, 11)
        embedded = tf.placeholder(tf.float32, [None, T, hp.hidden_size])
        states = model.states(embedded, tf.ones([1, T]))
        bench.randomize(model.weights)
        first = np.random.RandomState(0).normal(size=[1, T, hp.hidden_size])
        expected = bench.run(states, {embedded: first})
        for t in range(T):
            changed = first.copy()
            changed[:, t] += np.arange(hp.hidden_size)
            moved = np.abs(bench.run(states, {embedded: changed}) - expected).max((0, 2))
            assert np.all(moved[:t] < 1e-5) and np.all(moved[t:] > 1e-4), (t, moved)


@pytest.mark.parametrize("kind", [QueryNormBlock, GatedBlock])
def test_every_dropout_of_a_block_is_of_training(kind):
    """Values are dropped where the docstring says, and the same graph drops none in inference."""
    inputs = np.random.RandomState(1).normal(size=[3, 7, 10]).astype(np.float32)
    with Bench() as bench:
        block = kind(MultiHeadAttention(2, 5, causal=True, name="attention"), dropout=0.5)
        mask, inputs = tf.ones([3, 7]), tf.constant(inputs)
        plain, dropped = block(inputs, mask), block(inputs, mask, training=True)
        bench.randomize(block.weights)
        plain, dropped, again = bench.run(plain), bench.run(dropped), bench.run(plain)
    close(plain, again, 1e-7)
    assert np.mean(np.abs(plain - dropped) > 1e-6) > 0.9


def test_what_each_is_trained_with():
    """The published settings, where there are some; docs/comparison.md has the table."""
    gsasrec = merge_hparams("amazon", model_type="gsasrec", objective="retrieval")
    esasrec = merge_hparams("amazon", model_type="esasrec", objective="retrieval")
    assert (gsasrec.loss, gsasrec.gbce_t) == ("gbce", 0.75)
    assert (gsasrec.hidden_size, gsasrec.item_dropout) == (64, 0)
    assert (esasrec.loss, esasrec.inner_multiplier, esasrec.dropout) == ("softmax", 1, 0.2)
    assert (esasrec.hidden_size, esasrec.item_dropout) == (256, 0.2)
    for hp in (gsasrec, esasrec):
        assert (hp.negatives, hp.train_num_ngs, hp.shared_negatives) == ("uniform", 256, False)
        assert (hp.num_blocks, hp.num_heads, hp.max_seq_length) == (1, 1, 50)
        assert (hp.scorer, hp.positions) == ("dot", "all")
    assert merge_hparams("amazon", model_type="gsasrec").loss == "gbce"


@pytest.mark.parametrize("name", MODELS)
def test_heads_that_do_not_divide_the_width_are_refused(name):
    with pytest.raises(UserError, match="num_heads: 3 does not divide"):
        make_model(model_hparams(name, num_heads=3), 11)
