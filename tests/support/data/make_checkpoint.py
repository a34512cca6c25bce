"""Writes what test_both_tensorflows.py reads: of every model a small checkpoint and what it computed.

Made under TensorFlow 1.15.0, the paper's version. For a new model, or after a change of a model's variables
or arithmetic that is meant, make the files, from the checkout's root, with a Python that has TensorFlow
1.15.0, of all models or of those that are named:

    python tests/support/data/make_checkpoint.py [MODEL ...]

It replaces <model>_tf1.* beside this file; the numbers are SYNTHETIC (random weights and histories of a
fixed seed). What must not change without one's meaning it, the test then shows.
"""

import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(os.path.dirname(HERE)))]

import dfar_case  # noqa: E402
from every_model import recorded_cases, small_hparams, stem  # noqa: E402
from graph import Bench  # noqa: E402

from dfar_tf.estimator.model_fn import loss_terms  # noqa: E402
from recommenders_utils.backend import tf  # noqa: E402


def path_of(case):
    """Prefix of a case's files."""
    return os.path.join(HERE, stem(case) + "_tf1")


def inputs():
    """The batch that all models are given."""
    return dfar_case.batch(seed=3)


def outputs_of(case):
    """What is recorded: inference and training outputs and every loss, by name."""
    named = {}
    for training in (False, True):
        outputs = case.outputs(training)
        mode = "training" if training else "inference"
        named.update({f"{mode}/{name}": value for name, value in outputs.items()})
    terms = loss_terms(case.model, outputs, case.features)
    named.update({f"loss/{name}": value for name, (_, value) in terms.items()})
    return named


def record(model_case):
    """Makes the files of one case."""
    with Bench() as bench:
        case = dfar_case.Case(bench, small_hparams(*model_case))
        outputs = outputs_of(case)
        bench.randomize(case.model.weights, seed=3)
        values, again = (case.run(outputs, inputs()) for _ in range(2))
        saver = tf.train.Saver(case.model.weights)
        path = path_of(model_case)
        saver.save(bench.session, path, write_meta_graph=False, write_state=False)
    # What a loss draws at random it draws otherwise under another TensorFlow.
    values = {name: value for name, value in values.items() if np.array_equal(value, again[name])}
    np.savez_compressed(path + ".npz", tensorflow=tf.__version__, **values)


def main(names):
    """Makes the files of some models, or of all."""
    for case in recorded_cases():
        if not names or case[0] in names:
            record(case)
            print(os.path.relpath(path_of(case)))


if __name__ == "__main__":
    main(sys.argv[1:])
