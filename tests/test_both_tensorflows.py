"""TensorFlow 1.15.0 and 2.15 agree: a checkpoint of the first, with what it computed, under either.

The files are made by tests/data/make_checkpoint.py, whose docstring says when and how to make them again.
"""

import importlib.util
import pathlib

import dfar_case
import numpy as np
import pytest
from graph import Bench, close

from recommenders_utils.backend import tf

DATA = pathlib.Path(__file__).resolve().parent / "data"


def maker():
    spec = importlib.util.spec_from_file_location(
        "make_checkpoint", str(DATA / "make_checkpoint.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def restored():
    """(recorded arrays, our outputs of the same names, our variables' names)."""
    make = maker()
    with np.load(make.CHECKPOINT + ".npz") as file:
        recorded = dict(file)
    inputs = {k[len("input/") :]: v for k, v in recorded.items() if k.startswith("input/")}
    with Bench() as bench:
        case = dfar_case.Case(bench, dfar_case.hparams(**make.OPTIONS))
        outputs = make.outputs_of(case)
        tf.train.Saver(case.model.weights).restore(bench.session, make.CHECKPOINT)
        outputs = case.run(outputs, inputs)
        shapes = {v.name[:-2]: v.shape.as_list() for v in case.model.weights}
    return recorded, outputs, shapes, make.CHECKPOINT


def test_the_checkpoint_is_tensorflow_1s_and_its_names_are_ours(restored):
    recorded, _, shapes, checkpoint = restored
    assert str(recorded["tensorflow"]) == "1.15.0"
    assert dict(tf.train.list_variables(checkpoint)) == shapes


def test_every_output_and_loss_is_the_recorded_one(restored):
    recorded, outputs, _, _ = restored
    expected = {
        k: v for k, v in recorded.items() if not k.startswith("input/") and k != "tensorflow"
    }
    assert outputs.keys() == expected.keys() and len(outputs) > 10
    for name, value in expected.items():
        close(outputs[name], value, 1e-5)
    spread = np.ptp(expected["inference/logits"])
    assert spread > 0.01  # the numbers say something
