"""Scores a released instance file with a released checkpoint, no other file of the run needed."""

import os

import numpy as np
import pandas as pd

from dfar_tf.estimator.scoring import scoring_session
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write
from recommenders_utils.released.files import find_file
from recommenders_utils.released.rows import released_file_batches
from recommenders_utils.released.vocabulary import read_vocabulary, vocabulary_file


def score_released_file(path, vocabulary, values, hparams, num_items):
    """Scores every line of a file, in its order.

    Args:
      path: file of released instance lines, plain or ``.gz``.
      vocabulary: path of ``item_vocab_cd.pkl``, or None for the one beside the file.
      values: {variable name: array} of a ``dfar_released``.
      hparams: its hyper-parameters.
      num_items: rows of its item table, padding not counted.

    Returns:
      DataFrame of ``instance``, ``user``, ``label``, ``score``; an instance is consecutive lines of one
      user and history.

    Raises:
      UserError: a file that is missing or damaged, by line; a vocabulary of more items than the table.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file, expected released instance lines")
    names = _vocabulary(path, vocabulary, num_items)
    columns = {"instance": [], "user": [], "label": [], "score": []}
    with scoring_session(hparams, num_items, values) as (session, _, feeds, outputs):
        score, done = tf.sigmoid(outputs["logits"]), 0
        for batch, users in released_file_batches(path, names, hparams.max_seq_length):
            fed = {place: batch[name] for name, place in feeds.items()}
            real = batch["candidate_mask"] > 0
            rows = np.nonzero(real)[0]
            columns["instance"].append(rows + done)
            columns["user"].append(np.array(users, object)[rows])
            columns["label"].append(batch["labels"][real].astype(np.int8))
            columns["score"].append(session.run(score, fed)[real].astype(np.float64))
            done += len(users)
    return pd.DataFrame({name: np.concatenate(parts) for name, parts in columns.items()})


def write_scores(frame, path):
    """Writes the frame as a predictions file, or nothing."""
    with atomic_write(path, newline="") as stream:
        frame.to_csv(stream, index=False)


def _vocabulary(path, vocabulary, num_items):
    if vocabulary is None:
        name = vocabulary_file("item")
        vocabulary = find_file(os.path.dirname(path) or ".", name)
        if vocabulary is None:
            raise UserError(
                f"{path}: no {name} beside it. Give the vocabulary of the checkpoint's run as --vocabulary."
            )
    names = read_vocabulary(vocabulary, "item")
    if len(names) > num_items:
        raise UserError(
            f"{vocabulary}: {len(names)} entries, but the checkpoint's item table has {num_items} rows "
            "and the padding's. Give the vocabulary of the checkpoint's run."
        )
    return names
