"""A run as a SavedModel: raw ids in, scores out; vocabulary, truncation and masks are inside the graph.

Letters: B rows, N records of a history as fed, T history that the model reads, C candidates, I items.
"""

import os

import numpy as np

from dfar_tf.estimator.model_fn import apply_model
from dfar_tf.estimator.session import choose_devices
from dfar_tf.estimator.training import best_checkpoint, explained, make_estimator
from dfar_tf.models import get_model, is_untrained, make_model
from dfar_tf.objectives import objective_lines, objective_of
from dfar_tf.runs.untrained import FITTED
from dfar_tf.serving.api import open_data
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_directory, write_json
from recommenders_utils.io import make_iterator

ABOUT_FILE = os.path.join("assets.extra", "about.json")
INPUTS = {
    "history_items": "string [B, N]: raw item ids, oldest first; '' and unknown ones are skipped",
    "history_labels": "int32 [B, N]: 1 liked, 0 disliked",
    "candidates": "string [B, C]: raw item ids",
}
# For a model that embeds users; '' or an unknown id is an unknown user.
USER = {"user": "string [B]: raw user ids; '' where unknown"}
OUTPUTS = {
    "scores": "float32 [B, C]: probability that the user likes it next; NaN for an unknown item",
    "logits": "float32 [B, C]: the same before the sigmoid",
}


def export_run(run_dir, output, say=print, **given):
    """Exports a finished run's best checkpoint.

    Args:
      run_dir: folder of the run.
      output: folder to make; complete or absent.
      say: called with each line to print.
      **given: as of ``dfar_tf.serving.api.load``.

    Raises:
      UserError: ``output`` exists already; see ``load``.
    """
    if os.path.exists(output) and (not os.path.isdir(output) or os.listdir(output)):
        raise UserError(f"{output}: already exists. Give another --output.")
    hparams, store = open_data(run_dir, given, say)
    if is_untrained(hparams.model_type):
        raise UserError(
            f"{run_dir}: {hparams.model_type} is untrained: it counts in numpy and has no TensorFlow "
            f"graph to export. Use predict or recommend, or dfar_tf.load; its tables are in {FITTED}."
        )
    iterator = make_iterator(store, hparams)
    about = {
        "model": hparams.model_type,
        "objective": objective_of(hparams),
        "data": store.meta["name"],
        "synthetic": store.meta["synthetic"],
        "data_fingerprint": store.meta["fingerprint"],
        "items": store.num_items,
        "max_seq_length": hparams.max_seq_length,
        "tensorflow": tf.__version__,
        "inputs": {
            **INPUTS,
            **(_levels_input(store.level_names)),
            **(USER if embeds_users(hparams) else {}),
        },
        "outputs": OUTPUTS,
    }
    with explained(output, "then export again"), atomic_directory(output) as folder:
        _save(hparams, store, iterator, best_checkpoint(run_dir), folder)
        write_json(os.path.join(folder, ABOUT_FILE), about)
    synthetic = ", SYNTHETIC data" if store.meta["synthetic"] else ""
    for line in objective_lines(hparams):
        say(line)
    say(f"SavedModel of {hparams.model_type}, {store.num_items:,} items{synthetic}: {output}")


def _levels_input(names):
    told = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    return {"history_labels": f"int32 [B, N], levels: {told}"} if names else {}


def embeds_users(hparams):
    """Whether the export of such a run takes ``user`` too."""
    return get_model(hparams.model_type).embeds_users


