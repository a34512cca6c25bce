"""SINE against a numpy restatement of its formulas, its gradients by finite differences, its guards."""

import numpy as np
import pytest
from dfar_case import Case, batch, model_hparams
from dfar_in_numpy import dense, layer_norm, relu, within
from graph import Bench, close
from models_in_numpy import multi_head, sigmoid, softmax
from scipy.spatial.distance import pdist, squareform

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.layers.baselines.sub_interests import distance_correlation, intents
from dfar_tf.losses import main_loss
from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

NAMES = ("main", "passive", "distance_correlation")


def correlation(x, y):
    """dCor by the definition, on scipy's distances."""

    def centred(v):
        d = squareform(pdist(v[:, None]))
        return d - d.mean(0) - d.mean(1)[:, None] + d.mean()

    a, b = centred(x), centred(y)
    mean = np.mean
    return np.sqrt(mean(a * b)) / np.sqrt(np.sqrt(mean(a * a)) * np.sqrt(mean(b * b)))


def intent_of(item, skip, w):
    """argmax_k (<e, u_k> - <fb, u_k>), the second term zero where nothing was skipped (0)."""
    e, u = w["item_embedding"], w["sub_interests"]
    return np.argmax(u @ e[item] - (u @ e[skip] if skip else 0))


def state_of(items, labels, w, hp, factor=1.0, target=0):
    """h of one history of real records, [D]; ``factor`` on keys with the intent of the query's next item."""
    liked = np.flatnonzero(labels == 1)
    if not len(liked):
        return np.zeros(hp.hidden_size)
    x = items[liked]
    before = lambda place: items[place - 1] if place and labels[place - 1] == 0 else 0  # noqa: E731
    skipped = [before(place) for place in [*liked, len(items)]]
    following = [*x[1:], target]
    keys = np.array([intent_of(*pair, w) for pair in zip(x, skipped)])
    queries = np.array([intent_of(*pair, w) for pair in zip(following, skipped[1:])])
    embedded = w["item_embedding"][x]
    scale = np.where(queries[:, None] == keys[None], factor, 1.0)
    s = embedded * np.sqrt(hp.hidden_size) + w["position_embedding"][: len(x)][::-1]
    for i in range(hp.num_blocks):
        q = layer_norm(s, within(w, f"norm_query_{i}"), 1e-8)
        attended = multi_head(q, s, within(w, f"attention_{i}"), causal=True, factor=scale)
        s = layer_norm(q + attended, within(w, f"norm_middle_{i}"), 1e-8)
        s = s + dense(relu(dense(s, within(w, f"dense_inner_{i}"))), within(w, f"dense_outer_{i}"))
    return layer_norm(s, within(w, "norm"), 1e-8)[-1]


def restated(w, hp, arrays, factor=1.0):
    """Logits [B, C] and the three losses."""
    logits, passive, pairs = [], [], []
    for row in range(len(arrays["candidates"])):
        real = arrays["history_mask"][row] > 0
        items, labels = arrays["history_items"][row][real], arrays["history_labels"][row][real]
        h = state_of(items, labels, w, hp, factor, arrays["candidates"][row, 0])
        z = h + sigmoid(h * w["sub_interests"]) * h  # [K, D]
        alpha = softmax((z @ w["fusion_kernel"])[:, 0]) if hp.adaptive else np.ones(len(z))
        each = w["item_embedding"][arrays["candidates"][row]] @ z.T  # [C, K]
        score = each @ alpha
        logits.append(score)
        wanted = arrays["labels"][row] == 1
        pairs += [np.logaddexp(0, n - p) for p in score[wanted] for n in score[~wanted]]
        if labels[-1] == 0:
            of_skip = w["item_embedding"][items[-1]] @ z.T  # [K]
            gap = score - of_skip @ alpha if hp.adaptive else (each - of_skip).max(1)
            passive += list(np.logaddexp(0, -gap[wanted]))
    u = w["sub_interests"]
    total = sum(correlation(u[i], u[j]) for i in range(len(u)) for j in range(i + 1, len(u)))
    losses = np.mean(pairs), np.mean(passive) if passive else 0.0, total
    return np.array(logits), dict(zip(NAMES, losses))


