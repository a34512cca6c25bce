"""Scores any batches with given weights and any model, outside an Estimator."""

import contextlib
import functools

import numpy as np

from dfar_tf.estimator.model_fn import apply_model
from dfar_tf.estimator.session import choose_devices, configure
from dfar_tf.estimator.targets import HISTORY
from dfar_tf.models import make_model
from recommenders_utils.backend import tf


@contextlib.contextmanager
def scoring_session(hparams, num_items, values):
    """Opens a session on a graph that scores.

    Args:
      hparams: the merged hyper-parameters.
      num_items: items in the vocabulary.
      values: {variable name: array} of all the model's variables.

    Yields:
      (session, model, placeholders by name as in a batch, outputs of ``apply_model``).
    """
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    with tf.Graph().as_default(), tf.Session(config=configure(config, hparams)) as session:
        model, feeds, outputs = make_scorer(hparams, num_items)
        assign(session, {v: values[short_name(v)] for v in model.weights})
        yield session, model, feeds, outputs


def score_batches(batches, values, hparams, num_items):
    """Scores batches with given weights.

    Args:
      batches: iterable of dicts with at least ``history_items``, ``history_labels``,
        ``history_mask`` [B, T] and ``candidates`` [B, C]; rows with separate histories have C = 1.
      values: {variable name: array}.
      hparams: the merged hyper-parameters.
      num_items: items in the vocabulary.

    Yields:
      [B, C] float32 probabilities, a batch at a time.
    """
    with scoring_session(hparams, num_items, values) as (session, _, feeds, outputs):
        score = tf.sigmoid(outputs["logits"])
        for batch in batches:
            fed = {place: np.asarray(batch[name]) for name, place in feeds.items()}
            yield session.run(score, fed)


@functools.lru_cache(maxsize=8)
def variable_shapes(hparams, num_items):
    """{variable name: shape} of a model, in its own order."""
    with tf.Graph().as_default():
        model, _, _ = make_scorer(hparams, num_items)
        return {short_name(variable): variable.shape.as_list() for variable in model.weights}


def save_values(values, hparams, num_items, path):
    """Saves weights as one of our checkpoints, at step 0; returns its path."""
    shapes = variable_shapes(hparams, num_items)
    with tf.Graph().as_default(), tf.Session() as session:
        made = [tf.Variable(values[name], name=name) for name in shapes]
        step = tf.train.create_global_step()
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver([*made, step], save_relative_paths=True)
        return saver.save(session, path, global_step=0, write_meta_graph=False)


def assign(session, values):
    """Gives variables their values, all in one run; ``values`` is {variable: array}."""
    feeds = {variable.initializer.inputs[1]: value for variable, value in values.items()}
    session.run([variable.initializer for variable in values], feeds)


def short_name(variable):
    """A variable's name without the output's number."""
    return variable.name.split(":")[0]


def make_scorer(hparams, num_items, num_users=0):
    """A model that scores what is fed, in the current graph.

    Args:
      hparams: the merged hyper-parameters.
      num_items: items in the vocabulary.
      num_users: users in the store.

    Returns:
      (model, placeholders by name as in a batch, outputs of ``apply_model``).
    """
    length = hparams.max_seq_length
    kinds = {"history_mask": tf.float32}
    feeds = {
        name: tf.placeholder(kinds.get(name, tf.int32), [None, length], name) for name in HISTORY
    }
    feeds["candidates"] = tf.placeholder(tf.int32, [None, None], "candidates")
    model = make_model(hparams, num_items, num_users)
    build = tf.autograph.experimental.do_not_convert(apply_model)
    return model, feeds, build(model, feeds, False)
