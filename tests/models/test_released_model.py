"""dfar_released against the recorded graph, and what makes it differ from dfar."""

import json

import numpy as np
import pytest
from graph import Bench, close
from released_case import (
    batch_of,
    load,
    off,
    ours_of,
    part,
    random_batch,
    random_values,
    recorded_case,
    released_hparams,
)

from dfar_tf.estimator.model_fn import apply_model
from dfar_tf.losses import main_loss
from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

FILES = ("dfar_h8_T6_H2.npz", "dfar_h8_T6_H2_bpr0.1_embl2_0.01.npz")
LIMIT = 1e-5
SIDES = {"pos": "positive", "neg": "negative"}
LOSSES = {
    "main": "data",
    "bpr": "bpr_unweighted",
    "short_attraction": "cosine_short",
    "long_attraction": "cosine_long",
    "embed_l2": "regular",
}


@pytest.fixture(params=FILES)
def recorded(request, shared):
    """(arrays, case with their weights, batch, weights of the losses)."""
    arrays = load(shared / "golden" / request.param)
    meta = json.loads(str(arrays["meta/json"]))
    case = recorded_case()
    case.start(ours_of(part(arrays, "var/")))
    return (
        arrays,
        case,
        batch_of(part(arrays, "feed/")),
        {"bpr": meta["loss_l2"], "embed_l2": meta["embed_l2"]},
    )


# Against the recording. --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_recorded_outputs(recorded, mode):
    arrays, case, batch, _ = recorded
    outputs = case.run(getattr(case, mode), batch)
    theirs = part(arrays, mode + "/")
    assert off(outputs["logits"], theirs["logit_pos"]) < LIMIT
    assert off(outputs["negative_logits"], theirs["logit_neg"]) < LIMIT
    assert off(1 / (1 + np.exp(-outputs["logits"])), theirs["pred"]) < LIMIT
    margin = outputs["positive_logits"] - outputs["negative_logits"]
    assert off(margin * (2 * batch["labels"] - 1), theirs["pred_bpr"]) < LIMIT
    for short, side in SIDES.items():
        assert off(outputs[side + "_interest"][:, 0], theirs["att_fea_" + short]) < LIMIT
        logits = theirs[f"att/Att_{short}/logits"]
        assert off(outputs[side + "_attention"][:, 0], logits) < LIMIT
    for kind in ("short", "long"):
        assert off(outputs[kind + "_attraction"][:, 0], theirs[f"cos_{kind}/per_row"]) < LIMIT


def test_recorded_steps_of_the_encoder(recorded):
    """Attention weights, encoder output, both interests and all between."""
    arrays, case, batch, _ = recorded
    steps = case.run(case.trace, batch)
    theirs = part(arrays, "train/")
    for short, name in {**SIDES, "enc": "encoder"}.items():
        assert off(steps[name]["queries"], theirs[f"mha_{short}/queries"]) < LIMIT
        assert off(steps[name]["attended"], theirs[f"mha_{short}/out"]) < LIMIT
        assert off(steps[name]["weights"], theirs[f"mha_{short}/attn_score"]) < LIMIT
        assert off(steps[name]["fed_forward"], theirs[f"ffn_{short}/out"]) < LIMIT
    assert off(steps["embedded"], theirs["mha_enc/keys"]) < LIMIT
    assert off(steps["encoder"]["weights"], theirs["ffha_scores"]) < LIMIT
    assert off(steps["encoder"]["output"], theirs["encoder_output"]) < LIMIT
    assert off(steps["mean"], theirs["hist_embedding_mean"]) < LIMIT
    for short, side in SIDES.items():
        assert off(steps[side]["output"], theirs[f"seq_{short}_final"]) < LIMIT
        assert off(steps[side + "_mean"], theirs["hist_embedding_mean_" + short]) < LIMIT


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_recorded_losses(recorded, mode):
    arrays, case, batch, weights = recorded
    terms, total = case.run((case.terms[mode], case.total[mode]), batch, **weights)
    terms["embed_l2"] *= weights["embed_l2"]
    assert set(terms) == set(LOSSES)
    for name, theirs in LOSSES.items():
        assert off(terms[name], arrays[f"{mode}/loss/{theirs}"]) < LIMIT, name
    assert off(total, arrays[f"{mode}/loss/total"]) < LIMIT


