"""What every model has to keep, whoever wrote it: shapes, gradients, and what must not matter to it.

The models are found by name, and each is tried with its defaults, every ``feedback_input`` and, where it
has one, its ``released_form``: a new file in dfar_tf/models is tested without a word here.
"""

import os
import re

import dfar_case
import numpy as np
import pytest
from dfar_case import batch
from every_model import (
    Built,
    alike,
    cases,
    edge,
    label,
    other_padding,
    part_of,
    recorded_cases,
    with_more_padding,
)

from dfar_tf.estimator.scoring import short_name
from dfar_tf.models import get_model, model_names
from dfar_tf.paths import HPARAMS
from dfar_tf.settings import hparams_file, merge_hparams

# Trainable variables without a gradient: (model, pattern, reason, {option: value} it needs). A variable
# that is named here must have none.
BEFORE_NORM = "batch norm subtracts a bias before it; released"
BEFORE_SOFTMAX = "moves all positions alike, which the softmax over them does not see"
UNSEEN = "no negative record is seen"
POSITIVE_ONLY = {"feedback_input": "positive_only"}
SOFTMAX = {"loss": "softmax"}
MOVES_ALL = "moves all of a row's candidates alike, which its softmax does not see"
NO_GRADIENT = (
    ("dfar", r"aggregation_.*/mlp/dense_0/bias", BEFORE_SOFTMAX, {}),
    ("dfar_released", r"target_attention_.*/mlp/dense_out_bias", BEFORE_SOFTMAX, {}),
    ("dfar_released", r"(target_attention_.*/mlp|tower_.*)/dense_[01]_bias", BEFORE_NORM, {}),
    (
        "dfar_released",
        r"tower_negative/.*",
        "only BPR reads the negative tower's logit, and its released weight is 0",
        {"lambda_bpr": 0.0},
    ),
    ("dfn", r"internal_unclick/attention/(query|key)_kernel", UNSEEN, POSITIVE_ONLY),
    ("dfn", r"external/.*", UNSEEN, POSITIVE_ONLY),
    ("feedrec", r"(homogeneous|strong|weak)_negative/.*", UNSEEN, POSITIVE_ONLY),
    ("esasrec", r"tower/(logit/bias|norm_out/beta)", MOVES_ALL, SOFTMAX),
    ("pnfrec", r"tower/(logit/bias|norm_out/beta)", MOVES_ALL, SOFTMAX),
    (
        "pnfrec",
        r"(negative|negative_tower)/.*",
        "trained by disliked targets, which this batch does not tell; test_pnfrec.py does",
        {},
    ),
)

# What of the padding is read: (names, reason), else nothing.
READS_PADDING = {
    "dfar_released": (["history_labels"], "released: padding has label 0, and stays in S- by it")
}


def is_released(case):
    """In the released forms a hidden position weighs -1, or the scale is by the number of positions."""
    name, options = case
    return name == "dfar_released" or "released_form" in options


def marked(case):
    """Defaults and released forms always; the ``feedback_input``s, which share all else, when asked for."""
    marks = [pytest.mark.slow] if "feedback_input" in case[1] else []
    return pytest.param(case, marks=marks, id=label(case))


@pytest.fixture(scope="module", params=[marked(case) for case in cases()])
def built(request):
    """One graph a case, shared by the tests below."""
    return Built(*request.param)


@pytest.mark.parametrize("name", model_names())
def test_every_model_is_described(name):
    path = os.path.join(HPARAMS, f"model_{name}.yaml")
    assert os.path.isfile(path), f"{name} has no hyper-parameters: write hparams/model_{name}.yaml"
    model = get_model(name)
    for attribute in ("title", "paper", "feedback"):
        value = getattr(model, attribute)
        assert value and value == value.strip(), (
            f"dfar_tf/models/{name}.py: give {model.__name__} a class attribute {attribute}"
        )
    assert (model.__doc__ or "").strip(), f"dfar_tf/models/{name}.py: {model.__name__} says nothing"
    assert merge_hparams("amazon", model_type=name).model_type == name, (
        f"{hparams_file('model_' + name)}: model_type must be {name}"
    )
    titles = [get_model(other).title for other in model_names()]
    assert titles.count(model.title) == 1, f"two models are called {model.title}"


def test_every_output_is_of_histories_and_candidates(built):
    for rows, columns in ((dfar_case.B, dfar_case.C), (1, dfar_case.C), (2, 1)):
        arrays = part_of(batch(), slice(0, rows), slice(0, columns))
        for outputs in built.run(arrays)["outputs"].values():
            assert outputs["logits"].shape == (rows, columns)
            for name, value in outputs.items():
                assert value.shape[:2] == (rows, columns), name
                assert value.dtype == np.float32, name