def built(bench, arrays, training=False, scale=0.5, **options):
    """(case, outputs, terms, weights) of a SINE without dropout."""
    length = arrays["history_items"].shape[1]
    hp = model_hparams("sine", **{"dropout": 0.0, "max_seq_length": length, **options})
    case = Case.__new__(Case)
    case.features = {
        name: tf.placeholder(value.dtype, [None, *value.shape[1:]], name)
        for name, value in arrays.items()
    }
    case.model, case.bench = make_model(hp, 11), bench
    outputs = case.outputs(training)
    terms = loss_terms(case.model, outputs, case.features)
    return case, outputs, terms, bench.randomize(case.model.weights, scale=scale)


def skipping(seed=0):
    """A batch in which some liked histories end in a skip."""
    arrays = batch(seed)
    arrays["history_labels"][0, 5], arrays["history_labels"][1, 3] = 0, 0
    return arrays


def cut(arrays, rows, length):
    """Fewer rows, shorter histories."""
    return {
        name: value[:rows, :length] if name.startswith("history") else value[:rows]
        for name, value in arrays.items()
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"adaptive": False},
        {"num_sub_interests": 4, "hidden_size": 6, "num_heads": 3},
        {"num_blocks": 1, "adaptive": False, "num_sub_interests": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("rows, length", [(5, 6), (1, 6), (1, 1), (3, 2)])
def test_scores_and_losses_are_the_formulas(options, rows, length):
    arrays = cut(skipping(), rows, length)
    with Bench() as bench:
        case, outputs, terms, w = built(bench, arrays, **options)
        values = {name: terms[name][1] for name in NAMES}
        logits, values = case.run([outputs["logits"], values], arrays)
    expected, losses = restated(w, case.model.hp, arrays)
    close(logits, expected, 1e-4)
    for name in NAMES:
        close(values[name], np.float32(losses[name]), 1e-4)


def test_the_intent_filter_is_on_in_training_alone():
    arrays = skipping()
    with Bench() as bench:
        case, outputs, _, w = built(bench, arrays, training=True, intent_filter=0.25)
        inference = case.outputs(False)["logits"]
        trained, plain = case.run([outputs["logits"], inference], arrays)
    close(trained, restated(w, case.model.hp, arrays, 0.25)[0], 1e-4)
    close(plain, restated(w, case.model.hp, arrays)[0], 1e-4)
    assert np.abs(trained - plain).max() > 1e-2


def test_the_newest_query_has_the_intent_of_the_target():
    """Nothing but the target differs, and so does the state: by the filter, in training alone."""
    arrays, found = skipping(), []
    with Bench() as bench:
        case, outputs, _, w = built(bench, arrays, training=True, intent_filter=0.0)
        u = w["sub_interests"]
        chosen = np.argmax(w["item_embedding"] @ u.T, 1)
        first, second = (1 + np.flatnonzero(chosen[1:] == k)[0] for k in (0, 1))
        for target in (first, second):
            arrays["candidates"][:, 0] = target
            found.append(case.run(outputs["logits"], arrays))
            close(found[-1], restated(w, case.model.hp, arrays, 0.0)[0], 1e-4)
    assert np.abs(found[0][:, 1:] - found[1][:, 1:]).max() > 1e-3


def test_intents_by_hand():
    """u = e_1, e_2. (0, 1) - (0, 3) speaks for u_1; without the skip, or after (0, .5), for u_2."""
    with Bench() as bench:
        vectors = tf.constant([[1.0, 0.0], [0.0, 1.0]])
        items = tf.constant([[[0.0, 1.0]] * 3])
        skipped = tf.constant([[[0.0, 3.0], [0.0, 3.0], [0.0, 0.5]]])
        found = intents(items, skipped, tf.constant([[1.0, 0.0, 1.0]]), vectors)
        assert bench.run(found).tolist() == [[0, 1, 1]]


def test_block_dropout_is_after_the_attention_and_in_the_network():
    """Each block drops its attention's weights by one rate, its result and network's layers by another."""
    places, arrays = [], skipping()

    def kept(values, rate, training=True):
        places.append((rate, values.shape.ndims))
        return values

    with pytest.MonkeyPatch.context() as patch, Bench() as bench:
        patch.setattr("dfar_tf.layers.random_draws.dropout", kept)
        built(bench, arrays, training=True, dropout=0.25, block_dropout=0.5)
    block = [(0.25, 4), (0.5, 3), (0.5, 3), (0.5, 3)]
    assert places == [(0.25, 3), *block, *block]


@pytest.mark.parametrize("options", [{}, {"adaptive": False}], ids=str)
def test_gradients_are_finite_differences(options):
    """Of the whole loss, along one random direction of each variable, against the numpy restatement."""
    arrays = skipping(3)
    with Bench() as bench:
        case, _, terms, w = built(bench, arrays, **options)
        loss = tf.add_n([terms[name][0] * terms[name][1] for name in NAMES])
        weights = case.model.trainable_weights
        gradients = case.run(tf.gradients(loss, weights), arrays)
    exact = {name: value.astype(np.float64) for name, value in w.items()}

    def total(values):
        return sum(restated(values, case.model.hp, arrays)[1].values())

    random, step = np.random.RandomState(0), 1e-6
    for variable, gradient in zip(weights, gradients):
        name = variable.name.split(":")[0]
        if hasattr(gradient, "indices"):
            full = np.zeros(exact[name].shape)
            np.add.at(full, gradient.indices, gradient.values)
            gradient = full
        direction = random.normal(size=exact[name].shape)
        moved = [total({**exact, name: exact[name] + sign * step * direction}) for sign in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * step)
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=2e-3, abs=2e-5), name