def test_recorded_gradients(recorded):
    arrays, case, batch, weights = recorded
    gradients = case.run(case.gradients, batch, **weights)
    theirs = ours_of(part(arrays, "grad/"))
    assert set(gradients) == set(theirs)
    compared = 0
    for name, gradient in gradients.items():
        if np.max(np.abs(theirs[name])) > 1e-6:
            assert off(gradient, theirs[name]) < LIMIT, name
            compared += 1
        else:  # zero in exact arithmetic: rounding on both sides
            close(gradient, theirs[name], 1e-6)
    # The negative tower has a gradient only where BPR has a weight: its 10 variables but 2 biases.
    assert compared == (89 if weights["bpr"] else 81)


# Without the recording. --------------------------------------------------------------------------


@pytest.fixture()
def case():
    """The case with random weights; batches of 5 histories and 3 candidates."""
    case = recorded_case()
    case.start(random_values(case))
    return case


def test_rows_of_one_candidate_are_the_histories_of_many(case):
    """What is computed once a history is what the released rows compute C times, statistics too."""
    batch = random_batch()
    rows = {name: np.repeat(batch[name], 3, 0) for name in batch if name.startswith("history")}
    for name in ("candidates", "candidate_mask", "labels"):
        rows[name] = batch[name].reshape(-1, 1)
    fetches = [case.train, case.infer, case.total, case.gradients]
    shared, repeated = case.run(fetches, batch), case.run(fetches, rows)
    for mode in range(2):
        for name, value in shared[mode].items():
            close(value.reshape(repeated[mode][name].shape), repeated[mode][name])
    for mode, value in shared[2].items():
        close(value, repeated[2][mode])
    for name, value in shared[3].items():
        close(value, repeated[3][name])


def test_a_repeated_history_changes_nothing():
    hparams = released_hparams(hidden_size=4, max_seq_length=6)
    with Bench() as bench:
        places = {name: tf.constant(value) for name, value in random_batch().items()}
        model = make_model(hparams, 59)
        build = tf.autograph.experimental.do_not_convert(apply_model)
        both = [build(model, places, True, share) for share in (True, False)]
        bench.initialize()
        bench.randomize(model.weights, scale=0.3)
        shared, repeated = bench.run(both)
    assert set(shared) == set(repeated)
    for name in shared:
        close(shared[name], repeated[name])


def test_padding_stays_with_the_negatives(case):
    """RELEASED: S- = S (1 - y) with y = 0 at padding, so padding's norm bias reaches S-, not S+."""
    batch = random_batch()
    steps = case.run(case.trace, batch)
    padding = batch["history_mask"] == 0
    encoded = steps["encoder"]["output"]
    close(encoded[padding], np.broadcast_to(encoded[padding][0], encoded[padding].shape))
    assert np.abs(encoded[padding]).max() > 0.1  # the last norm's bias
    # A positive row at padding is masked before its last norm and is that norm's bias again.
    positive, negative = steps["positive"]["output"], steps["negative"]["output"]
    assert np.ptp(positive[padding], axis=0).max() < 1e-6
    assert np.ptp(negative[padding], axis=0).max() > 1e-3
    # Yet both means are over real positions.
    mask = batch["history_mask"][:, :, None]
    for side, sequence in (("positive", positive), ("negative", negative)):
        close(steps[side + "_mean"], (sequence * mask).sum(1) / mask.sum(1))


def test_the_tower_and_the_target_attention_read_what_they_should(case):
    """The label joins the target attention's query, not the tower; position 0 is the oldest item."""
    batch = random_batch()
    values = random_values(case)
    state = case.run(case.trace, batch)
    items, mask = batch["history_items"], batch["history_mask"]
    expected = values["item_embedding"][items] + values["position_embedding"]
    expected = expected + values["label_embedding"][batch["history_labels"]]
    close(state["embedded"], expected * mask[:, :, None])
    before = case.run(case.infer, batch)
    moved = dict(values, label_embedding=values["label_embedding"] + [[0.0], [1.0]])
    case.start(moved)
    no_label = {**batch, "history_labels": np.zeros_like(items)}
    with_moved = case.run(case.infer, no_label)
    case.start(values)
    plain = case.run(case.infer, no_label)
    # Without a positive in the history only the positive query carries the positive label.
    close(with_moved["negative_logits"], plain["negative_logits"])
    assert np.abs(with_moved["positive_attention"] - plain["positive_attention"]).max() > 1e-3
    assert np.abs(before["logits"] - plain["logits"]).max() > 1e-3