def test_gradients_are_finite_and_reach_every_variable(built):
    reached, exempt = set(), {name for name in variables(built) if excused(built, name)}
    for seed in range(6):  # since a few rectified units may all be off by chance
        # Large ones: with small ones attention is a plain mean, whatever its logits.
        built.give_weights(seed, scale=0.9)
        arrays = batch(seed)
        if seed % 2:  # histories with all of their items of one feedback
            arrays["history_labels"][:] = arrays["history_mask"] * [[1], [0], [1], [0], [1]]
        gradients = built.run(arrays)["gradients"]
        largest = {name: np.abs(gradient).max() for name, gradient in gradients.items()}
        assert np.all(np.isfinite(list(largest.values()))), largest
        reached |= {name for name in variables(built) if largest.get(name, 0) > 1e-6}
        if reached | exempt == variables(built):
            break
    dead = variables(built) - reached - exempt
    assert not dead, f"no gradient reaches {sorted(dead)}; largest {largest}"
    assert not exempt & reached, f"NO_GRADIENT names what has a gradient: {exempt & reached}"
    built.give_weights(5)


def variables(built):
    return {short_name(variable) for variable in built.model.trainable_weights}


def excused(built, name):
    return any(
        model == built.name
        and re.fullmatch(pattern, name)
        and all(built.model.hp.values()[key] == value for key, value in needs.items())
        for model, pattern, _, needs in NO_GRADIENT
    )


def test_padding_gets_no_gradient(built):
    arrays = batch()
    gradient = built.run(arrays)["gradients"]["item_embedding"]
    assert np.all(gradient[0] == 0)
    reached = set(np.flatnonzero(np.abs(gradient).max(1)))
    # A model that sees liked items only has nothing to hold a candidate against where there is none.
    liked = arrays["history_labels"].any(1)
    assert reached >= set(arrays["candidates"][liked].ravel())


def test_padding_candidates_count_nothing(built):
    arrays = batch()
    arrays["candidate_mask"][:3, -1] = 0
    arrays["candidates"][:3, -1] = 0
    gradients = built.run(arrays)["gradients"]
    by_output = {name for name in gradients if name.startswith("output ")}
    assert by_output
    for name in by_output:
        assert np.all(gradients[name][:3, -1] == 0), name


def test_content_of_padding_does_not_matter(built):
    unread = ["history_items", "history_labels"]
    for name in READS_PADDING.get(built.name, ([],))[0]:
        unread.remove(name)
    expected, other = (built.run_alike(a) for a in (batch(), other_padding(batch(), unread)))
    for training in (False, True):
        for name, value in expected["outputs"][training, True].items():
            alike(other["outputs"][training, True][name], value)
    for name, value in expected["losses"].items():
        alike(other["losses"][name], value)


@pytest.mark.parametrize("case", [c for c in recorded_cases() if not is_released(c)], ids=label)
def test_the_amount_of_padding_does_not_matter(case):
    """What the test above cannot see where a model zeroes its padding and then counts it."""
    name, options = case
    if name == "caser":  # whose default has filters as high as the longest history
        options = {**options, "filter_heights": [1, 2, 4]}
    expected, outputs = with_more_padding(name, options, batch(), more=3)
    for output in expected:
        alike(outputs[output], expected[output])


@pytest.mark.parametrize("rows, columns", [([3, 1], None), (None, [2, 0]), ([3, 1], [2, 0])])
def test_neither_neighbours_nor_other_candidates_matter_in_inference(built, rows, columns):
    rows, columns = rows or list(range(dfar_case.B)), columns or list(range(dfar_case.C))
    expected = built.run(batch())["outputs"][False, True]
    outputs = built.run(part_of(batch(), rows, columns))["outputs"][False, True]
    for name in outputs:
        alike(outputs[name], expected[name][rows][:, columns])


def test_encoding_a_history_once_changes_no_output(built):
    outputs = built.run(batch())["outputs"]
    for training in (False, True) if built.repeats else (False,):
        once, again = outputs[training, True], outputs[training, False]
        assert once.keys() == again.keys()
        for name in once:
            alike(again[name], once[name])


@pytest.mark.parametrize("kind", ["all liked", "all disliked", "one item", "no item", "one row"])
def test_everything_is_finite_at_the_edges(built, kind):
    values = built.run(edge(kind))
    for named in [*values["outputs"].values(), values["losses"], values["gradients"]]:
        for name, value in named.items():
            assert np.all(np.isfinite(value)), name


def test_the_history_matters(built):
    """So that the tests above say something."""
    arrays, other = batch(), batch()
    moved = other["history_items"] % dfar_case.ITEMS + 1
    other["history_items"] = (moved * other["history_mask"]).astype(np.int32)
    before, after = (built.run(a)["outputs"][False, True]["logits"] for a in (arrays, other))
    liked = (arrays["history_labels"] * arrays["history_mask"]).any(1)
    assert np.all(np.abs(after - before).max(1)[liked] > 1e-5)
