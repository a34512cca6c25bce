"""Whether a checkpoint is one of this graph, before TensorFlow restores it.

TensorFlow restores a variable of another shape without a word, and fails, if at all, steps later.
"""

import os
import re

from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

NAME = "model.ckpt"


def checkpoints_in(folder):
    """Paths of the checkpoints in a folder that have an index, oldest first."""
    return [os.path.join(folder, f"{NAME}-{step}") for step in steps_in(folder, r"\.index")]


def steps_in(folder, suffix=r"\.(?:index|data-\d+-of-\d+)"):
    """Steps of which a folder holds checkpoint files, ascending; ``suffix`` says which files count."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [re.match(rf"{re.escape(NAME)}-(\d+){suffix}$", name) for name in names]
    return sorted({int(match.group(1)) for match in found if match})


class CheckpointFitsHook(tf.estimator.SessionRunHook):
    """Compares a checkpoint's variables with the graph's before the session is made.

    Args:
      checkpoint: path of the checkpoint, or None where there is none to restore.
    """

    def __init__(self, checkpoint):
        self.checkpoint = checkpoint

    def begin(self):
        """Raises UserError if a variable is missing in the checkpoint or has another shape there."""
        if self.checkpoint is None:
            return
        there = dict(tf.train.list_variables(self.checkpoint))
        for variable in tf.global_variables():
            name, shape = variable.op.name, variable.shape.as_list()
            if there.get(name) != shape:
                found = f"has shape {there[name]} there" if name in there else "is not in it"
                raise UserError(
                    f"{self.checkpoint}: this checkpoint does not fit the model and data: {name} "
                    f"{found}, the model has {shape}. Give the hyper-parameters and data it was "
                    "trained with, or another --run_dir."
                )