def test_the_main_loss_switch_still_works(case):
    batch = random_batch()
    logits = case.run(case.train["logits"], batch)
    labels, weights = batch["labels"], batch["candidate_mask"]
    model = case.model
    kept = model.hp
    values = {}
    with case.bench as bench:
        tensors = {"logits": tf.constant(logits)}
        for kind in ("log_loss", "softmax", "bpr"):
            model.hp = kept.replace(loss=kind)
            own = model.main_loss(tensors, labels, weights)
            everyones = main_loss(kind, tensors["logits"], labels, weights)
            values[kind] = bench.run((own, everyones))
        model.hp = kept
    share = 1 / (1 + np.exp(-logits.astype(np.float64)))
    by_hand = -np.mean(labels * np.log(share + 1e-7) + (1 - labels) * np.log(1 - share + 1e-7))
    close(values["log_loss"][0], by_hand, 1e-6)
    for kind in ("softmax", "bpr"):
        assert values[kind][0] == values[kind][1]
    assert len({float(own) for own, _ in values.values()}) == 3


def test_embed_l2_counts_each_item_and_label_row_once(case):
    batch = random_batch()
    values = random_values(case)
    items = np.unique(np.concatenate([batch["history_items"].ravel(), batch["candidates"].ravel()]))
    assert 0 in items  # padding's row too
    expected = (np.square(values["item_embedding"][items]).sum()) / 2
    both = expected + np.square(values["label_embedding"]).sum() / 2
    close(case.run(case.terms["train"]["embed_l2"], batch), both, 1e-6)
    negative = {**batch, "history_labels": np.zeros_like(batch["history_labels"])}
    one = expected + np.square(values["label_embedding"][0]).sum() / 2
    close(case.run(case.terms["train"]["embed_l2"], negative), one, 1e-6)


def test_the_weights_of_the_losses_are_the_released_ones(case):
    weights = case.bench.run(case.weights)
    expected = {"main": 1, "bpr": 0, "short_attraction": 1, "long_attraction": 1, "embed_l2": 1e-6}
    assert weights == {name: np.float32(value) for name, value in expected.items()}


def test_a_history_of_one_feedback_or_none_is_finite(case):
    batch = random_batch()
    for labels in (0, 1):
        same = np.full_like(batch["history_labels"], labels) * batch["history_mask"].astype(int)
        total, gradients = case.run([case.total, case.gradients], {**batch, "history_labels": same})
        assert np.isfinite(list(total.values())).all()
        assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    empty = {name: np.zeros_like(batch[name]) for name in batch if name.startswith("history")}
    assert np.isfinite(case.run(case.infer["logits"], {**batch, **empty})).all()


@pytest.mark.parametrize("hidden_size, num_heads", [(6, 4), (6, 3), (6, 1)])
def test_heads_that_do_not_fit_are_refused(hidden_size, num_heads):
    hparams = released_hparams(hidden_size=hidden_size, num_heads=num_heads)
    with pytest.raises(UserError, match=r"num_heads: .* must be even and divide hidden_size 6"):
        make_model(hparams, 5)


def test_names_of_the_variables_are_stable(case):
    """Checkpoints are read by them, from one TensorFlow to the other."""
    names = set(case.variables)
    assert len(names) == 115
    for name in (
        "item_embedding",
        "label_embedding",
        "position_embedding",
        "encoder/attention/query/kernel",
        "encoder/norm_final/gain",
        "decoupler_positive/inner/bias",
        "target_attention_negative/matrix",
        "target_attention_positive/mlp/dense_1_kernel",
        "tower_positive/norm_1/moving_variance",
        "tower_negative/dense_out_bias",
    ):
        assert name in names
    parts = {name.split("/")[0] for name in names if "/" in name}
    assert parts == {
        "encoder",
        *(
            f"{kind}_{side}"
            for kind in ("decoupler", "target_attention", "tower")
            for side in ("positive", "negative")
        ),
    }
