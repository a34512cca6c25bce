"""A run on a log that has grown: it begins with the weights and the vocabulary of another run."""

import dataclasses
import os

import numpy as np
import pandas as pd

from dfar_tf.models import is_untrained
from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import open_run, read_record, read_results
from dfar_tf.runs.kept import SOURCES, run_data
from dfar_tf.settings import DEFAULT_CACHE
from recommenders_utils.dataset.extension import with_items
from recommenders_utils.dataset.features import CODES, KNOWN, values_of
from recommenders_utils.errors import UserError
from recommenders_utils.tables import counted

# Keys that stand for others, or without which no weight fits.
SAME = ("model_type", "hidden_size", "protocol", "objective", "iterator")


@dataclasses.dataclass
class Start:
    """What a new run takes over.

    Attributes:
      values: ``{variable: array}``, its initial weights.
      about: what ``run.json`` says of them.
    """

    values: dict
    about: dict

    def write(self, folder):
        """Writes the weights into the folder of the new run."""
        from dfar_tf.estimator.initial import save_initial

        save_initial(self.values, folder)


class Origin:
    """A finished run from which others begin.

    Args:
      path: its folder.

    Attributes:
      hparams: its hyper-parameters.

    Raises:
      UserError: no finished run there, or one without weights that can be taken over.
    """

    def __init__(self, path):
        self.path = path
        self.hparams = open_run(path)
        if is_untrained(self.hparams.model_type):
            raise UserError(
                f"init_from: {shown(path)} is a run of {self.hparams.model_type}, which is fitted by "
                "counting and has no weights. Train the new log without --init_from."
            )
        if self.hparams.iterator == "released":
            raise UserError(
                f"init_from: {shown(path)} uses iterator=released, whose ids are those of its own "
                "vocabulary file. Give a run with --iterator=sequential."
            )

    def settings(self, given):
        """The hyper-parameters of the new run: the old one's, and what the user gives.

        Args:
          given: hyper-parameters given as flags.

        Raises:
          UserError: another model, width, protocol or objective; an unknown key.
        """
        hparams = self.hparams.replace(**dict.fromkeys(SOURCES))
        if not os.path.isdir(in_checkout(hparams.cache_dir)):  # the run was made elsewhere
            hparams = hparams.replace(cache_dir=in_checkout(DEFAULT_CACHE))
        hparams = hparams.replace(**given)
        then, now = self.hparams.values(), hparams.values()
        for key in SAME:
            if then[key] != now[key]:
                raise UserError(
                    f"init_from: {shown(self.path)} has {key} {then[key]!r}, but --{key} is {now[key]!r}; "
                    "weights can be taken over by the same model only. Leave the flag out, or train "
                    "without --init_from."
                )
        return hparams

    def extended(self, store):
        """A store with the old run's items in its vocabulary too, behind its own.

        Args:
          store: the ``SequenceStore`` of the grown log.

        Returns:
          SequenceStore; ``store`` itself if it has all of them.
        """
        old = self._data()
        missing = _rows(store.item_ids, old.item_ids) < 0
        synthetic = store.meta["synthetic"] or old.meta["synthetic"]
        same = synthetic == store.meta["synthetic"] and CODES not in store.extras
        if same and not missing.any():
            return store
        ids = np.asarray(old.item_ids)[missing]
        wider = with_items(store, ids, old.meta["fingerprint"], synthetic=synthetic)
        if CODES in store.extras and KNOWN in old.extras:
            # What the old run learnt of an item stays known, whether or not the grown log has it.
            learnt = old.item_ids[np.asarray(old.extras[KNOWN]) == 1]
            codes = store.extras[CODES]
            more = np.zeros([len(ids), codes.shape[1]], np.int32)
            known = np.append(store.extras[KNOWN], np.zeros(len(ids), np.int8))
            known[_rows(wider.item_ids, learnt)] = 1
            wider.extras.update({CODES: np.concatenate([codes, more]), KNOWN: known})
        return wider

    def start(self, hparams, store, say=print):
        """The weights with which a run on an extended store begins.

        Args:
          hparams: of the new run.
          store: what ``extended`` gave.
          say: called with the line that says what is known.

        Returns:
          Start.

        Raises:
          UserError: the weights do not fit the new run's model.
        """
        from dfar_tf.estimator.initial import initial_values, model_shapes
        from dfar_tf.estimator.training import best_checkpoint
        from recommenders_utils.io import make_iterator

        old = self._data()
        rows = {
            "items": _rows(old.item_ids, store.item_ids),
            "users": _rows(old.user_ids, store.user_ids),
        }
        rows.update(_value_rows(old, store), levels=_level_rows(old, store))
        shapes = model_shapes(hparams, make_iterator(store, hparams), store.num_users)
        best = best_checkpoint(self.path)
        try:
            values = initial_values(best, shapes, rows)
        except UserError as error:
            raise UserError(
                f"init_from: {shown(self.path)} does not fit the new run: {error}{self._changed(hparams)}"
            ) from None
        kinds = ("items", "users")
        counts = {f"known_{kind}": int((rows[kind] >= 0).sum()) for kind in kinds}
        counts.update({f"new_{kind}": int((rows[kind] < 0).sum()) for kind in kinds})
        say(
            f"init_from: {shown(self.path)}: {counted(counts['known_items'], 'item')} and "
            f"{counted(counts['known_users'], 'user')} known; {counts['new_items']:,} and "
            f"{counts['new_users']:,} new ones start from the mean"
        )
        about = {
            "run": self.path,
            "data_fingerprint": read_record(self.path)["data_fingerprint"],
            "epoch": read_results(self.path)["best_epoch"],
            **counts,
        }
        return Start(values, about)

    def _data(self):
        if not hasattr(self, "_store"):
            self._store, _ = run_data(self.path, self.hparams, say=lambda line: None)
        return self._store

    def _changed(self, hparams):
        """The keys that shape the model and differ, as a sentence."""
        then, now = (
            {**each.to_dict()["model"], "max_seq_length": each.max_seq_length}
            for each in (self.hparams, hparams)
        )
        differ = [
            f"{key} was {then[key]!r}, is now {now[key]!r}" for key in now if then[key] != now[key]
        ]
        return f" Leave out what differs: {', '.join(differ)}." if differ else ""


