"""Which logs and prepared data the doctor finds."""

import os

from tqdm import tqdm

from dfar_tf.doctor.report import GOOD, PROBLEM, Finding
from dfar_tf.paths import ADAPTERS, shown, typed
from dfar_tf.runs.data import KUAIRAND_FILES
from recommenders_utils.dataset.sources import FILE_NAME
from recommenders_utils.dataset.store import DamagedStore, SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.reading.recognise import choose, ratings

ENDINGS = (".csv", ".tsv", ".txt", ".inter", ".dat", ".data")


def find_data_files(root):
    """The logs in ``data/`` of the checkout, and what ``amazon`` would take.

    Args:
      root: the checkout.

    Returns:
      List of Findings.
    """
    folder = os.path.join(root, "data")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    names = [name for name in names if _is_log(os.path.join(folder, name))]
    found = [_log(os.path.join(folder, name), f"data/{name}") for name in names]
    if not found:
        found = [Finding("logs in data/", "none", GOOD)]
    return [*found, _amazon(names)]


def _is_log(path):
    name = path[:-3] if path.endswith(".gz") else path
    return os.path.isfile(path) and name.lower().endswith(ENDINGS)


def _log(path, name):
    """What a file is, by its first lines."""
    size = f"{os.path.getsize(path) / 1e6:,.1f} MB"
    if os.path.basename(path) in KUAIRAND_FILES:
        return Finding(name, f"{size}, a log for `{typed('kuairand')}`", GOOD)
    try:
        layout, form = ratings(path)
    except UserError as no_ratings:
        try:
            _, _, adapter = choose(path, None, ADAPTERS)
        except UserError:
            return Finding(name, f"{size}, not readable as ratings: {no_ratings}", PROBLEM, _FIX)
        text = f"{size}, a log for --interactions={name} (adapter {adapter.name})"
        return Finding(name, text, GOOD)
    columns = ", ".join(form.found(layout).values())
    return Finding(name, f"{size}, ratings with columns {columns}", GOOD)


_FIX = "give it a header such as user_id,item_id,rating,timestamp, or an adapter (docs/data.md)"


def _amazon(names):
    """Which ratings ``bash run.sh amazon`` takes without a flag."""
    what = "ratings of `amazon`"
    for name in (FILE_NAME, FILE_NAME + ".gz"):
        if name in names:
            return Finding(what, f"data/{name}", GOOD)
    place = os.environ.get("DFAR_DATA")
    if place and not os.path.exists(place):
        text = f"DFAR_DATA={place}, which does not exist"
        return Finding(what, text, PROBLEM, "unset DFAR_DATA or set it to a ratings file")
    if place:
        return Finding(what, f"DFAR_DATA={place}", GOOD)
    if os.environ.get("DFAR_OFFLINE", "").strip().lower() in ("1", "true", "yes"):
        text = "a SYNTHETIC stand-in, since DFAR_OFFLINE is set and no file is there"
    else:
        text = "a download from the publisher; a SYNTHETIC stand-in without a network"
    return Finding(what, text, GOOD, f"for your own file: data/{FILE_NAME} or --ratings=FILE")


def find_prepared(cache_dir):
    """The prepared data in a folder, each checked as before a run.

    Args:
      cache_dir: the folder.

    Returns:
      List of Findings.
    """
    entries = sorted(os.listdir(cache_dir)) if os.path.isdir(cache_dir) else []
    folders = [
        os.path.join(cache_dir, name)
        for name in entries
        if not name.startswith(".") and os.path.isdir(os.path.join(cache_dir, name))
    ]
    if not folders:
        return [Finding("prepared data", f"none in {shown(cache_dir)}", GOOD)]
    # Checksums of all arrays are computed, which takes a while for large ones.
    bar = tqdm(folders, desc="checking prepared data", unit="folder", leave=False, disable=None)
    return [_prepared(folder) for folder in bar]


def _prepared(folder):
    name = os.path.basename(folder)
    try:
        store = SequenceStore.load(folder)
    except DamagedStore as damage:
        reason = str(damage).split(": not usable prepared data: ")[-1].split(";")[0]
        suggestion = f"delete {shown(folder)}; the next run prepares the data again"
        return Finding("prepared data", f"{name} is damaged: {reason}", PROBLEM, suggestion)
    synthetic = " SYNTHETIC," if store.meta.get("synthetic") else ""
    text = (
        f"{name}: sound;{synthetic} {store.num_users:,} users, {store.num_items:,} items, "
        f"{len(store.items):,} records"
    )
    return Finding("prepared data", text, GOOD)
