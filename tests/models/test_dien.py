"""DIEN: against numpy, Keras' GRU and DeepCTR's attentional GRU; the auxiliary loss by hand."""

import numpy as np
import pytest
from deepctr_oracle import deepctr
from dfar_case import ITEMS, C, Case, batch, model_hparams
from dfar_in_numpy import within
from graph import Bench, close
from models_in_numpy import gru, histories, softmax
from tower_case import tower_of_candidates

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.layers.baselines.augru import AttentionalUpdateGRU
from recommenders_utils.backend import tf

B, N, X, D, CANDIDATES = 3, 7, 5, 4, 2


@pytest.mark.parametrize("feedback_input", ["none", "positive_only", "label_embedding"])
def test_forward_pass_is_the_equations(feedback_input):
    hp, arrays = model_hparams("dien", feedback_input=feedback_input), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    rows = []
    past = histories(arrays, feedback_input == "positive_only")
    for (items, labels), candidates in zip(past, arrays["candidates"]):
        embedded = w["item_embedding"][items]
        if feedback_input == "label_embedding":
            embedded = embedded + w["label_embedding"][labels]
        states = gru(embedded, within(w, "extractor"))
        for target in w["item_embedding"][candidates]:
            final = np.zeros(hp.hidden_size)
            if len(items):
                attention = softmax(states @ w["attention_kernel"] @ target)
                final = gru(states, within(w, "evolution"), attention)[-1]
            rows.append(np.concatenate([final, target]))
    expected = tower_of_candidates(np.array(rows), within(w, "tower"))
    close(logits, expected.reshape(-1, C), 1e-4)


def inputs_of(seed=1):
    random = np.random.RandomState(seed)
    sequence = random.normal(size=[B, N, X]).astype(np.float32)
    attention = random.uniform(size=[B, CANDIDATES, N]).astype(np.float32)
    attention[1, :, 4:] = 0
    attention[2, :, 1:] = 0
    return sequence, attention


def run_cell(cell, sequence, attention):
    """DeepCTR's cell over the sequence, a candidate at a time: [B, C, D]."""
    states = []
    for c in range(CANDIDATES):
        state = tf.zeros([B, D])
        for t in range(N):
            with tf.variable_scope("cell", reuse=tf.AUTO_REUSE):
                score = tf.constant(attention[:, c, t : t + 1])
                _, state = cell.call(tf.constant(sequence[:, t]), state, score)
        states.append(state)
    return tf.stack(states, 1)


def give(bench, w, sign):
    """Our weights to the cell, whose gates lie in the order reset, update; ``sign`` of the update gate."""
    both = np.concatenate([w["ours/kernel"], w["ours/recurrent_kernel"]])
    update, reset, proposed = np.split(both, 3, 1)
    of_update, of_reset, of_state = np.split(w["ours/bias"], 3)
    values = {
        "gates/kernel": np.concatenate([reset, sign * update], 1),
        "gates/bias": np.concatenate([of_reset, sign * of_update]),
        "candidate/kernel": proposed,
        "candidate/bias": of_state,
    }
    given = set()
    for variable in tf.global_variables():
        for key in values:
            if variable.name[:-2].endswith(key):
                bench.assign(variable, values[key])
                given.add(key)
    assert given == set(values)


@pytest.mark.parametrize("kind", ["QAAttGRUCell", "VecAttGRUCell"])
def test_augru_is_deepctrs(kind):
    """Theirs without an update gate (AGRU) is ours with that gate open; their AUGRU scales the gate that
    keeps the old state, which is ours only where its attention is 0 and ours 1."""
    utils = deepctr("contrib.utils")
    if not hasattr(utils.nest, "is_sequence"):
        pytest.skip("DeepCTR's attentional cells need TensorFlow 1")
    sequence, attention = inputs_of()
    agru = kind == "QAAttGRUCell"
    with Bench() as bench:
        layer = AttentionalUpdateGRU(D, name="ours")
        weights = attention if agru else np.ones_like(attention)
        ours = layer(tf.constant(sequence), tf.constant(weights))
        w = bench.randomize(layer.weights)
        if agru:
            w["ours/bias"][:D] = 50  # sigmoid(50 + ...) = 1
            bench.assign(layer.bias, w["ours/bias"])
        scores = attention if agru else np.zeros_like(attention)
        theirs = run_cell(getattr(utils, kind)(D), sequence, scores)
        give(bench, w, 1 if agru else -1)
        ours, theirs = bench.run([ours, theirs])
    close(ours, theirs)


