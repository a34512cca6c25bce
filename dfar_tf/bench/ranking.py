"""Ranking the whole catalogue: ms a user of every model, with and without kept products, in one run.

Letters: H histories, T history, I items of the catalogue.
"""

import time

import numpy as np
from tqdm import tqdm

from dfar_tf.bench.steps import peak_gib
from dfar_tf.estimator.scorer import Catalogue, Scorer
from dfar_tf.estimator.session import choose_devices, cores, on_cpu
from dfar_tf.experiments.results import say_written, write_results
from dfar_tf.models import model_names
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.tables import format_table

CATALOGUES = (5000, 30000, 129092)  # the last is Micro-video's
PAIRS = 8192  # pairs of a call before


def bench_ranking(hparams, steps=64, output=None, command="", say=print, models=None):
    """Measures encoding H histories and scoring all items for them, as it was and as it is.

    Before: blocks of ``PAIRS`` pairs through ``score``. After: ``Catalogue``. The weights are random.

    Args:
      hparams: ``device``, ``seed`` and ``max_seq_length``.
      steps: users at the smallest catalogue; at a larger one in proportion fewer, at least 4.
      output: folder of the results.
      command: the command line.
      say: called with each line to print.
      models: names; all models if None.

    Returns:
      Rows: model, items, users, ms a user before, after, ratio, largest difference of the scores.
    """
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    kept = {name: getattr(hparams, name) for name in ("device", "seed", "max_seq_length")}
    points = [(name, items) for name in models or model_names() for items in CATALOGUES]
    rows = []
    for name, items in tqdm(points, "ranking", unit="point", leave=False):
        users = max(4, steps * CATALOGUES[0] // items)
        hp = merge_hparams("amazon", **{**kept, "model_type": name})
        rows.append([name, items, users, *_measured(hp, items, users)])
    headers = ["model", "items", "users", "before, ms a user", "after, ms a user", "ratio"]
    headers.append("largest difference")
    about = {
        "command": command,
        "data": f"SYNTHETIC random histories of {hparams.max_seq_length}, random weights",
        "device": "CPU" if on_cpu(config) else "GPU",
        "cores": cores(),
        "peak GiB": round(peak_gib(), 2),
        "synthetic": True,
    }
    shown = [
        [r[0], f"{r[1]:,}", str(r[2]), f"{r[3]:.1f}", f"{r[4]:.1f}", f"{r[5]:.1f} x", f"{r[6]:.0e}"]
        for r in rows
    ]
    title = (
        f"TensorFlow {tf.__version__}, {about['device']}, {cores()} cores, SYNTHETIC histories; all in "
        f"one run, peak {about['peak GiB']} GiB"
    )
    say("\n" + format_table(headers, shown, title, "lrrrrrr"))
    notes = [
        "before: one call for each block of 8,192 pairs, each history by itself in a larger catalogue; "
        "after: histories together, what depends on an item alone kept between them."
    ]
    say_written(
        write_results(
            "bench-ranking", headers, rows, about, output, notes, shown_as=(headers, shown)
        ),
        say=say,
    )
    return rows


def _measured(hp, items, users):
    """ms a user before and after, their ratio, and the largest difference of the scores."""
    random = np.random.RandomState(hp.seed)
    shape = [users, hp.max_seq_length]
    histories = {
        "history_items": random.randint(1, items + 1, shape),
        "history_labels": random.randint(0, 2, shape),
        "history_mask": np.ones(shape, np.float32),
        "user": np.arange(users),
    }
    ids = np.arange(1, items + 1, dtype=np.int32)
    scorer = Scorer(hp, items, users)
    try:
        catalogue = Catalogue(scorer, ids)
        few = {name: value[:2] for name, value in histories.items()}
        _before(scorer, few, ids[:PAIRS])
        Catalogue(scorer, ids[: PAIRS // 2]).scores(scorer.encode(few))
        started = time.perf_counter()
        before = _before(scorer, histories, ids)
        middle = time.perf_counter()
        after = catalogue.scores(scorer.encode(histories))
        seconds = middle - started, time.perf_counter() - middle
    finally:
        scorer.close()
    gap = float(np.abs(before - after).max())
    return [1e3 * seconds[0] / users, 1e3 * seconds[1] / users, seconds[0] / seconds[1], gap]


def _before(scorer, histories, ids):
    """Logits [H, I] by ``score`` alone."""
    state = scorer.encode(histories)
    rows, block = len(histories["user"]), min(len(ids), PAIRS)
    together, found = max(1, PAIRS // block), []
    for first in range(0, rows, together):
        some = {name: value[first : first + together] for name, value in state.items()}
        parts = [
            scorer.score(some, ids[None, start : start + block])
            for start in range(0, len(ids), block)
        ]
        found.append(np.concatenate(parts, 1))
    return np.concatenate(found)
