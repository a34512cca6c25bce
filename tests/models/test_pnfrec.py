"""PNFRec: both encoders, losses and contrast against numpy, a target at a time."""

import numpy as np
import pytest
from dfar_case import ITEMS, B, C, Case, T, batch, model_hparams
from dfar_in_numpy import tower, within
from graph import Bench, close
from models_in_numpy import scored
from test_anchors import query_norm

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.estimator.scoring import short_name
from dfar_tf.estimator.targets import apply_to_targets
from dfar_tf.models import make_model
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

SHARED = np.array([2, 9, 4, 9], np.int32)


def side_state(w, hp, items, side):
    """[D]: the state after the last of some records, 0 without one."""
    if not len(items):
        return np.zeros(hp.hidden_size)
    states = w["item_embedding"][items] * np.sqrt(hp.hidden_size)
    states = states + w["position_embedding"][: len(items)]  # 0 is the oldest
    for number in range(hp.num_blocks):
        states = query_norm(states, within(w, f"{side}/block_{number}"))
    last = states[-1]
    normed = (last - last.mean()) / np.sqrt(last.var() + 1e-8)
    return normed * w["norm/gamma"] + w.get("norm/beta", 0)


def split(arrays, row, end=T):
    """Liked and disliked items of a row's first ``end`` columns."""
    items, labels = arrays["history_items"][row, :end], arrays["history_labels"][row, :end]
    real = arrays["history_mask"][row, :end] > 0
    return items[real & (labels == 1)], items[real & (labels == 0)]


@pytest.mark.parametrize("scorer", ["tower", "dot"])
@pytest.mark.parametrize("overrides", [{}, {"num_blocks": 1, "num_heads": 4}], ids=str)
def test_inference_is_the_positive_encoders(overrides, scorer):
    hp, arrays = model_hparams("pnfrec", scorer=scorer, **overrides), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        logits = case.outputs()["logits"]
        w = bench.randomize(case.model.weights)
        logits = case.run(logits, arrays)
    users = np.array([side_state(w, hp, split(arrays, row)[0], "positive") for row in range(B)])
    if scorer == "tower":
        wanted = scored(users, arrays["candidates"], w, tower, hp)
    else:
        wanted = np.einsum("bd,bcd->bc", users, w["item_embedding"][arrays["candidates"]])
    close(logits, wanted, 2e-4)
    assert not any(name.startswith("negative") for name in w)  # not even made


class Trained:
    """The graph of a training batch of all positions."""

    def __init__(self, **overrides):
        self.hp = model_hparams(
            "pnfrec", scorer="dot", positions="all", loss="softmax", embed_l2=0.0, **overrides
        )
        self.arrays = batch()
        real = np.argwhere(self.arrays["history_mask"] > 0)
        self.at = real[[0, 2, 5, 7, 8, 10, 13, 14, 17]].astype(np.int32)  # N = 9
        self.liked = np.array([1, 0, 1, 1, 0, 1, 0, 0, 1], np.float32)
        count = len(self.at)
        self.candidates = np.random.RandomState(4).randint(1, ITEMS + 1, [count, C])
        with Bench() as bench:
            case = Case(bench, self.hp)
            targets = {
                "target_at": tf.constant(self.at),
                "target_labels": tf.constant(self.liked),
                "shared": tf.constant(SHARED),
                "candidates": tf.constant(self.candidates.astype(np.int32)),
                "candidate_mask": tf.ones([count, C]),
                "labels": tf.constant(np.eye(1, C).repeat(count, 0).astype(np.float32)),
            }
            features = {**case.features, **targets}
            outputs, features = apply_to_targets(case.model, features)
            terms = loss_terms(case.model, outputs, features)
            variables = {short_name(v): v for v in case.model.trainable_weights}
            total = tf.add_n([value for _, value in terms.values()])
            gradients = tf.gradients(total, list(variables.values()))
            gradients = [tf.reduce_max(tf.abs(tf.convert_to_tensor(g))) for g in gradients]
            self.w = bench.randomize(case.model.weights)
            history = {k: v for k, v in self.arrays.items() if k.startswith("history")}
            feeds = {case.features[k]: v for k, v in history.items()}
            self.weights = {name: weight for name, (weight, _) in terms.items()}
            terms = {name: value for name, (_, value) in terms.items()}
            self.terms, self.outputs, largest = bench.run([terms, outputs, gradients], feeds)
        self.largest = dict(zip(variables, largest))

    def wanted(self):
        """Of each target: its loss by its own encoder, and the contrast."""
        w, entropy, contrast = self.w, [], []
        for (row, column), liked, own in zip(self.at, self.liked, self.candidates):
            kept = split(self.arrays, row, column + 1)[0 if liked else 1]
            state = side_state(w, self.hp, kept, "positive" if liked else "negative")
            others = [v for v in [*own[1:], *SHARED] if v != own[0]]
            scores = w["item_embedding"][[own[0], *others]] @ state
            # Among a row's own negatives the target stays, as the batch's mask says.
            same = int(np.sum(own[1:] == own[0]))
            entropy.append(np.log(np.exp(scores).sum() + same * np.exp(scores[0])) - scores[0])
            rivals = w["item_embedding"][split(self.arrays, row)[1]] @ state
            contrast.append(np.log(np.exp(scores[0]) + np.exp(rivals).sum()) - scores[0])
        return np.array(entropy), np.array(contrast)


@pytest.fixture(scope="module")
def trained():
    return Trained(negative_weight=0.3, contrast_weight=0.7)


def test_each_encoder_is_trained_on_the_targets_of_its_feedback(trained):
    entropy, contrast = trained.wanted()
    liked = trained.liked > 0
    assert trained.weights == {"main": 1, "negative": 0.3, "contrast": 0.7}
    close(trained.terms["main"], entropy[liked].mean(), 1e-4)
    close(trained.terms["contrast"], contrast[liked].mean(), 1e-4)


def test_the_negative_loss_leaves_the_target_out_of_its_negatives(trained):
    disliked = trained.liked == 0
    own = trained.candidates[disliked]
    assert not np.any(own[:, 1:] == own[:, :1])  # then both masks are the same
    entropy = trained.wanted()[0]
    close(trained.terms["negative"], entropy[disliked].mean(), 1e-4)


def test_gradients_reach_both_encoders(trained):
    assert any(name.startswith("negative/block_0") for name in trained.largest)
    dead = [name for name, value in trained.largest.items() if not value > 1e-7]
    assert not dead and np.all(np.isfinite(list(trained.largest.values())))


def test_a_shared_candidate_is_no_target(trained):
    assert trained.outputs["contrast"].shape == trained.outputs["logits"].shape == (9, C + 4)
    assert np.all(trained.outputs["contrast"][:, C:] == 0)


def test_a_history_without_dislikes_has_no_contrast():
    with Bench() as bench:
        model = make_model(model_hparams("pnfrec", scorer="dot"), ITEMS)
        state = {"user": tf.ones([2, 8]), "disliked": tf.constant([[0, 0, 0], [0, 5, 0]])}
        value = model.contrast(state, tf.constant([[3], [3]]))
        bench.randomize(model.weights)
        value = bench.run(value)
    assert value[0, 0] == 0 and value[1, 0] > 0


def test_settings():
    hp = merge_hparams("amazon", model_type="pnfrec", objective="retrieval")
    assert (hp.loss, hp.negative_weight, hp.contrast_weight) == ("full_softmax", 0.45, 0.25)
    with pytest.raises(UserError, match="logq_correction: PNFRec has two encoders"):
        make_model(model_hparams("pnfrec", logq_correction=True), ITEMS)
