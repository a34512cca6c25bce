"""DFAR: its forward pass against numpy, what must not matter to it, and where its gradients go."""

import dfar_case
import dfar_in_numpy
import numpy as np
import pytest
from dfar_case import Case, batch
from graph import Bench, close

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.estimator.targets import HISTORY, apply_to_targets
from dfar_tf.losses import MAIN_LOSSES, main_loss
from recommenders_utils.backend import tf

WANTED = ("positive_logits", "negative_logits", "positive_interest", "negative_interest")


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"mask_mode": "weights", "tower_norm": "layer", "num_heads": 4},
        {
            "mask_mode": "neg_inf",
            "tower_norm": "none",
            "encoder_block": "residual",
            "position_embedding": True,
            "pooling": "mean",
            "aggregation_layers": [7, 4],
            "tower_layers": [9],
        },
        {"encoder_block": "transformer"},
        {"ablation": "fha", "tower_norm": "none"},
        {"ablation": "mo", "tower_norm": "none", "num_heads": 1},
    ],
    ids=lambda overrides: "-".join(map(str, overrides.values())) or "default",
)
def test_forward_pass_is_the_equations(overrides):
    hp, arrays = dfar_case.hparams(**overrides), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        outputs = case.outputs()
        w = bench.randomize(case.model.weights)
        outputs = case.run(outputs, arrays)
    expected = dfar_in_numpy.forward(w, hp, arrays)
    for name in WANTED:
        close(outputs[name], expected[name], 1e-4)
    close(outputs["logits"], outputs["positive_logits"])


class Shared:
    """One graph: inference and training outputs, losses and gradients, history shared or not.

    The loss is all three main losses and the model's own, so that one gradient says of each of them
    whether it is finite.
    """

    def __init__(self):
        hp = dfar_case.hparams(
            embed_l2=0.01, layer_l2=0.01, activation="tanh", encoder_block="residual"
        )
        with Bench() as bench:
            self.case = Case(bench, hp)
            model, features = self.case.model, self.case.features
            self.outputs, self.losses, self.gradients = {}, {}, {}
            for share in (True, False):
                self.outputs[False, share] = self.case.outputs(False, share)
                self.outputs[True, share] = outputs = self.case.outputs(True, share)
                terms = loss_terms(model, outputs, features)
                self.term_weights = {name: weight for name, (weight, _) in terms.items()}
                self.losses[share] = {name: value for name, (_, value) in terms.items()}
                for kind in MAIN_LOSSES:
                    arguments = features["labels"], features["candidate_mask"]
                    value = main_loss(kind, outputs["logits"], *arguments)
                    self.losses[share]["main " + kind] = value
                loss = tf.add_n(list(self.losses[share].values()))
                self.gradients[share] = tf.gradients(loss, model.trainable_weights)
            self.names = [v.name.split(":")[0] for v in model.trainable_weights]
            self.weights = bench.randomize(model.weights)


@pytest.fixture(scope="module")
def shared():
    return Shared()


@pytest.mark.parametrize("training", [False, True])
def test_sharing_the_history_changes_no_output(shared, training):
    once, again = shared.case.run(
        [shared.outputs[training, share] for share in (True, False)], batch()
    )
    assert once.keys() == again.keys()
    for name in once:
        close(once[name], again[name])


def test_sharing_the_history_changes_no_gradient(shared):
    once, again = shared.case.run([shared.gradients[share] for share in (True, False)], batch())
    for name, first, second in zip(shared.names, once, again):
        first, second = (to_dense(g, shared.weights[name].shape) for g in (first, second))
        close(first, second, 1e-5 * max(1, np.abs(first).max()))


def to_dense(gradient, shape):
    if not hasattr(gradient, "indices"):
        return gradient
    dense = np.zeros(shape, np.float32)
    np.add.at(dense, gradient.indices, gradient.values)
    return dense


@pytest.mark.parametrize("training", [False, True])
def test_content_of_padding_does_not_matter(shared, training):
    arrays, other = batch(), batch()
    random = np.random.RandomState(9)
    past = other["history_mask"] == 0
    other["history_items"][past] = random.randint(0, dfar_case.ITEMS + 1, past.sum())
    other["history_labels"][past] = random.randint(0, 2, past.sum())
    assert past.sum() > 5
    outputs = [shared.case.run(shared.outputs[training, True], each) for each in (arrays, other)]
    for name in outputs[0]:
        close(outputs[0][name], outputs[1][name])