def _save(hparams, store, iterator, checkpoint, folder):
    names = {"items.txt": store.item_ids, "users.txt": store.user_ids}
    if not embeds_users(hparams):
        del names["users.txt"]
    files = {name: os.path.join(folder, name) for name in names}
    for name, path in files.items():
        with open(path, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{each}\n" for each in names[name])
    model_fn = _model_fn(hparams, store, iterator, files)
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    estimator = make_estimator(model_fn, hparams, os.path.dirname(checkpoint), config)
    base = os.path.join(folder, "export")
    receiver = _receiver("users.txt" in files)
    made = estimator.export_saved_model(base, receiver, checkpoint_path=checkpoint)
    made = made.decode() if isinstance(made, bytes) else made
    for name in os.listdir(made):
        os.rename(os.path.join(made, name), os.path.join(folder, name))
    os.rmdir(made)
    os.rmdir(base)
    for path in files.values():
        os.remove(path)  # the SavedModel's assets include a copy


def _receiver(with_user):
    def receiver():
        places = {
            "history_items": tf.placeholder(tf.string, [None, None], "history_items"),
            "history_labels": tf.placeholder(tf.int32, [None, None], "history_labels"),
            "candidates": tf.placeholder(tf.string, [None, None], "candidates"),
        }
        if with_user:
            places["user"] = tf.placeholder(tf.string, [None], "user")
        return tf.estimator.export.ServingInputReceiver(places, places)

    return receiver


def _rows(path, raw):
    """int32 rows of raw ids in a file of one id a line, -1 where unknown."""
    index = tf.lookup.TextFileIndex
    lines = tf.lookup.TextFileInitializer(
        path, tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
    )
    return tf.cast(tf.lookup.StaticHashTable(lines, -1).lookup(raw), tf.int32)


def _model_fn(hparams, store, iterator, files):
    ids = np.asarray(iterator.ids, np.int32)
    of_store = np.array_equal(ids, np.arange(len(ids)))  # not the released vocabulary's

    def model_fn(features, labels, mode):
        del labels
        items = _rows(files["items.txt"], features["history_items"]) + 1  # [B, N], 0 where unknown
        candidates = _rows(files["items.txt"], features["candidates"]) + 1  # [B, C]
        known = candidates > 0
        batch = newest(items, features["history_labels"], hparams.max_seq_length)
        batch["candidates"] = candidates
        if "users.txt" in files:
            batch["user"] = _rows(files["users.txt"], features["user"])
        if not of_store:
            model_ids = tf.constant(ids)
            for name in ("history_items", "candidates"):
                batch[name] = tf.gather(model_ids, batch[name])
        model = make_model(hparams, iterator.num_items, store.num_users)
        logits = apply_model(model, batch, False)["logits"]
        logits = tf.where(known, logits, tf.fill(tf.shape(logits), np.float32(np.nan)))
        predictions = {"scores": tf.sigmoid(logits), "logits": logits}
        outputs = {"serving_default": tf.estimator.export.PredictOutput(predictions)}
        return tf.estimator.EstimatorSpec(mode, predictions=predictions, export_outputs=outputs)

    # As in make_model_fn, for the same reasons.
    plain = tf.autograph.experimental.do_not_convert(model_fn)
    return lambda features, labels, mode: plain(features, labels, mode)


def newest(items, labels, length):
    """The newest T known records of each history, packed to the front.

    Args:
      items: [B, N] int ids, oldest first; 0 where unknown or padding, anywhere.
      labels: [B, N] int.
      length: T.

    Returns:
      dict of ``history_items``, ``history_labels`` [B, T] int and ``history_mask`` [B, T] float.
    """
    known = tf.cast(items > 0, tf.int32)  # [B, N]
    later = tf.cumsum(known, 1, exclusive=True, reverse=True)  # known records after each
    count = tf.minimum(tf.reduce_sum(known, 1, keepdims=True), length)  # [B, 1]
    kept = tf.where(tf.logical_and(known > 0, later < length))  # [P, 2]
    row = tf.cast(kept[:, 0], tf.int32)
    column = tf.gather_nd(count - 1 - later, kept)  # [P]
    places, shape = tf.stack([row, column], 1), tf.stack([tf.shape(items)[0], length])
    found = {
        "history_items": tf.scatter_nd(places, tf.gather_nd(items, kept), shape),
        "history_labels": tf.scatter_nd(places, tf.gather_nd(labels, kept), shape),
        "history_mask": tf.sequence_mask(count[:, 0], length, tf.float32),
    }
    for value in found.values():
        value.set_shape([None, length])
    return found