def test_full_attention_makes_it_kerass_gru():
    """With weight 1 everywhere h = (1 - u) h + u h'; Keras keeps the old state by its gate z = 1 - u."""
    sequence, _ = inputs_of()
    with Bench() as bench:
        layer = AttentionalUpdateGRU(D, name="ours")
        ours = layer(tf.constant(sequence), tf.ones([B, 1, N]))
        w = bench.randomize(layer.weights)
        keras = tf.keras.layers.GRU(D, reset_after=False, recurrent_activation="sigmoid")
        theirs = keras(tf.constant(sequence))
        for variable, key in zip(keras.weights, ("kernel", "recurrent_kernel", "bias")):
            # sigmoid(-x) = 1 - sigmoid(x)
            sign = np.repeat([-1.0, 1.0, 1.0], D)
            bench.assign(variable, w[f"ours/{key}"] * sign)
        ours, theirs = bench.run([ours[:, 0], theirs])
    close(ours, theirs)


def test_what_has_no_attention_leaves_the_state():
    sequence, attention = inputs_of()
    changed = sequence.copy()
    changed[1, 4:], changed[2, 1:] = 9, 9
    with Bench() as bench:
        layer = AttentionalUpdateGRU(D)
        outputs = [layer(tf.constant(x), tf.constant(attention)) for x in (sequence, changed)]
        bench.randomize(layer.weights)
        first, second = bench.run(outputs)
    close(first, second)
    assert np.abs(first).min() > 1e-4 and first.shape == (B, CANDIDATES, D)


def test_the_auxiliary_loss_by_hand():
    """All next records disliked but one: those are the negatives, nothing is drawn for them."""
    hp, arrays = model_hparams("dien"), batch()
    arrays["history_labels"][:] = 0
    with Bench() as bench:
        case = Case(bench, hp)
        terms = loss_terms(case.model, case.outputs(training=True), case.features)
        w = bench.randomize(case.model.weights)
        loss = case.run(terms["auxiliary"][1], arrays)
        weight = terms["auxiliary"][0]
        arrays["history_labels"][0, 1] = 1
        liked = [case.run(terms["auxiliary"][1], arrays) for _ in range(40)]
    losses = []
    for items, _ in histories(arrays):
        embedded = w["item_embedding"][items]
        states = gru(embedded, within(w, "extractor"))
        losses += list(np.log1p(np.exp((states[:-1] * embedded[1:]).sum(1))))
    close(loss, np.float32(np.mean(losses)), 1e-4)
    assert weight == 1.0 and len(losses) == arrays["history_mask"].sum() - 5
    # The one liked record has a random other item as negative: the loss takes one of ITEMS - 1 values.
    assert 3 < len(set(np.round(liked, 5))) <= ITEMS - 1


def test_a_random_other_is_never_the_item_and_any_other():
    hp = model_hparams("dien")
    with Bench() as bench:
        case = Case(bench, hp)
        items = np.tile(np.arange(1, ITEMS + 1), [200, 1]).astype(np.int32)
        drawn = bench.run(case.model._random_others(tf.constant(items)))
    assert not np.any(drawn == items)
    for column in range(ITEMS):
        assert set(drawn[:, column]) == set(range(1, ITEMS + 1)) - {column + 1}


def test_a_history_of_one_record_has_no_auxiliary_loss():
    hp, arrays = model_hparams("dien"), batch()
    arrays["history_mask"][:, 1:] = 0
    with Bench() as bench:
        case = Case(bench, hp)
        terms = loss_terms(case.model, case.outputs(training=True), case.features)
        loss = terms["auxiliary"][1]
        gradients = [g for g in tf.gradients(loss, case.model.trainable_weights) if g is not None]
        bench.randomize(case.model.weights)
        loss, gradients = case.run([loss, gradients], arrays)
    assert loss == 0
    for gradient in gradients:
        assert np.all(getattr(gradient, "values", gradient) == 0)
