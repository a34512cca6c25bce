"""Writes the checkpoint that test_both_tensorflows.py reads: a small DFAR with its inputs and outputs.

Made under TensorFlow 1.15.0, the paper's version. After a change of the model's variables or arithmetic
that is meant, make it again, from the checkout's root, with a Python that has TensorFlow 1.15.0:

    python tests/data/make_checkpoint.py

It replaces dfar_tf1.* and dfar_tf1.npz beside this file; the numbers are SYNTHETIC (random weights and
histories of a fixed seed). What must not change without one's meaning it, the test then shows.
"""

import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]

import dfar_case  # noqa: E402
from graph import Bench  # noqa: E402

from dfar_tf.estimator.model_fn import loss_terms  # noqa: E402
from recommenders_utils.backend import tf  # noqa: E402

# Every kind of layer: FFHA, FHA, layer norms, batch norms, positions, aggregation, towers.
OPTIONS = {"encoder_block": "transformer", "position_embedding": True, "num_heads": 4}
CHECKPOINT = os.path.join(HERE, "dfar_tf1")


def outputs_of(case):
    """What is recorded: inference and training outputs and every loss, by name."""
    named = {}
    for training in (False, True):
        outputs = case.outputs(training)
        mode = "training" if training else "inference"
        named.update({f"{mode}/{name}": value for name, value in outputs.items()})
        terms = loss_terms(case.model, outputs, case.features)
        named.update({f"{mode}/loss/{name}": value for name, (_, value) in terms.items()})
    return named


def main():
    """Makes the files."""
    arrays = dfar_case.batch(seed=3)
    with Bench() as bench:
        case = dfar_case.Case(bench, dfar_case.hparams(**OPTIONS))
        outputs = outputs_of(case)
        bench.randomize(case.model.weights, seed=3)
        values = case.run(outputs, arrays)
        saver = tf.train.Saver(case.model.weights)
        saver.save(bench.session, CHECKPOINT, write_meta_graph=False, write_state=False)
    arrays = {"input/" + name: value for name, value in arrays.items()}
    np.savez_compressed(CHECKPOINT + ".npz", tensorflow=tf.__version__, **arrays, **values)


if __name__ == "__main__":
    main()
