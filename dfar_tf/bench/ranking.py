"""Ranking the whole catalogue: ms a user of every model, with and without kept products, in one run.

Letters: H histories, T history, I items of the catalogue.
"""

import multiprocessing
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.bench.steps import peak_gib
from dfar_tf.estimator.catalogue import Catalogue
from dfar_tf.estimator.scorer import Scorer
from dfar_tf.estimator.session import choose_devices, cores, on_cpu
from dfar_tf.experiments.results import say_written, write_results
from dfar_tf.models import model_names
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.tables import format_table

CATALOGUES = (5000, 30000, 129092)  # the last is Micro-video's
PAIRS = 8192  # pairs of a call before
ROUNDS, LONG = 5, 3  # rounds at most; seconds after which no further one begins


def bench_ranking(hparams, steps=64, output=None, command="", say=print, models=None):
    """Measures encoding H histories and scoring all items for them, as it was and as it is.

    Before: blocks of ``PAIRS`` pairs through ``score``. First: the first call of a ``Catalogue``. After:
    a later one, with kept products. The three alternate for some rounds; of each the fastest counts.
    The weights are random. The memory is that of a process of its own,
    which only scores the catalogue.

    Args:
      hparams: ``device``, ``seed`` and ``max_seq_length``.
      steps: users at the smallest catalogue; at a larger one in proportion fewer, at least 4.
      output: folder of the results.
      command: the command line.
      say: called with each line to print.
      models: names; all models if None.

    Returns:
      Rows: model, items, users, ms a user before, first, after, ratio of before to after, largest
      difference of the scores, GiB that a process took for the calls first and after.
    """
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    kept = {name: getattr(hparams, name) for name in ("device", "seed", "max_seq_length")}
    points = [(name, items) for name in models or model_names() for items in CATALOGUES]
    rows = []
    for name, items in tqdm(points, "ranking", unit="point", leave=False):
        users = max(4, steps * CATALOGUES[0] // items)
        hp = merge_hparams("amazon", **{**kept, "model_type": name})
        rows.append([name, items, users, *_measured(hp, items, users), alone(hp, items, users)])
    headers = ["model", "items", "users", "before, ms a user", "first call", "after", "ratio"]
    headers += ["largest difference", "GiB"]
    about = {
        "command": command,
        "data": f"SYNTHETIC random histories of {hparams.max_seq_length}, random weights",
        "device": "CPU" if on_cpu(config) else "GPU",
        "cores": cores(),
        "peak GiB": round(peak_gib(), 2),
        "synthetic": True,
    }
    shown = [
        [
            *(r[0], f"{r[1]:,}", str(r[2])),
            *(f"{value:.1f}" for value in r[3:6]),
            *(f"{r[6]:.1f} x", f"{r[7]:.0e}", f"{r[8]:.2f}"),
        ]
        for r in rows
    ]
    title = (
        f"TensorFlow {tf.__version__}, {about['device']}, {cores()} cores, SYNTHETIC histories; all in "
        f"one run, peak {about['peak GiB']} GiB"
    )
    say("\n" + format_table(headers, shown, title, "lrrrrrrrr"))
    notes = [
        "before: one call for each block of 8,192 pairs, each history by itself in a larger catalogue; "
        "first call, after: histories together, what depends on an item alone computed once for them, "
        "after the first call kept. The fastest of alternating rounds. GiB: the most of a process "
        "that only did a first call and two later ones."
    ]
    say_written(
        write_results(
            "bench-ranking", headers, rows, about, output, notes, shown_as=(headers, shown)
        ),
        say=say,
    )
    return rows


def _measured(hp, items, users):
    """ms a user before, first and after, a ratio, and the largest difference of the scores."""
    histories, ids = _histories(hp, items, users), np.arange(1, items + 1, dtype=np.int32)
    scorer = Scorer(hp, items, users)
    try:
        few = {name: value[:2] for name, value in histories.items()}
        _before(scorer, few, ids[:PAIRS])
        kept = Catalogue(scorer, ids)
        for _ in range(2):  # the second call keeps the products
            kept.scores(scorer.encode(few))
        ways = (
            lambda: _before(scorer, histories, ids),
            lambda: Catalogue(scorer, ids).scores(scorer.encode(histories)),
            lambda: kept.scores(scorer.encode(histories)),
        )
        begun, rounds = time.perf_counter(), []
        while len(rounds) < ROUNDS and (not rounds or time.perf_counter() - begun < LONG):
            timed = [_timed(way) for way in ways]
            rounds.append([seconds for seconds, _ in timed])
            before, first, after = (found for _, found in timed)
            gap = float(max(np.abs(before - first).max(), np.abs(before - after).max()))
    finally:
        scorer.close()
    fastest = np.min(rounds, 0)
    return [*(1e3 * fastest / users).tolist(), float(fastest[0] / fastest[2]), gap]


def _histories(hp, items, users):
    random = np.random.RandomState(hp.seed)
    shape = [users, hp.max_seq_length]
    return {
        "history_items": random.randint(1, items + 1, shape),
        "history_labels": random.randint(0, 2, shape),
        "history_mask": np.ones(shape, np.float32),
        "user": np.arange(users),
    }


def alone(hp, items, users):
    """GiB that a new process takes to score all items for the histories three times."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (hp.values(), items, users))


def _peak(values, items, users):
    hp = merge_hparams("amazon", **values)
    scorer = Scorer(hp, items, users)
    try:
        kept = Catalogue(scorer, np.arange(1, items + 1, dtype=np.int32))
        for _ in range(3):
            kept.scores(scorer.encode(_histories(hp, items, users)))
    finally:
        scorer.close()
    return peak_gib()


def _timed(way):
    started = time.perf_counter()
    found = way()
    return time.perf_counter() - started, found


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
