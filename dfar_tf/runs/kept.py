"""The data of a run that exists: its prepared arrays, else the copy that it keeps, else its log."""

import os

from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import (
    DATA_FILE,
    HPARAMS_FILE,
    RESTORE,
    RUN_FILE,
    RunFolder,
    read_settings,
    with_new_keys,
)
from dfar_tf.runs.steps import prepare_data
from dfar_tf.settings import DEFAULT_CACHE
from recommenders_utils.checksums import check, read_checked_json
from recommenders_utils.dataset.packed import unpack
from recommenders_utils.dataset.preparation import prepared_folder
from recommenders_utils.dataset.store import DamagedStore, SequenceStore
from recommenders_utils.errors import UserError

SOURCES = ("ratings", "interactions", "prepared")  # keys that name data
ADVICE = (
    "Give the run's data again as --ratings, --interactions or --prepared, or restore a copy of "
    "the file."
)


def run_data(run_dir, hparams, given=(), say=print):
    """The data of a run, which need neither its log nor its prepared arrays any more.

    Args:
      run_dir: its folder.
      hparams: its hyper-parameters, with what the user gave.
      given: keys that the user gave; with one of ``SOURCES`` that source is read, and must hold the run's
        data.
      say: called with lines that say which data are used.

    Returns:
      (SequenceStore, hparams), the latter with a ``cache_dir`` of this machine.

    Raises:
      UserError: other data; nothing of the run's data is left or it is damaged.
    """
    if not os.path.isdir(in_checkout(hparams.cache_dir)) and "cache_dir" not in given:
        # The run was made elsewhere: its folder there is none to write to here.
        hparams = hparams.replace(cache_dir=in_checkout(DEFAULT_CACHE))
    if set(SOURCES) & set(given):
        store, hparams = prepare_data(hparams, hparams.values(), say)
    else:
        store, where = _prepared(run_dir, hparams)
        if store is None and os.path.exists(os.path.join(run_dir, DATA_FILE)):
            check(os.path.join(run_dir, DATA_FILE), ADVICE)
            where = f"the copy in {shown(os.path.join(run_dir, DATA_FILE))}"
            store = unpack(os.path.join(run_dir, DATA_FILE))
        if store is None:  # a run of an earlier version
            store, hparams = prepare_data(hparams, hparams.values(), say)
        else:
            say(f"data: {store.meta['name']}, {where}")
    RunFolder(run_dir).attach(hparams, store)
    return store, hparams


def data_to_resume(run_dir, hparams, given, say=print, note=None):
    """The data with which a run is resumed: its own, unless the user names a source.

    Args and returns as of ``run_data``.

    Raises:
      UserError: no run there; other data; see ``run_data``.
    """
    path = os.path.join(run_dir, HPARAMS_FILE)
    if not os.path.exists(path):
        raise UserError(f"{run_dir}: it holds no run to resume ({HPARAMS_FILE} is missing).")
    then, now = read_settings(run_dir).values(), hparams.values()
    named = [key for key in SOURCES if key in given or (now[key] and now[key] != then.get(key))]
    if not named:
        return run_data(run_dir, hparams, [key for key in given if key not in SOURCES], say)
    return prepare_data(hparams, given, say, note=note)


def resumed(run_dir, given):
    """The settings with which a run is resumed: its own, and what the user gives.

    Args:
      run_dir: the run's folder.
      given: hyper-parameters given as flags.

    Raises:
      UserError: no run there; an unknown key.
    """
    if run_dir is None:
        raise UserError("--resume: give the folder of the run to resume as --run_dir.")
    path = os.path.join(run_dir, HPARAMS_FILE)
    if not os.path.exists(path):
        raise UserError(f"{run_dir}: it holds no run to resume ({HPARAMS_FILE} is missing).")
    hparams = with_new_keys(read_settings(run_dir))
    if given.get("ratings") or given.get("interactions"):  # in the place of what the run names
        hparams = hparams.replace(ratings=None, interactions=None, prepared=None)
    return hparams.replace(**given)


def _prepared(run_dir, hparams):
    """(store, what it is) of the prepared arrays if these are still there and the run's, else None."""
    fingerprint = read_checked_json(os.path.join(run_dir, RUN_FILE), RESTORE, ["data_fingerprint"])[
        "data_fingerprint"
    ]
    folder = hparams.prepared or prepared_folder(hparams.cache_dir, hparams.name, fingerprint)
    folder = in_checkout(folder)
    if not os.path.isdir(folder):
        return None, ""
    try:
        store = SequenceStore.load(folder)
    except DamagedStore:
        return None, ""
    same = store.meta.get("fingerprint") == fingerprint
    return (store if same else None), f"prepared in {shown(folder)}"