def test_neither_neighbours_nor_other_candidates_matter_in_inference(shared):
    arrays, fetches = batch(), shared.outputs[False, True]
    expected = shared.case.run(fetches, arrays)
    rows, columns = [3, 1], [2, 0]
    fewer = {name: value[rows] for name, value in arrays.items()}
    for name in ("candidates", "candidate_mask", "labels"):
        fewer[name] = fewer[name][:, columns]
    outputs = shared.case.run(fetches, fewer)
    for name in outputs:
        close(outputs[name], expected[name][rows][:, columns])


def test_order_and_feedback_of_the_history_matter_as_they_should(shared):
    """Without positions a permuted history is the same history; other feedback is another."""
    arrays, fetches = batch(), shared.outputs[False, True]["logits"]
    expected = shared.case.run(fetches, arrays)
    turned, disliked = batch(), batch()
    for name in ("history_items", "history_labels"):
        turned[name][0] = turned[name][0, ::-1]
    disliked["history_labels"][1, 0] = 0
    close(shared.case.run(fetches, turned)[0], expected[0])
    changed = np.abs(shared.case.run(fetches, disliked) - expected).max(1)
    assert changed[1] > 1e-3 and changed[[0, 2, 3, 4]].max() == 0


def test_gradients_are_finite_and_reach_every_variable(shared):
    gradients = shared.case.run(shared.gradients[True], batch())
    for name, gradient in zip(shared.names, gradients):
        gradient = to_dense(gradient, shared.weights[name].shape)
        assert np.all(np.isfinite(gradient)), name
        # A bias of Eq. 15's last layer moves the scores of all positions alike: the softmax over them
        # does not see it, and it alone stays as it began.
        unseen = name.startswith("aggregation") and name.endswith("mlp/dense_0/bias")
        assert (np.abs(gradient).max() > 1e-6) != unseen, name


def extreme(kind):
    """A batch all of whose histories are liked, disliked, or one item, or whose targets are of a kind."""
    arrays = batch(1)
    if kind in ("all liked", "all disliked"):
        arrays["history_labels"][:] = (kind == "all liked") * arrays["history_mask"]
    elif kind == "one item":
        arrays["history_mask"][:, 1:] = 0
        for name in ("history_items", "history_labels"):
            arrays[name][:, 1:] = 0
        arrays["history_labels"][:, 0] = np.arange(dfar_case.B) % 2
    elif kind == "targets disliked":
        arrays["labels"][:] = 0
    else:
        arrays["labels"][:] = 1
    return arrays


@pytest.mark.parametrize(
    "kind", ["all liked", "all disliked", "one item", "targets disliked", "candidates liked"]
)
def test_every_loss_is_finite_at_the_edges(shared, kind):
    fetches = shared.losses[True], shared.gradients[True]
    values, gradients = shared.case.run(fetches, extreme(kind))
    assert len(values) == 5 + len(MAIN_LOSSES) and values["main"] == values["main log_loss"]
    for name, value in values.items():
        assert np.isfinite(value), name
    if kind in ("all liked", "all disliked", "one item"):
        assert values["disentangle"] == 0  # one of the two interests is zero everywhere
    for name, gradient in zip(shared.names, gradients):
        gradient = gradient.values if hasattr(gradient, "values") else gradient
        assert np.all(np.isfinite(gradient)), name
        assert np.abs(gradient).max() < 1e3, name


def test_regularisers_are_half_the_squared_norms(shared):
    arrays = batch(2)
    values = shared.case.run(shared.losses[True], arrays)
    seen = np.unique(np.concatenate([arrays["history_items"], arrays["candidates"]], 1))
    rows = shared.weights["item_embedding"][seen]
    close(values["embed_l2"], np.float32((rows**2).sum() / 2), 1e-4)
    kernels = [value for name, value in shared.weights.items() if "kernel" in name]
    close(values["layer_l2"], np.float32(sum((k**2).sum() for k in kernels) / 2), 1e-4)
    expected = {"main": 1, "bpr": 0.1, "disentangle": 0.2, "embed_l2": 0.01, "layer_l2": 0.01}
    assert shared.term_weights == expected


