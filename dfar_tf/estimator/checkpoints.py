"""The checkpoints of a run: which there are, which is whole, and whether one fits the graph.

Files are read through rather than trusted: a kill, a full disk or a bad one leaves files that TensorFlow
begins to restore and then ends on. A variable of another shape it restores without a word.
"""

import glob
import logging
import os
import re
import shutil

from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write

logger = logging.getLogger(__name__)

NAME = "model.ckpt"
STATE = "checkpoint"  # TensorFlow's file that names the newest


def checkpoints_in(folder):
    """Paths of the checkpoints in a folder that have an index, oldest first."""
    return [os.path.join(folder, f"{NAME}-{step}") for step in steps_in(folder, r"\.index")]


def steps_in(folder, suffix=r"\.(?:index|data-\d+-of-\d+)"):
    """Steps for which a folder holds checkpoint files, ascending; ``suffix`` selects the files."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [re.match(rf"{re.escape(NAME)}-(\d+){suffix}$", name) for name in names]
    return sorted({int(match.group(1)) for match in found if match})


def recover(folder, knows):
    """Makes the newest usable checkpoint of a folder the one that TensorFlow restores.

    Damaged newer ones and the remains of a killed write are deleted once an older intact one is
    found. Each
    is logged.

    Args:
      folder: of the checkpoints; need not exist.
      knows: step -> whether the run's state holds what belongs to it.

    Returns:
      The step of the checkpoint; 0 where the run has to begin, or begin again.

    Raises:
      UserError: there are checkpoints, and none can be used.
      OSError: the folder cannot be written.
    """
    steps, useless = steps_in(folder), []
    for step in reversed(steps):
        path = os.path.join(folder, f"{NAME}-{step}")
        trouble = damage(path)
        if trouble is None and not knows(step):
            trouble = "training_state.json has no entry for it"
        if trouble is None:
            break
        useless.append((step, path, trouble))
    else:
        step = 0
    finished_once = os.path.exists(os.path.join(folder, STATE)) or steps_in(folder, r"\.index")
    if useless and not step and finished_once:
        _, path, trouble = useless[0]
        raise UserError(
            f"{folder}: none of its {len(useless)} checkpoints can be used; the newest, "
            f"{os.path.basename(path)}: {trouble}. Restore a copy of the folder, or train again "
            "in another --run_dir."
        )
    for lost, path, trouble in useless:
        where = f"step {step}" if step else "the beginning"
        logger.warning(
            f"checkpoint of step {lost} cannot be used ({trouble}); resuming from {where}"
        )
        _delete(path + ".*")
    sweep_saves(folder)
    if step:
        point_to(folder, step)
    return step


def sweep_saves(folder):
    """Deletes what TensorFlow has left half written in a folder of checkpoints."""
    _delete(os.path.join(folder, NAME + "-*_temp_*"), os.path.join(folder, "*.tempstate*"))


def damage(path):
    """What is wrong with a checkpoint, in a few words, read to its last byte; None if nothing is."""
    if not os.path.exists(path + ".index"):
        return "its .index file is missing"
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception as error:  # the two TensorFlows raise a dozen kinds, including IndexError
        return (str(error).splitlines() or [type(error).__name__])[0][:200]
    return None


def point_to(folder, step):
    """Writes TensorFlow's file ``checkpoint``: all checkpoints up to ``step``, that one the newest."""
    older = [each for each in steps_in(folder, r"\.index") if each <= step]
    lines = [f'model_checkpoint_path: "{NAME}-{step}"']
    lines += [f'all_model_checkpoint_paths: "{NAME}-{each}"' for each in older]
    with atomic_write(os.path.join(folder, STATE)) as stream:
        stream.write("\n".join(lines) + "\n")


def _delete(*patterns):
    for pattern in patterns:
        folder, name = os.path.split(pattern)
        for path in glob.glob(os.path.join(glob.escape(folder), name)):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


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
                found = f"has shape {there[name]} in it" if name in there else "is not in it"
                raise UserError(
                    f"{self.checkpoint}: this checkpoint does not fit the model and data: {name} "
                    f"{found}, the model has {shape}. Give the hyper-parameters and data it was "
                    "trained with, or another --run_dir."
                )
