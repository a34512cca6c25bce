"""The losses by hand, against scikit-learn, and their gradients at the edges."""

import numpy as np
import pytest
from graph import Bench, close
from sklearn.metrics import log_loss as sklearn_log_loss

from dfar_tf import losses
from recommenders_utils.backend import tf

LOG = np.log
# Two instances, three candidates; the last candidate of the second is padding. The logits' sigmoids are
# 3/4, 1/2, 1/5 and 1/3, 2/3, (padding).
LOGITS = np.array([[LOG(3), 0, -LOG(4)], [-LOG(2), LOG(2), 50.0]], np.float32)
LABELS = np.array([[1, 0, 0], [0, 1, 1]], np.float32)
WEIGHTS = np.array([[1, 1, 1], [1, 1, 0]], np.float32)
BY_HAND = {
    # -log 3/4 - log(1 - 1/2) - log(1 - 1/5) - log(1 - 1/3) - log 2/3, over five candidates.
    "log_loss": -(LOG(3 / 4) + LOG(1 / 2) + LOG(4 / 5) + LOG(2 / 3) + LOG(2 / 3)) / 5,
    # exp(logits) are 3, 1, 1/4 and 1/2, 2: shares 12/17 and 4/5 of the positives, two instances.
    "softmax": -(LOG(12 / 17) + LOG(4 / 5)) / 2,
    # Margins log 3, log 12, log 4; sigmoid(log x) = x / (1 + x). Three pairs.
    "bpr": -(LOG(3 / 4) + LOG(12 / 13) + LOG(4 / 5)) / 3,
}
BY_HAND["full_softmax"] = BY_HAND["softmax"]
BY_HAND["gbce"] = BY_HAND["log_loss"]  # beta 1


def value_and_gradient(make, *arrays):
    """Value of ``make(*tensors)`` and its gradient by the first."""
    with Bench() as bench:
        tensors = [tf.constant(np.asarray(a, np.float32)) for a in arrays]
        loss = make(*tensors)
        return bench.run((loss, tf.gradients(loss, tensors[:1])[0]))


def main(kind):
    return lambda *arguments: losses.main_loss(kind, *arguments)


@pytest.mark.parametrize("kind", losses.MAIN_LOSSES)
def test_main_losses_by_hand(kind):
    value, gradient = value_and_gradient(main(kind), LOGITS, LABELS, WEIGHTS)
    close(value, np.float32(BY_HAND[kind]))
    assert gradient[1, 2] == 0 and np.all(gradient[:, :2] != 0)


@pytest.mark.parametrize("kind", losses.MAIN_LOSSES)
def test_padding_candidates_count_nothing(kind):
    changed = [array.copy() for array in (LOGITS, LABELS)]
    changed[0][1, 2], changed[1][1, 2] = -70, 0
    for arrays in (changed, [np.pad(a, ((0, 1), (0, 2)), "constant") for a in (LOGITS, LABELS)]):
        weights = np.zeros_like(arrays[0])
        weights[:2, :3] = WEIGHTS
        value, _ = value_and_gradient(main(kind), *arrays, weights)
        close(value, np.float32(BY_HAND[kind]))


def test_log_loss_is_scikit_learns():
    random = np.random.RandomState(0)
    logits, labels = random.normal(0, 3, [7, 4]), random.randint(0, 2, [7, 4])
    weights = random.randint(0, 2, [7, 4])
    value, _ = value_and_gradient(main("log_loss"), logits, labels, weights)
    real = weights > 0
    expected = sklearn_log_loss(labels[real], 1 / (1 + np.exp(-logits[real])))
    close(value, np.float32(expected))


def test_several_positives_share_the_softmax_and_pair_up_in_bpr():
    logits, labels = np.array([[LOG(2), 0, 0]]), np.array([[1, 1, 0]])
    value, _ = value_and_gradient(main("softmax"), logits, labels, np.ones([1, 3]))
    close(value, np.float32(-(LOG(1 / 2) + LOG(1 / 4)) / 2))
    value, _ = value_and_gradient(main("bpr"), logits, labels, np.ones([1, 3]))
    close(value, np.float32(-(LOG(2 / 3) + LOG(1 / 2)) / 2))


@pytest.mark.parametrize("kind", losses.MAIN_LOSSES)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_and_extreme_logits_are_finite(kind, label):
    logits = np.array([[-1e4, 1e4, 0], [0, 0, 0]])
    labels = np.full([2, 3], label)
    for weights in (np.ones([2, 3]), np.zeros([2, 3]), np.eye(2, 3)):
        value, gradient = value_and_gradient(main(kind), logits, labels, weights)
        assert np.isfinite(value) and np.all(np.isfinite(gradient))
        nothing = not weights.any() or kind == "bpr" or (kind == "softmax" and label == 0)
        assert not nothing or (value == 0 and not gradient.any())


def test_an_unknown_main_loss_is_refused():
    with pytest.raises(ValueError, match=r"softmax.*hinge"):
        losses.main_loss("hinge", None, None, None)


