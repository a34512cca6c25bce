"""Initial weights of a run that another run's checkpoint gives, for items, users and levels of its own.

Letters: N rows of a table without its first, which stands for padding or an unknown user; D width.
"""

import os

import numpy as np

from dfar_tf.estimator.checkpoints import NAME
from dfar_tf.estimator.features import VARIABLE
from dfar_tf.estimator.model_fn import make_model_fn
from recommenders_utils.backend import tf
from recommenders_utils.checksums import check_folder, seal
from recommenders_utils.errors import UserError

INITIAL = "initial"  # folder in the run's
# Last part of the names of variables whose first axis is a vocabulary: which one.
TABLES = {"item_embedding": "items", "wide": "items", "user_embedding": "users"}
LABELS = "label_embedding"  # a row for each level of feedback


def initial_values(checkpoint, shapes, rows):
    """The weights of a model with other vocabularies, from a checkpoint.

    Args:
      checkpoint: path of the checkpoint.
      shapes: ``{variable: shape}`` of the new model, as of ``model_shapes``.
      rows: ``{"items": int [N], "users": int [N]}``, the checkpoint's row of each new item and user
        without the table's first, or -1 for one that it does not know; so too for a table of a feature's
        values, by the variable's name, and for ``levels`` of feedback, of which none is left out.

    Returns:
      ``{variable: array}``. A known item, user or level keeps its row; others get the mean of the rows
      that there are.

    Raises:
      UserError: a variable is missing or has another shape, apart from the number of rows.
    """
    there = dict(tf.train.list_variables(checkpoint))
    values = {}
    for name, shape in shapes.items():
        if name not in there:
            raise UserError(f"{name} is not in its checkpoint.")
        value, kind = tf.train.load_variable(checkpoint, name), name.split("/")[-1]
        vocabulary = TABLES.get(kind, kind)
        if kind == VARIABLE:
            continue  # the features' codes, which are data
        if vocabulary in rows:
            value = _of_known(value, rows[vocabulary])
        elif kind == LABELS and "levels" in rows:
            known = rows["levels"]
            value = np.where((known >= 0)[:, None], value[known], value.mean(0)).astype(value.dtype)
        if list(value.shape) != list(shape):
            raise UserError(f"{name} has shape {there[name]} in its checkpoint, but {shape} here.")
        values[name] = value
    return values


def model_shapes(hparams, iterator, num_users):
    """``{variable: shape}`` of the weights and moving averages that training makes."""
    with tf.Graph().as_default():
        dataset = iterator.eval_dataset("valid")
        features = tf.data.make_one_shot_iterator(dataset).get_next()
        # With the losses, which may have weights of their own; without an optimiser.
        model_fn = make_model_fn(hparams, iterator.num_items, num_users)
        model_fn(features, None, tf.estimator.ModeKeys.EVAL)
        return {v.op.name: v.shape.as_list() for v in tf.global_variables()}


def save_initial(values, run_dir):
    """Writes initial weights into a run's folder."""
    folder = os.path.join(run_dir, INITIAL)
    os.makedirs(folder)
    with tf.Graph().as_default(), tf.Session() as session:
        made = [tf.Variable(value, name=name) for name, value in values.items()]
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(made)
        path = os.path.join(folder, NAME)
        saver.save(session, path, write_meta_graph=False, write_state=False)
    seal(folder)


def initial_hooks(run_dir):
    """``[InitialWeightsHook]`` of a run that has initial weights, else ``[]``.

    Raises:
      DamagedFile: they differ from their checksums.
    """
    folder = os.path.join(run_dir, INITIAL)
    if not os.path.isdir(folder):
        return []
    check_folder(folder, "Begin the run again in another --run_dir.")
    return [InitialWeightsHook(os.path.join(folder, NAME))]


class InitialWeightsHook(tf.estimator.SessionRunHook):
    """Gives the model its initial weights before the first step.

    Args:
      path: of their checkpoint, which has no optimiser and no step.
    """

    def __init__(self, path):
        self.path = path

    def begin(self):
        """Adds the saver before the graph is closed."""
        there = {name for name, _ in tf.train.list_variables(self.path)}
        self.saver = tf.train.Saver([v for v in tf.global_variables() if v.op.name in there])
        self.step = tf.train.get_global_step()

    def after_create_session(self, session, coord):
        """Restores them, unless the run has begun."""
        if int(session.run(self.step)) == 0:
            self.saver.restore(session, self.path)


def _of_known(table, rows):
    """[1 + N, D]: the first row of ``table``, then those of ``rows`` without counting it, or their mean."""
    known = np.where((rows >= 0)[:, None], table[1 + rows], table[1:].mean(0))
    return np.concatenate([table[:1], known]).astype(table.dtype)
