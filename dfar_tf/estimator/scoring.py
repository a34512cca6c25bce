"""Scoring with given weights, outside an Estimator: any model, any batches."""

import contextlib

import numpy as np

from dfar_tf.estimator.devices import choose_devices
from dfar_tf.estimator.model_fn import HISTORY, apply_model
from dfar_tf.models import make_model
from recommenders_utils.backend import tf


@contextlib.contextmanager
def scoring_session(hparams, num_items, values=None):
    """Opens a session on a graph that scores.

    Args:
      hparams: the merged hyper-parameters.
      num_items: items in the vocabulary.
      values: {variable name without ":0": array}; initial values if None.

    Yields:
      (session, model, placeholders by name as in a batch, outputs of ``apply_model``).
    """
    config, _, _ = choose_devices(hparams.device.split(",")[0], lambda line: None)
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        length = hparams.max_seq_length
        kinds = {"history_mask": tf.float32}
        feeds = {
            name: tf.placeholder(kinds.get(name, tf.int32), [None, length], name)
            for name in HISTORY
        }
        feeds["candidates"] = tf.placeholder(tf.int32, [None, None], "candidates")
        build = tf.autograph.experimental.do_not_convert(apply_model)
        model = make_model(hparams, num_items)
        outputs = build(model, feeds, False)
        if values is None:
            session.run(tf.global_variables_initializer())
        else:
            for variable in model.weights:
                variable.load(values[short_name(variable)], session)
        yield session, model, feeds, outputs


def score_batches(batches, values, hparams, num_items):
    """Scores batches with given weights.

    Args:
      batches: iterable of dicts with at least ``history_items``, ``history_labels``,
        ``history_mask`` [B, T] and ``candidates`` [B, C]; rows that each have a history of their
        own are C = 1.
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


def variable_shapes(hparams, num_items):
    """{variable name: shape} of a model, in its own order."""
    with scoring_session(hparams, num_items) as (_, model, _, _):
        return {short_name(variable): variable.shape.as_list() for variable in model.weights}


def save_values(values, hparams, num_items, path):
    """Saves weights as one of our checkpoints, at step 0; returns its path."""
    with scoring_session(hparams, num_items, values) as (session, _, _, _):
        step = tf.train.create_global_step()
        session.run(step.initializer)
        saver = tf.train.Saver(save_relative_paths=True)
        return saver.save(session, path, global_step=0, write_meta_graph=False)


def short_name(variable):
    """A variable's name without the output's number."""
    return variable.name.split(":")[0]