def test_tower_bpr_by_hand():
    """Eq. 21: margins log 3 for a liked candidate, log 4 for a disliked one, padding of any value."""
    positive = np.array([[LOG(3), 1, 9]])
    negative = np.array([[0, 1 + LOG(4), -9]])
    labels, weights = np.array([[1, 0, 0]]), np.array([[1, 1, 0]])
    value, gradient = value_and_gradient(losses.tower_bpr_loss, positive, negative, labels, weights)
    close(value, np.float32(-(LOG(3 / 4) + LOG(4 / 5)) / 2))
    # d/dm -log sigmoid(m) = -(1 - sigmoid(m)); the disliked one's positive tower is pushed down.
    close(gradient, np.array([[-(1 / 4) / 2, (1 / 5) / 2, 0]], np.float32))


def test_cosine_by_hand():
    """Eq. 18: cosines 3/5 and -1, and a padding candidate."""
    first = np.array([[[2, 0], [1, 1], [5, 5]]])
    second = np.array([[[3, 4], [-7, -7], [5, 5]]])
    value, gradient = value_and_gradient(losses.cosine_loss, first, second, np.array([[1, 1, 0]]))
    close(value, np.float32((3 / 5 - 1) / 2))
    # d cos / d a = (b / |b| - cos a / |a|) / |a|, halved by the mean: a = (2, 0), b = (3, 4).
    close(gradient[0], np.array([[0, 4 / 5 / 2 / 2], [0, 0], [0, 0]], np.float32))


def test_cosine_with_a_zero_vector_is_zero_with_zero_gradient():
    """As the docstring promises: a history without one feedback pushes nothing."""
    first, second = np.zeros([1, 2, 3]), np.ones([1, 2, 3])
    first[0, 1] = 2
    value, gradient = value_and_gradient(losses.cosine_loss, first, second, np.ones([1, 2]))
    close(value, np.float32(0.5))
    assert np.all(np.isfinite(gradient))
    close(gradient, np.zeros([1, 2, 3]))


def test_weighted_mean_of_nothing_is_zero():
    value, gradient = value_and_gradient(losses.weighted_mean, [[1.0, 2.0]], [[0.0, 0.0]])
    assert value == 0 and not gradient.any()
    value, _ = value_and_gradient(losses.weighted_mean, [[1.0, 2.0, 5.0]], [[3.0, 1.0, 0.0]])
    close(value, np.float32(5 / 4))


def numbers(seed=3, rows=4, width=5):
    """Logits [N, C], labels with the positive in column 0 (row 1: none), weights with holes."""
    random = np.random.RandomState(seed)
    logits = random.normal(size=[rows, width]).astype(np.float32)
    labels = np.zeros([rows, width], np.float32)
    labels[:, 0] = 1
    labels[1] = 0
    weights = np.ones([rows, width], np.float32)
    weights[2, 3] = weights[0, 1] = 0
    return logits, labels, weights


def test_bpr_of_the_target_is_bpr_of_all_pairs():
    logits, labels, weights = numbers()
    bench = Bench()
    with bench:
        pairs = [losses.main_loss("bpr", logits, labels, weights)]
        pairs.append(losses.target_bpr_loss(logits, labels, weights))
    wide, narrow = bench.run(pairs)
    np.testing.assert_allclose(narrow, wide, rtol=1e-6)


def test_gbce_by_hand_and_its_beta():
    logits, labels, weights = numbers()
    share = 1 / (1 + np.exp(-logits))
    for t, beta in ((0.0, 1.0), (1.0, 4 / 20), (0.75, 0.2 * (0.75 * (1 - 5) + 5))):
        assert losses.gbce_beta(4, 21, t) == pytest.approx(beta)
        bench = Bench()
        with bench:
            value = losses.main_loss("gbce", logits, labels, weights, beta)
        terms = -labels * np.log(share**beta) - (1 - labels) * np.log(1 - share)
        wanted = (terms * weights).sum() / weights.sum()
        np.testing.assert_allclose(bench.run(value), wanted, rtol=1e-5)


def test_full_softmax_is_softmax_over_what_it_is_given():
    given = numbers()
    bench = Bench()
    with bench:
        both = [losses.main_loss(kind, *given) for kind in ("softmax", "full_softmax")]
    first, second = bench.run(both)
    assert first == second


def test_not_to_recommend_by_hand():
    logits, _, weights = numbers()
    disliked = np.array([1, 0, 1, 0], np.float32)
    bench = Bench()
    with bench:
        value = losses.not_to_recommend_loss(logits, weights, disliked)
    share = np.exp(logits) * weights
    share = share[:, 0] / share.sum(1)
    np.testing.assert_allclose(bench.run(value), -np.log(1 - share)[[0, 2]].mean(), rtol=1e-5)


def test_contrast_by_hand():
    logits, _, _ = numbers()
    skipped_logits = np.array([[1, 2], [0, -1], [3, 0.5], [1, 1]], np.float32)
    skipped = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], np.float32)
    liked = np.array([1, 1, 1, 0], np.float32)
    bench = Bench()
    with bench:
        value = losses.contrast_loss(logits, skipped_logits, skipped, liked)
    own = np.exp(logits[:, 0])
    rivals = (np.exp(skipped_logits) * skipped).sum(1)
    wanted = -np.log(own / (own + rivals))[:2].mean()  # row 2 has no disliked record
    np.testing.assert_allclose(bench.run(value), wanted, rtol=1e-5)
