"""TensorFlow 1.15.0 and 2.15 agree: a checkpoint of the first, with what it computed, under either.

For every model. The files are made by make_checkpoint.py and make_variables.py of tests/support/data,
whose docstrings say when and how to make them again.
"""

import collections
import json
import os
import pathlib
import sys

import dfar_case
import numpy as np
import pytest
from every_model import alike, recorded_cases, small_hparams, stem
from graph import Bench
from places import DATA

from recommenders_utils.backend import tf

sys.path.append(str(DATA))

import make_checkpoint
import make_variables

Restored = collections.namedtuple("Restored", "case recorded outputs shapes checkpoint")


@pytest.fixture(scope="module", params=recorded_cases(), ids=stem)
def restored(request):
    """A recorded case with what was recorded and what we compute, and our variables' shapes."""
    path = make_checkpoint.path_of(request.param)
    how = f"run python tests/support/data/make_checkpoint.py {request.param[0]} under TensorFlow 1.15.0"
    assert os.path.isfile(path + ".npz"), f"no {path}.npz: {how}"
    with np.load(path + ".npz") as file:
        recorded = dict(file)
    with Bench() as bench:
        case = dfar_case.Case(bench, small_hparams(*request.param))
        outputs = make_checkpoint.outputs_of(case)
        shapes = make_variables.shapes_of(case.model)
        there = dict(tf.train.list_variables(path))
        assert there == shapes, f"another model than the checkpoint's; if that is meant, {how}"
        tf.train.Saver(case.model.weights).restore(bench.session, path)
        outputs = case.run(outputs, make_checkpoint.inputs())
    return Restored(stem(request.param), recorded, outputs, shapes, path)


def test_the_checkpoint_is_tensorflow_1s(restored):
    assert str(restored.recorded["tensorflow"]) == "1.15.0"


def test_every_output_and_loss_is_the_recorded_one(restored):
    expected = {name: value for name, value in restored.recorded.items() if name != "tensorflow"}
    assert {"inference/logits", "training/logits", "loss/main"} <= set(expected)
    assert set(expected) <= set(restored.outputs)
    for name, value in expected.items():
        alike(restored.outputs[name], value)
    assert np.ptp(expected["inference/logits"]) > 0.01  # the numbers say something


def test_only_what_is_drawn_at_random_is_not_recorded(restored):
    left_out = set(restored.outputs) - set(restored.recorded)
    random = {"dien": {"training/auxiliary", "loss/auxiliary"}}
    assert left_out == random.get(restored.case, set())


def test_variables_have_the_names_and_shapes_they_had(restored):
    """A checkpoint's public interface."""
    listing = json.loads(pathlib.Path(make_variables.LISTING).read_text())
    assert restored.shapes == listing.get(restored.case), (
        "checkpoints made so far no longer fit; if that is meant, tests/support/data/make_variables.py "
        "writes the new names"
    )


def test_nothing_is_recorded_of_models_that_are_gone():
    stems = {stem(case) for case in recorded_cases()}
    listing = json.loads(pathlib.Path(make_variables.LISTING).read_text())
    assert set(listing) == stems
    assert {path.name.split("_tf1.")[0] for path in DATA.glob("*_tf1.*")} == stems


def test_recorded_files_are_small():
    assert sum(path.stat().st_size for path in DATA.iterdir() if path.is_file()) < 300_000
