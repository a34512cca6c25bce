"""Writes variables.json: the name and shape of every variable of every model, a checkpoint's interface.

A checkpoint, and whoever reads one, finds a variable by its name, so that a renamed or reshaped one makes
every older checkpoint useless: test_both_tensorflows.py fails. For a new model, or after a change that is
meant, make the file again, from the checkout's root, under either TensorFlow:

    python tests/support/data/make_variables.py

The sizes are those of the small models of the tests.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [
    HERE,
    os.path.dirname(HERE),
    os.path.dirname(os.path.dirname(os.path.dirname(HERE))),
]

import dfar_case  # noqa: E402
from every_model import recorded_cases, small_hparams, stem  # noqa: E402
from graph import Bench  # noqa: E402
from make_checkpoint import outputs_of  # noqa: E402

LISTING = os.path.join(HERE, "variables.json")


def shapes_of(model):
    """{name: shape} of a model whose graph is made."""
    return {variable.op.name: variable.shape.as_list() for variable in model.weights}


def main():
    """Makes the file."""
    listing = {}
    for model_case in recorded_cases():
        with Bench() as bench:
            case = dfar_case.Case(bench, small_hparams(*model_case))
            outputs_of(case)  # which makes the variables
            listing[stem(model_case)] = shapes_of(case.model)
    models = []
    for model in sorted(listing):
        lines = [f"  {json.dumps(k)}: {v}" for k, v in sorted(listing[model].items())]
        models.append(f"{json.dumps(model)}: {{\n" + ",\n".join(lines) + "\n}")
    with open(LISTING, "w") as stream:
        stream.write("{\n" + ",\n".join(models) + "\n}\n")


if __name__ == "__main__":
    main()
