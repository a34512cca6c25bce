"""Training for the whole catalogue: seconds an epoch and targets a second of every model, in one run.

Letters: K negatives.
"""

import time

from tqdm import tqdm

from dfar_tf.bench.steps import peak_gib, prepared
from dfar_tf.estimator.model_fn import make_model_fn
from dfar_tf.estimator.session import choose_devices, configure, cores, on_cpu
from dfar_tf.experiments.results import say_written, write_results
from dfar_tf.models import model_names
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.io import make_iterator
from recommenders_utils.tables import format_table

WARM_UP = 2
FEW = 64  # negatives of the two that are compared: of its own for each target, thousands fill the memory
RELEASE_ONLY = ("dfar_released",)  # has no such objective


def bench_retrieval(hparams, steps=10, output=None, command="", say=print, models=None):
    """Measures each model's training steps under ``objective: retrieval``.

    Three ways in turn: with the objective's own negatives, and with ``FEW`` shared by a batch and ``FEW``
    of each target's own.

    Args:
      hparams: ``device`` and ``seed``, and what the generated log needs.
      steps: measured steps of each.
      output: folder of the results.
      command: the command line.
      say: called with each line to print.
      models: names; all that have the objective if None.

    Returns:
      Rows: model, positions, K, seconds an epoch, targets a second; then both with few shared negatives
      and with few of their own, and how many times slower the latter are.
    """
    store, _ = prepared(hparams)
    names = models or [name for name in model_names() if name not in RELEASE_ONLY]
    kept = {name: getattr(hparams, name) for name in ("device", "seed")}
    rows = []
    for name in tqdm(names, "retrieval", unit="model", leave=False):
        hp = merge_hparams("amazon", **{**kept, "model_type": name, "objective": "retrieval"})
        hp = hp.replace(train_num_ngs=min(hp.train_num_ngs, store.num_items - 1))
        few = hp.replace(train_num_ngs=min(FEW, hp.train_num_ngs))
        timed = [
            _measured(each, store, steps) for each in (hp, few, few.replace(shared_negatives=False))
        ]
        slower = timed[2][0] / timed[1][0]
        rows.append([name, hp.positions, hp.train_num_ngs, *sum(timed, ()), slower])
    headers = ["model", "positions", "K", "epoch, s", "targets/s"]
    headers += [f"{FEW} shared: epoch, s", "targets/s ", f"{FEW} own: epoch, s", "targets/s  "]
    headers.append("own / shared")
    config, _, _ = choose_devices(hparams.device)
    about = {
        "command": command,
        "data": "SYNTHETIC, Table 1's Amazon shape",
        "device": "CPU" if on_cpu(config) else "GPU",
        "cores": cores(),
        "peak GiB": round(peak_gib(), 2),
        "synthetic": True,
    }
    kinds = ("{}", "{}", "{:,}", *3 * ("{:.1f}", "{:,.0f}"), "{:.1f} x")
    shown = [[kind.format(value) for kind, value in zip(kinds, row)] for row in rows]
    title = (
        f"TensorFlow {tf.__version__}, {about['device']}, {cores()} cores, SYNTHETIC log of Table 1's Amazon "
        f"shape, {store.num_items:,} items; all in one run, peak {about['peak GiB']} GiB"
    )
    say("\n" + format_table(headers, shown, title, "ll" + "r" * 8))
    notes = [f"Seconds an epoch: {steps} steps after {WARM_UP}, times the steps of an epoch."]
    say_written(
        write_results(
            "bench-retrieval", headers, rows, about, output, notes, shown_as=(headers, shown)
        ),
        say=say,
    )
    return rows


def _measured(hp, store, steps):
    """(seconds an epoch, targets a second) by some of its steps."""
    iterator = make_iterator(store, hp)
    config, _, _ = choose_devices(hp.device)
    with tf.Graph().as_default():
        tf.set_random_seed(hp.seed)
        tf.train.create_global_step()
        model_fn = make_model_fn(hp, iterator.num_items, store.num_users)
        features = tf.data.make_one_shot_iterator(iterator.train_dataset()).get_next()
        spec = model_fn(features, None, tf.estimator.ModeKeys.TRAIN)
        with tf.Session(config=configure(config, hp)) as session:
            session.run(tf.global_variables_initializer())
            for _ in range(WARM_UP):
                session.run(spec.train_op)
            started = time.perf_counter()
            for _ in range(steps):
                session.run(spec.train_op)
            seconds = (time.perf_counter() - started) / steps * iterator.steps_per_epoch()
    return seconds, iterator.num_train() / seconds