def _level_rows(old, store):
    """int [L]: the old run's level of each of a store's, by name; by side where only one has names."""
    if old.level_names and store.level_names:
        names = old.level_names
        return np.array([names.index(n) if n in names else -1 for n in store.level_names])
    if store.level_names:
        return (np.arange(len(store.level_names)) >= store.level_threshold).astype(int)
    return np.array([0, len(old.level_names) - 1] if old.level_names else [0, 1])


def begun(init_from, hparams, store, resume, say=print):
    """The data and the initial weights of a run that begins from another.

    Args:
      init_from: folder of the other, or None.
      hparams: of the new run.
      store: of the new run's log.
      resume: whether the new run has begun, so that it has its weights.
      say: called with a line to print.

    Returns:
      (SequenceStore, Start or None).

    Raises:
      UserError: see ``Origin``.
    """
    if not init_from:
        return store, None
    origin = Origin(init_from)
    store = origin.extended(store)
    return store, None if resume else origin.start(hparams, store, say)


def _rows(ids, wanted):
    """int64 [N] places of ``wanted`` among ``ids``, -1 where there is none."""
    return pd.Index(np.asarray(ids).astype(object)).get_indexer(np.asarray(wanted).astype(object))


def _value_rows(old, store):
    """``{name of the table: rows}`` of the features' values, as ``initial_values`` takes them."""
    before, empty = values_of(old), np.array([], str)
    return {
        f"feature_embedding_{k}": _rows(before.get(name, empty), values)
        for k, (name, values) in enumerate(values_of(store).items())
    }
