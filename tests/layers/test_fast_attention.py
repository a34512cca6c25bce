"""``fast_attention`` changes no value and no gradient: shortcuts against the listings' steps.

Sizes all differ. The steps themselves are held to the listings in numpy by test_attention.py.
"""

import dfar_case
import numpy as np
import pytest
from every_model import each_model, small_hparams
from graph import Bench, close, random_values

from dfar_tf import layers
from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.estimator.scoring import assign, short_name
from recommenders_utils.backend import tf

B, N, M, X, MEMORY, K, V, Y = 5, 7, 6, 11, 9, 10, 12, 8
KINDS = {
    "mha": layers.MultiHeadAttention,
    "tha": layers.TalkingHeadsAttention,
    "fha": layers.FactorizationHeadsAttention,
    "ffha": layers.FeedbackAwareFactorizationHeadsAttention,
}
MODES = ("logits", "neg_inf", "weights")
LAYERS = [("mha", {"num_heads": 3}), ("tha", {"num_heads": 3, "num_softmax_heads": 4})]
LAYERS += [("fha", {"num_heads": 3}), ("ffha", {"num_heads": 2, "mask_mode": "logits"})]
LAYERS += [("ffha", {"num_heads": 4, "mask_mode": mode}) for mode in MODES]
ids = lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else str(value)  # noqa: E731


def pair(kind, options, causal, bias):
    """The layer with and without its shortcuts."""
    sizes = {"key_dim": K, "value_dim": V, "output_dim": Y, "dropout": 0.0}
    sizes.update(options, causal=causal, use_bias=bias)
    memory = None if causal else MEMORY
    return [KINDS[kind](memory_dim=memory, fast_attention=fast, **sizes) for fast in (True, False)]


def results(kind, options, causal, lengths, strength=1.0, one_side=False):
    """(output, gradients by inputs and weights) of both layers under the same weights."""
    random = np.random.RandomState(len(kind) + causal)
    x = random.normal(size=[B, N, X]).astype(np.float32) * np.float32(strength)
    memory = x if causal else random.normal(size=[B, M, MEMORY]).astype(np.float32)
    labels, of_keys = (random.randint(0, 2, [B, size]) for size in (N, memory.shape[1]))
    if one_side:
        labels[:] = of_keys[:] = np.arange(B)[:, None] % 2
    goal = random.normal(size=[B, N, Y]).astype(np.float32)
    found = []
    with Bench() as bench:
        for layer in pair(kind, options, causal, bias=bool(lengths)):
            query, value = tf.constant(x), tf.constant(memory)
            arguments = {"value": value, "training": True}
            if kind == "ffha":
                arguments.update(labels=tf.constant(labels), value_labels=tf.constant(of_keys))
            if lengths:
                mask = np.arange(memory.shape[1]) < np.array(lengths)[:, None]
                arguments["padding_mask"] = tf.constant(mask)
            output = layer(query, **arguments)
            wanted = [query, value, *layer.trainable_weights]
            gradients = tf.gradients(tf.reduce_sum(output * goal), wanted)
            assert None not in gradients
            assign(bench.session, random_values(layer.weights, seed=4))
            found.append((output, gradients))
        return bench.run(found)


def check(found, tolerance=2e-5):
    (quick, ours), (plain, theirs) = found
    assert np.ptp(plain) > 0.1  # the numbers say something
    close(quick, plain, tolerance)
    # Where a softmax is saturated its gradient is a difference of large numbers: to their rounding.
    scale = max(1.0, *(np.abs(other).max() for other in theirs))
    for one, other in zip(ours, theirs):
        assert np.all(np.isfinite(one)) and np.all(np.isfinite(other))
        close(one / scale, other / scale, tolerance)


