"""DFN: against numpy and DeepCTR's factorization machine; what each feedback and the released form see."""

import numpy as np
import pytest
from deepctr_oracle import deepctr
from dfar_case import C, Case, batch, model_hparams, parts_of
from dfar_in_numpy import within
from graph import Bench, close
from models_in_numpy import histories, softmax, transformer
from tower_case import tower_of_candidates

from dfar_tf.models import make_model
from dfar_tf.models.dfn import factorization_machine
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import HParams


@pytest.mark.parametrize("external", ["mlp", "product"])
def test_forward_pass_is_the_equations(external):
    hp, arrays = model_hparams("dfn", external_attention=external), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights, scale=0.3)
        logits = case.run(logits, arrays)
    rows, rest = [], []
    for (items, labels), candidates in zip(histories(arrays), arrays["candidates"]):
        records = w["item_embedding"][items] + w["position_embedding"][: len(items)][::-1]
        for candidate in candidates:
            target = w["item_embedding"][candidate]
            fields = [target]
            for side, label in (("unclick", 0), ("click", 1)):
                joined = np.concatenate([target[None], records[labels == label]])
                fields.append(transformer(joined, within(w, f"internal_{side}")).sum(0))
            unclicked = records[labels == 0]
            found = np.zeros(hp.hidden_size)
            if len(unclicked):
                found = external_weights(fields[2], unclicked, w, external) @ unclicked
            fields.append(found)
            fields.append(sum(fields[i] * fields[j] for i in range(4) for j in range(i)))
            wide = w["wide"][candidate, 0]
            wide += w["wide"][items[labels == 0], 1].sum() + w["wide"][items[labels == 1], 2].sum()
            rows.append(np.concatenate(fields))
            rest.append(wide)
    expected = tower_of_candidates(np.array(rows), within(w, "tower")) + rest
    close(logits, expected.reshape(-1, C), 2e-4)


def external_weights(strong, weak, w, kind):
    """Of the click interest [D] over the unclicked [n, D]: [n]."""
    if kind == "product":
        return softmax(weak @ strong / np.sqrt(len(strong)))
    w = within(w, "external")
    given = np.tile(strong, [len(weak), 1])
    # The layer's order of the four parts is the authors' with history and query exchanged.
    rows = np.concatenate([weak, given, weak - given, weak * given], 1)
    assert w["dense_0_kernel"].shape == (4 * len(strong), 32)
    hidden = np.maximum(rows @ w["dense_0_kernel"] + w["dense_0_bias"], 0)
    return softmax((hidden @ w["dense_out/kernel"])[:, 0] / np.sqrt(len(strong)))


def test_a_run_older_than_the_key_keeps_its_product():
    """Its stored hyper-parameters lack ``external_attention``, and its checkpoint the MLP."""
    assert "external" in parts_of(model_hparams("dfn"))
    hp = model_hparams("dfn")
    names = [key for key in hp.values() if key != "external_attention"]
    old = HParams({key: hp.schema[key] for key in names}, {key: hp.values()[key] for key in names})
    assert "external" not in parts_of(old)


def test_the_factorization_machine_is_deepctrs():
    interaction = deepctr("layers.interaction")
    fields = np.random.RandomState(0).normal(size=[3, 4, 7]).astype(np.float32)  # [B, fields, D]
    with Bench() as bench:
        ours = factorization_machine([tf.constant(fields[:, i]) for i in range(4)])
        theirs = interaction.FM()(tf.constant(fields))
        ours, theirs = bench.run([ours, theirs])
    close(ours.sum(1, keepdims=True), theirs)


def test_the_factorization_machine_by_hand():
    """(1, 2), (3, 4), (5, 6): (3 + 5 + 15, 8 + 12 + 24)."""
    with Bench() as bench:
        fields = [tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 4.0]]), tf.constant([[5.0, 6.0]])]
        close(bench.run(factorization_machine(fields)), [[23.0, 44.0]])


def test_the_two_feedbacks_are_different_sequences():
    arrays, turned = batch(), batch()
    turned["history_labels"] = turned["history_mask"].astype(np.int32) - turned["history_labels"]
    with Bench() as bench:
        case = Case(bench, model_hparams("dfn"))
        logits = case.outputs()["logits"]
        bench.randomize(case.model.weights, scale=0.3)
        first, second = case.run(logits, arrays), case.run(logits, turned)
    assert np.abs(first - second).max(1).min() > 1e-3


def test_the_released_form_has_fewer_parts():
    names = [parts_of(model_hparams("dfn", released_form=released)) for released in (False, True)]
    assert {"wide", "external"} <= names[0] and not {"wide", "external"} & names[1]
    assert names[0] - {"wide", "external"} == names[1]


def test_heads_that_do_not_divide_are_refused():
    for name in ("dfn", "feedrec"):
        with pytest.raises(UserError, match="num_heads: 3 does not divide"):
            make_model(model_hparams(name, num_heads=3), 11)
