"""What the fuzz run calls: each target with a folder of files, an empty one to write to, and options."""

import functools
import os
import types

import fuzz_doors
import numpy as np
from log_case import read_ratings

from dfar_tf import cli, settings
from dfar_tf.paths import HPARAMS
from dfar_tf.serving.histories import Vocabulary
from dfar_tf.serving.lists import choose_users
from dfar_tf.serving.predict import predict_file, probabilities
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.reading.layout import Layout
from recommenders_utils.reading.recognise import choose
from recommenders_utils.reading.records import RecordReader
from recommenders_utils.reading.text import is_gzip, readable, text_blocks
from recommenders_utils.released.instances import import_released
from recommenders_utils.released.rows import released_file_batches
from recommenders_utils.released.vocabulary import read_vocabulary


def _ratings(inside, out, **options):
    read_ratings(os.path.join(inside, "log.csv"), **options)


def _blocks(inside, out, block_bytes, skip):
    path = os.path.join(inside, "log.csv")
    with readable(path):
        layout = Layout(path, is_gzip(path), ",", None, 0, 0, 1, skip, [])
        for _ in text_blocks(layout, block_bytes):
            pass


def _log(inside, out, adapter, block_bytes, max_malformed):
    folder = os.path.join(HPARAMS, "adapters")
    named = os.path.join(inside, adapter) if adapter == "mine.yaml" else adapter
    layout, form, chosen = choose(os.path.join(inside, "log.csv"), named, folder)
    hparams = _merged(chosen.hparams or "interactions")
    hparams = hparams.replace(max_malformed=max_malformed, **form.overrides())
    RecordReader(layout, form, block_bytes=block_bytes).read(hparams)


def _hparams(inside, out, alone):
    mine = os.path.join(inside, "mine.yaml")
    files = [mine] if alone else [settings.hparams_file("base"), mine]
    hparams = prepare_hparams(*files)
    saved = os.path.join(out, "saved.yaml")
    hparams.save(saved)
    hparams.describe()
    assert prepare_hparams(saved) == hparams


def _flags(inside, out, arguments):
    from dfar_tf.commands import train

    _cached_schema()
    options = cli.parse(train, ["train", *arguments])
    if options:
        options.hparams()


@functools.lru_cache(None)
def _merged(dataset):
    return settings.merge_hparams(dataset)


@functools.lru_cache(None)
def _cached_schema():
    """Reads our own YAML files once, not for each case."""
    keys = cli.manual.schema()
    cli.manual.schema = lambda: keys


def _vocabulary():
    store = types.SimpleNamespace(
        num_items=4,
        num_users=2,
        item_ids=np.array(["i1", "i2", "i3", "i:1"]),
        user_ids=np.array(["u1", "u2"]),
        user_offsets=np.array([0, 2, 3]),
        items=np.array([1, 2, 3]),
        levels=np.array([1, 0, 1], np.int8),
        level_names=[],
        level_threshold=1,
        meta={"synthetic": False, "name": "small"},
    )
    return Vocabulary(store, types.SimpleNamespace(ids=np.arange(5)), 5)


def _run():
    """Stands for an open run: all but the model, whose logits are 0."""
    vocabulary = _vocabulary()
    scorer = types.SimpleNamespace(
        encode=lambda arrays: {"state": arrays["history_mask"]},
        score=lambda state, block: np.zeros(block.shape, np.float32),
    )
    hparams = types.SimpleNamespace(show_progress=False)
    return types.SimpleNamespace(
        vocabulary=vocabulary,
        store=vocabulary.store,
        scorer=scorer,
        hparams=hparams,
        dtype=np.float32,
        probabilities=probabilities,
    )


def _rows(inside, out, chunk, output):
    predict_file(_run(), os.path.join(inside, "rows.csv"), os.path.join(out, output), chunk=chunk)


def _histories(inside, out, texts):
    vocabulary = _vocabulary()
    vocabulary.arrays(vocabulary.parsed(texts))


def _lists(inside, out):
    choose_users(_run(), os.path.join(inside, "users.txt"))


def _released(inside, out):
    import_released(inside, say=lambda line: None)


def _released_rows(inside, out, **options):
    for _ in released_file_batches(os.path.join(inside, "lines"), ["0", "1", "x"], **options):
        pass


def _pickle(inside, out, kind):
    read_vocabulary(os.path.join(inside, "vocab.pkl"), kind)


TARGETS = {
    "run_folder": fuzz_doors.run_folder,
    "python": fuzz_doors.python,
    "grid": fuzz_doors.grid,
    "ratings": _ratings,
    "blocks": _blocks,
    "log": _log,
    "hparams": _hparams,
    "flags": _flags,
    "rows": _rows,
    "histories": _histories,
    "lists": _lists,
    "released": _released,
    "released_rows": _released_rows,
    "pickle": _pickle,
}