@pytest.mark.parametrize("lengths", [None, (6, 1, 3, 0, 2)], ids=["whole", "padded"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("kind, options", LAYERS, ids=ids)
def test_values_and_gradients_are_equal(kind, options, causal, lengths):
    check(results(kind, options, causal, lengths))


@pytest.mark.parametrize("kind, options", LAYERS, ids=ids)
def test_they_are_where_all_items_have_one_feedback_and_logits_are_large(kind, options):
    check(results(kind, options, False, (6, 1, 3, 5, 2), one_side=True))
    check(results(kind, options, False, (6, 1, 3, 5, 2), strength=30), 5e-4)


@pytest.mark.parametrize("kind, options", LAYERS, ids=ids)
def test_with_nothing_real_they_are_zero(kind, options):
    (quick, ours), (plain, theirs) = results(kind, options, False, (0,) * B)
    bias = quick[:1, :1] + np.zeros_like(quick)  # all that is left of an output
    close(quick, bias)
    close(plain, bias)
    for one, other in zip(ours, theirs):
        close(one, other)


@pytest.mark.parametrize("kind, options", LAYERS, ids=ids)
def test_a_shortcut_is_taken_only_where_it_may_be(kind, options):
    """Talking heads have none; the weights, dropout in training and causality need every step."""

    def steps(fast, training=False, scores=False, **more):
        layer = KINDS[kind](key_dim=K, fast_attention=fast, **dict(options, **more))
        softmaxes = ("Softmax", "SoftmaxV2")
        with tf.Graph().as_default() as graph:
            extra = {"labels": tf.zeros([B, N], tf.int32)} if kind == "ffha" else {}
            layer(tf.zeros([B, N, X]), training=training, return_attention_scores=scores, **extra)
            return sum(op.type in softmaxes for op in graph.get_operations())

    assert steps(fast=False) == 1
    assert steps(fast=True) == (1 if kind == "tha" else 0)
    assert steps(fast=True, scores=True) == 1
    assert steps(fast=True, causal=True) == 1
    assert steps(fast=True, dropout=0.5, training=True) == 1
    assert steps(fast=True, dropout=0.5) == steps(fast=True)


@pytest.mark.parametrize("name", each_model())
def test_the_hyper_parameter_reaches_every_attention_and_changes_no_model(name):
    found = []
    for fast in (True, False):
        with Bench() as bench:
            case = dfar_case.Case(bench, small_hparams(name, {}).replace(fast_attention=fast))
            terms = loss_terms(case.model, case.outputs(training=True), case.features)
            logits = case.outputs()["logits"]
            made = [m for m in case.model.submodules if isinstance(m, layers.MultiHeadAttention)]
            assert all(layer.fast_attention is fast for layer in made)
            variables = {short_name(v): v for v in case.model.trainable_weights}
            loss = tf.add_n([weight * value for weight, value in terms.values()])
            gradients = tf.gradients(loss, list(variables.values()))
            gradients = {k: g for k, g in zip(variables, gradients) if g is not None}
            gradients = {k: tf.convert_to_tensor(g) for k, g in gradients.items()}
            assign(bench.session, random_values(case.model.weights, seed=5))
            found.append(case.run([logits, gradients], dfar_case.batch()))
    expected = {"dfar", "dfn", "feedrec", "sasrec", "sine", "tha4rec"}
    expected |= {"esasrec", "gsasrec", "pnfrec"}
    assert bool(made) == (name in expected)
    (quick, ours), (plain, theirs) = found
    close(quick, plain, 1e-4)
    assert ours.keys() == theirs.keys()
    if name in (
        "sine",
        "dien",
    ):  # draw negatives at random in training, by the number of operations
        return
    for key, gradient in ours.items():
        scale = max(1.0, np.abs(theirs[key]).max())
        close(gradient / scale, theirs[key] / scale, 1e-4)


def test_a_run_made_before_the_key_has_the_shortcuts():
    hp = small_hparams("dfar", {})
    keys = {name: value for name, value in hp.values().items() if name != "fast_attention"}

    class Older:
        """Hyper-parameters of a file without the key."""

        def values(self):
            return keys

        def __getattr__(self, name):
            return keys[name]

    from dfar_tf.models.dfar import DFAR

    with Bench():
        assert DFAR(Older(), 11).encoder.attention.fast_attention is True
