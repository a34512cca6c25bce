"""Caser: its filters against numpy and Microsoft Recommenders' model; windows, short histories, users."""

import numpy as np
import pytest
from dfar_case import USERS, B, C, Case, T, batch, model_hparams
from dfar_in_numpy import dense, relu, tower, within
from graph import Bench, close
from models_in_numpy import histories, scored

from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError


def user_vector(items, user, w, hp):
    """The user's vector, [2 D], from the records of one history, oldest first."""
    image = w["item_embedding"][items]  # [n, D]
    found = []
    for height in hp.filter_heights or range(1, (hp.max_filter_height or hp.max_seq_length) + 1):
        kernel = w[f"horizontal_{height}/kernel"]  # [h, D, F]
        windows = [
            relu(
                np.einsum("hd,hdf->f", image[t : t + height], kernel)
                + w[f"horizontal_{height}/bias"]
            )
            for t in range(len(image) - height + 1)
        ]
        found.append(np.max(windows, 0) if windows else np.zeros(kernel.shape[-1]))
    newest_first = image[::-1]
    columns = np.einsum("nd,nv->vd", newest_first, w["vertical_kernel"][: len(image)])
    z = relu(dense(np.concatenate([*found, columns.ravel()]), within(w, "dense")))
    return np.concatenate([z, w["user_embedding"][user + 1]])


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"filter_heights": [2, 5], "num_horizontal": 3},
        {"max_filter_height": 2},
        {"feedback_input": "positive_only"},
    ],
    ids=str,
)
def test_forward_pass_is_the_equations(overrides):
    hp, arrays = model_hparams("caser", **overrides), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    rows = zip(histories(arrays, hp.feedback_input == "positive_only"), arrays["user"])
    users = np.array([user_vector(items, user, w, hp) for (items, _), user in rows])
    close(logits, scored(users, arrays["candidates"], w, tower, hp), 1e-4)


def test_filters_are_those_of_microsoft_recommenders():
    """Horizontal ones of full histories: theirs convolve padding too, and their vertical ones the width."""
    caser = pytest.importorskip(
        "recommenders.models.deeprec.models.sequential.caser",
        reason="recommenders 0.7.0 is an oracle under TensorFlow 1.15 alone",
    )
    hp, arrays = model_hparams("caser", num_horizontal=3, num_vertical=2), batch()
    width = hp.hidden_size
    arrays["history_mask"][:] = 1
    with Bench() as bench:
        case = Case(bench, hp)
        found = {}
        case.model.dense = lambda inputs: found.setdefault("ours", inputs)
        case.outputs()
        theirs = object.__new__(caser.CaserModel)
        theirs.n_v, theirs.n_h, theirs.lengths = 2, 3, list(range(1, T + 1))
        image = case.model.embed_items(case.features["history_items"])
        outputs = theirs._add_cnn(tf.reshape(image, [-1, T, width]), T, "item")
        bench.initialize()
        w = bench.randomize(case.model.weights)
        for variable in tf.global_variables():
            name = variable.name[:-2]
            if name.startswith("item/horizonal/conv_"):
                height = name.split("_")[1].split("/")[0]
                bench.assign(variable, w[f"horizontal_{height}/{name.split('/')[-1]}"])
        ours, theirs = case.run([found["ours"], outputs], arrays)
    close(ours[:, : 3 * T], theirs[:, -3 * T :])


def test_a_window_that_touches_padding_is_in_no_maximum():
    hp = model_hparams("caser", filter_heights=[3], num_horizontal=2)
    arrays = batch()
    with Bench() as bench:
        case = Case(bench, hp)
        kept = {}
        case.model.dense = lambda inputs: kept.setdefault("found", inputs)
        case.outputs()
        bench.initialize()
        for variable in case.model.trainable_weights:
            if variable.name.startswith("horizontal"):
                # Kernel 0 and bias 1: every window finds 1.
                bench.assign(variable, np.full(variable.shape.as_list(), "bias" in variable.name))
        found = case.run(kept["found"], arrays)[:, :2]
    lengths = arrays["history_mask"].sum(1)
    assert sorted(lengths) == [1, 3, 4, 5, 6]
    close(found, np.repeat(lengths >= 3, 2).reshape(-1, 2))


def test_an_unknown_user_has_row_zero():
    hp, arrays = model_hparams("caser"), batch()
    with Bench() as bench:
        model = make_model(hp, 11, USERS)
        history = {k: tf.constant(v) for k, v in arrays.items() if k.startswith("history")}
        known = model.encode({**history, "user": tf.constant([-1, 0, 1, 2, 7])}, False)["user"]
        unknown = model.encode(history, False)["user"]
        w = bench.randomize(model.weights)
        known, unknown = bench.run([known, unknown])
    close(known[:, hp.hidden_size :], w["user_embedding"][[0, 1, 2, 3, 8]])
    close(unknown[:, hp.hidden_size :], w["user_embedding"][[0] * B])
    assert w["user_embedding"].shape == (USERS + 1, hp.hidden_size) and C == 3


def test_a_filter_higher_than_the_image_is_refused():
    with pytest.raises(UserError, match="filter_heights: 9 is more than max_seq_length 6"):
        make_model(model_hparams("caser", filter_heights=[2, 9]), 11)
    with pytest.raises(UserError, match="max_filter_height: 7 is more than max_seq_length 6"):
        make_model(model_hparams("caser", max_filter_height=7), 11)
