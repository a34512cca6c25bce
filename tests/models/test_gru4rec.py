"""GRU4Rec: its states against numpy, TensorFlow's own GRU cell and Microsoft Recommenders' model."""

import numpy as np
import pytest
from dfar_case import Case, batch, model_hparams
from dfar_in_numpy import tower, within
from graph import Bench, close
from models_in_numpy import gru, histories, scored

from dfar_tf.layers.baselines.recurrent import last_real, make_gru
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

B, T, X, D = 3, 7, 5, 4
NAMES = ("kernel", "recurrent_kernel", "bias")


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"num_layers": 2},
        {"feedback_input": "positive_only"},
        {"feedback_input": "label_embedding"},
    ],
    ids=str,
)
def test_forward_pass_is_the_equations(overrides):
    hp, arrays = model_hparams("gru4rec", **overrides), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    users = []
    for items, labels in histories(arrays, hp.feedback_input == "positive_only"):
        states = w["item_embedding"][items]
        if hp.feedback_input == "label_embedding":
            states = states + w["label_embedding"][labels]
        for layer in range(hp.num_layers):
            states = gru(states, within(w, f"gru_{layer}"))
        users.append(states[-1] if len(states) else np.zeros(hp.hidden_size))
    close(logits, scored(np.array(users), arrays["candidates"], w, as_tower, hp), 1e-4)


def as_tower(rows, w, kind):
    return tower(rows, w, kind)


def test_states_are_those_of_the_grucell_of_tensorflow():
    """GRUCell has gates (reset, update) and applies the reset gate before the product, as the paper."""
    inputs = np.random.RandomState(1).normal(size=[B, T, X]).astype(np.float32)
    lengths = [7, 1, 4]
    with Bench() as bench:
        layer = make_gru(D, "gru")
        mask = tf.sequence_mask(lengths, T, tf.float32)
        ours = last_real(layer(tf.constant(inputs)), mask)
        w = bench.randomize(layer.weights)
        cell = tf.nn.rnn_cell.GRUCell(D)
        _, theirs = tf.nn.dynamic_rnn(cell, tf.constant(inputs), lengths, dtype=tf.float32)
        kernel, recurrent, bias = (w[f"gru/{key}"] for key in NAMES)
        for target, part in zip(cell.trainable_weights, parts_of(kernel, recurrent, bias)):
            bench.assign(target, part)
        ours, theirs = bench.run([ours, theirs])
    close(ours, theirs)


def parts_of(kernel, recurrent, bias):
    """GRUCell's gate kernel and bias, candidate kernel and bias, of Keras' (update, reset, state)."""
    both = np.concatenate([kernel, recurrent])
    update, reset, state = np.split(both, 3, 1)
    of_update, of_reset, of_state = np.split(bias, 3)
    return (
        np.concatenate([reset, update], 1),
        np.concatenate([of_reset, of_update]),
        state,
        of_state,
    )


def test_states_are_those_of_microsoft_recommenders():
    sequential = pytest.importorskip(
        "recommenders.models.deeprec.models.sequential.gru4rec",
        reason="recommenders 0.7.0 is an oracle under TensorFlow 1.15 alone",
    )
    inputs = np.random.RandomState(2).normal(size=[B, T, X]).astype(np.float32)
    lengths = [2, 7, 5]
    with Bench() as bench:
        theirs = object.__new__(sequential.GRU4RecModel)
        theirs.hidden_size = D
        theirs.iterator = type("Iterator", (), {"mask": tf.sequence_mask(lengths, T, tf.int32)})
        theirs.item_history_embedding = tf.constant(inputs[:, :, :3])
        theirs.cate_history_embedding = tf.constant(inputs[:, :, 3:])
        state = theirs._build_gru()
        layer = make_gru(D, "ours")
        mask = tf.sequence_mask(lengths, T, tf.float32)
        ours = last_real(layer(tf.constant(inputs)), mask)
        w = bench.randomize(layer.weights)
        kernel, recurrent, bias = (w[f"ours/{key}"] for key in NAMES)
        variables = [v for v in tf.global_variables() if v.name.startswith("gru/")]
        assert len(variables) == 4
        for target, part in zip(variables, parts_of(kernel, recurrent, bias)):
            bench.assign(target, part)
        ours, state = bench.run([ours, state])
    close(ours, state)


def test_no_record_is_the_state_zero():
    states = np.random.RandomState(3).normal(size=[B, T, D]).astype(np.float32)
    with Bench() as bench:
        last = bench.run(last_real(tf.constant(states), tf.sequence_mask([0, 7, 2], T, tf.float32)))
    close(last, np.stack([np.zeros(D), states[1, 6], states[2, 1]]))


def test_a_network_without_layers_is_refused():
    with pytest.raises(UserError, match="num_layers"):
        model_hparams("gru4rec", num_layers=0)