def test_bpr_labels_feedback_is_of_the_observed_targets_alone():
    """Column 0 by its observed feedback, whatever its training label; no drawn candidate counts."""
    arrays = batch()
    observed = np.array([1, 0, 0, 1, 0], np.float32)
    with Bench() as bench:
        case = Case(bench, dfar_case.hparams(bpr_labels="feedback"))
        outputs = dict(case.outputs(training=True))
        pieces = outputs["positive_logits"], outputs["negative_logits"]
        labels, weights = case.features["labels"], case.features["candidate_mask"]
        blind = case.model.losses(outputs, labels, weights)["bpr"][1]
        outputs["target_labels"] = tf.constant(observed)
        weight, value = case.model.losses(outputs, labels, weights)["bpr"]
        gradients = tf.gradients(value, pieces)
        bench.randomize(case.model.weights)
        value, blind, pieces, gradients = case.run([value, blind, pieces, gradients], arrays)
    margin = (pieces[0] - pieces[1])[:, 0] * (2 * observed - 1)
    close(value, np.float32(np.logaddexp(0, -margin).mean()), 1e-4)
    assert weight == 0.1 and abs(value - blind) > 1e-3
    for gradient, sign in zip(gradients, (-1, 1)):
        assert np.all(gradient[:, 1:] == 0)
        np.testing.assert_array_equal(np.sign(gradient[:, 0]), sign * (2 * observed - 1))


def test_a_batch_that_knows_its_targets_trains_the_bpr_loss_by_them():
    """Through ``apply_to_targets``, as training does: with every target disliked, towers turn round."""
    hp = dfar_case.hparams(bpr_labels="feedback", lambda_d=0.0)
    arrays, values = batch(), {}
    with Bench() as bench:
        case = Case(bench, hp)
        observed = tf.placeholder(tf.float32, [None])
        features = {**case.features, "target_labels": observed}
        build = tf.autograph.experimental.do_not_convert(apply_to_targets)
        outputs, features = build(case.model, features)
        terms = loss_terms(case.model, outputs, features)
        bench.randomize(case.model.weights)
        for liked in (0.0, 1.0):
            fed = {**case.feeds(arrays), observed: np.full(5, liked, np.float32)}
            values[liked] = bench.run([terms["bpr"][1], outputs["positive_logits"]], fed)
        negative = bench.run(outputs["negative_logits"], fed)
    gap = (values[1.0][1] - negative)[:, 0]
    close(values[1.0][0], np.float32(np.logaddexp(0, -gap).mean()), 1e-4)
    close(values[0.0][0], np.float32(np.logaddexp(0, gap).mean()), 1e-4)


def test_records_of_the_other_feedback_are_no_keys_where_zeroed_keys_would_count():
    """Eqs. 13 and 14: a row multiplied by 0 would have a logit of 0 and take weight from the others."""
    arrays = batch()
    with Bench() as bench:
        case = Case(bench, dfar_case.hparams())
        model = case.model
        history = {name: case.features[name] for name in HISTORY}
        mask, labels = history["history_mask"], tf.cast(history["history_labels"], tf.float32)
        state = model.encode(history, False)
        encoded = model.encoder(model.embed_history(history), mask, False, labels=labels)
        found = {}
        for side in ("positive", "negative"):
            own, kept = model.decouple(encoded, mask, labels, side)
            attention = model.decouplers[side].attention
            sums = [
                tf.reduce_sum(attention(own, padding_mask=keys) * kept[:, :, None], 1)
                for keys in (kept, mask)
            ]
            found[side] = [state[side + "_sum"], *sums]
        bench.randomize(model.weights)
        found = case.run(found, arrays)
    mixed = [0, 4]  # histories of both feedbacks
    for ours, left_out, zeroed in found.values():
        close(ours, left_out, 1e-4)
        change = np.linalg.norm(zeroed - ours, axis=1) / np.linalg.norm(ours, axis=1)
        assert change[mixed].min() > 0.05
