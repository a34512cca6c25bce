"""Finds the log of a run and its reader."""

import os

from dfar_tf.paths import ADAPTERS, ROOT, in_checkout, shown, typed
from dfar_tf.runs.log_files import layouts_of, log_files, unread_siblings
from recommenders_utils.dataset.sources import Source, find_ratings, name_of
from recommenders_utils.errors import UserError
from recommenders_utils.reading.recognise import RECOGNISED, choose
from recommenders_utils.reading.records import RecordReader, and_more, ratings_reader

# KuaiRand's files that have likes and hates, below data/, in the order they are looked for.
KUAIRAND_FILES = (
    "kuairand_like_hate.tsv.gz",
    "kuairand_like_hate.tsv",
    "log_standard_4_08_to_4_21_27k_part1.csv",
    "log_standard_4_08_to_4_21_1k.csv",
    "log_standard_4_08_to_4_21_pure.csv",
)


def find_data(hparams, root=ROOT, say=print):
    """The log that hyper-parameters name, or ratings wherever they are found.

    Args:
      hparams: ``interactions``, ``adapter``, ``ratings`` and ``show_progress``.
      root: the checkout, whose ``data/`` ratings are looked for in.
      say: called with each line to print.

    Returns:
      (Source, the log's ``RecordReader``).

    Raises:
      UserError: both a log and ratings, or an adapter without a log; see ``choose`` and
        ``find_ratings``.
    """
    if not hparams.interactions:
        if hparams.adapter:
            raise UserError(
                f"--adapter={hparams.adapter} applies to --interactions=FILE, which is not given."
            )
        source = find_ratings(hparams.ratings, root, say)
        return source, ratings_reader(source.path, hparams.show_progress)
    if hparams.ratings:
        raise UserError("--ratings and --interactions: give only one of the two.")
    paths = log_files(hparams.interactions)
    layout, form, adapter = choose(paths[0], hparams.adapter, ADAPTERS)
    layouts = layouts_of(layout, paths, form)
    names, synthetic = zip(*map(name_of, paths))
    known = "columns by their common names" if form.name == RECOGNISED else f"adapter {form.name}"
    how = f"{known} ({form.feedback()})"
    if len(paths) > 1:
        how = f"{and_more(list(map(os.path.basename, paths)))}, {how}"
    source = Source(paths[0], and_more(names), any(synthetic), form.overrides(), how)
    reader = RecordReader(layouts, form, hparams.show_progress)
    unread = unread_siblings(layout, paths)
    if unread:
        say(unread)
    missing = [key for key in form.expressions if key in ("finish", "dwell")]
    missing = [key for key in missing if key not in reader.extras]
    if missing:
        say(f"data: no columns for {' and '.join(missing)} of adapter {adapter.name}; ignored")
    return source, reader


def dataset_of(given):
    """Name of the hyper-parameter file for the log that flags give.

    Args:
      given: flags by key: ``interactions``, and ``adapter`` if there.

    Raises:
      UserError: no log is given; see ``choose``.
    """
    path = given.get("interactions")
    if not path or path == "null":
        raise UserError(
            "--interactions=FILE is needed: a CSV or TSV log, plain or gzipped, or Parquet. Ratings of "
            f"Amazon's need no flag: {typed('amazon')}."
        )
    adapter = given.get("adapter")
    path = log_files(path)[0]
    _, _, adapter = choose(path, None if adapter == "null" else adapter, ADAPTERS)
    name = adapter.hparams or "interactions"
    file = os.path.join(os.path.dirname(ADAPTERS), name + ".yaml")
    if not os.path.isfile(file):
        raise UserError(f"{adapter.path}: hparams: {name!r}: there is no {shown(file)}")
    return name


def find_kuairand(given, folder=None):
    """The KuaiRand log that a flag gives, else one below ``data/``.

    Args:
      given: flags by key.
      folder: where to look; ``data/`` of the checkout if None.

    Returns:
      ``given``, with ``interactions`` and ``adapter``.

    Raises:
      UserError: neither is there, with where to get it.
    """
    folder = folder or in_checkout("data")
    path = given.get("interactions")
    for name in KUAIRAND_FILES:
        if not path and os.path.isfile(os.path.join(folder, name)):
            path = os.path.join(folder, name)
    if not path:
        raise UserError(
            f"there is no KuaiRand log in {shown(folder)} (looked for {', '.join(KUAIRAND_FILES)}). Get "
            "KuaiRand-27K, or the smaller KuaiRand-1K or KuaiRand-Pure, from its authors at "
            "https://kuairand.com, and pass one of its logs as --interactions=FILE. "
            f"`{typed('data kuairand-1k')}` fetches that of 1,000 users."
        )
    return {"adapter": "kuairand", **given, "interactions": path}


def require_log(given, adapter, known):
    """``given`` with an adapter, unless it has one.

    Args:
      given: flags by key.
      adapter: name of the adapter of a command's own data.
      known: their name in ``data``.

    Raises:
      UserError: no log is given.
    """
    if not given.get("interactions"):
        raise UserError(
            f"--interactions=FILE is needed; `{typed('data ' + known)}` says how to get the data."
        )
    return {"adapter": adapter, **given}