def test_distance_correlation_of_known_pairs():
    random = np.random.RandomState(4)
    x, y = random.normal(size=[2, 9]).astype(np.float32)
    with Bench() as bench:
        dcor = lambda a, b: bench.run(distance_correlation(tf.constant(a), tf.constant(b)))  # noqa: E731
        assert dcor(x, x) == pytest.approx(1, abs=1e-5)
        assert dcor(x, -3 * x + 2) == pytest.approx(1, abs=1e-5)
        assert dcor(x, y) == pytest.approx(correlation(x, y), abs=1e-5)
        assert dcor(x, np.full(9, 2, np.float32)) == 0


def test_guards():
    """A constant vector, scores of 200 either way, and no skip before any target: finite throughout."""
    with Bench() as bench:
        same = tf.constant(np.full(5, 3, np.float32))
        other = tf.constant(np.arange(5, dtype=np.float32))
        value = distance_correlation(same, other)
        assert bench.run([value, *tf.gradients(value, [same, other])])[0] == 0
        assert np.all(np.isfinite(bench.run(tf.gradients(value, [same, other]))))
        logits = tf.constant([[200.0, -200.0], [-200.0, 200.0]])
        loss = main_loss("bpr", logits, tf.constant([[1.0, 0.0]] * 2), tf.ones([2, 2]))
        close(bench.run(loss), np.float32(200.0))
        assert np.all(np.isfinite(bench.run(tf.gradients(loss, logits)[0])))
    arrays = batch()
    arrays["history_labels"][:] = arrays["history_mask"]
    with Bench() as bench:
        case, _, terms, _ = built(bench, arrays)
        assert case.run(terms["passive"][1], arrays) == 0


def test_no_positive_is_the_score_zero():
    arrays = batch()
    arrays["history_labels"][:] = 0
    with Bench() as bench:
        case, outputs, _, _ = built(bench, arrays)
        assert np.all(case.run(outputs["logits"], arrays) == 0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"loss": "softmax"}, "loss: 'softmax', but SINE trains with its own"),
        ({"num_heads": 3}, "num_heads: 3 does not divide"),
        ({"num_sub_interests": 1}, "num_sub_interests"),
        ({"intent_filter": 0.5, "share_history": False}, "share_history: false"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        make_model(model_hparams("sine", **options), 11)
