"""Batch and step size on long histories: what a larger batch gains in speed and costs in what is learnt."""

import tempfile
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.bench.options import long_log
from dfar_tf.estimator.epochs import join_predictions
from dfar_tf.estimator.model_fn import VALIDATION, make_model_fn
from dfar_tf.estimator.session import choose_devices, configure, cores, on_cpu
from dfar_tf.experiments.results import say_written, write_results
from recommenders_utils.backend import tf
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.io import make_iterator
from recommenders_utils.tables import format_table

BATCHES = (20, 50, 200)  # the first is the paper's
RATES = (1e-4, 1e-3, 3e-3)  # the first is the paper's
SAMPLE, EVAL_BATCH = 2000, 200  # validation instances, and how many are scored at a time


def bench_batches(hparams, steps=1000, output=None, command="", say=print):
    """Trains on equally many targets with every batch size and step size, each from the same weights.

    Args:
      hparams: the merged hyper-parameters; those that make the log's shape are set here.
      steps: training steps at the first batch size; the others take as many targets.
      output: folder of the results.
      command: the command line.
      say: called with each line to print.

    Returns:
      Rows: batch, step size, ms a step, targets a second, validation instances a second, validation AUC
      before training and after.
    """
    rows, targets = [], steps * BATCHES[0]
    hparams = hparams.replace(eval_batch_size=EVAL_BATCH)
    with tempfile.TemporaryDirectory(prefix="dfar-bench-") as folder:
        hp, store = long_log(hparams, folder)
        every = [(batch, rate) for batch in BATCHES for rate in RATES]
        for batch, rate in tqdm(every, "batches", unit="run", leave=False):
            settings = hp.replace(batch_size=batch, learning_rate=rate)
            rows.append([batch, rate, *_trained(settings, store, max(1, targets // batch))])
    config, _, _ = choose_devices(hparams.device)
    headers = ["batch", "step size", "step, ms", "targets/s", "validated/s"]
    headers += ["AUC before", f"AUC after {targets:,} targets"]
    about = {
        "command": command,
        "data": f"SYNTHETIC, Micro-video's shape, T {hp.max_seq_length}",
        "statistics": store.meta["statistics"],
        "model": hparams.model_type,
        "device": "CPU" if on_cpu(config) else "GPU",
        "cores": cores(),
        "synthetic": True,
    }
    kinds = ("{:,}", "{:g}", "{:.1f}", "{:,.0f}", "{:,.0f}", "{:.4f}", "{:.4f}")
    shown = [[kind.format(value) for kind, value in zip(kinds, row)] for row in rows]
    title = (
        f"TensorFlow {tf.__version__}, {about['device']}, {cores()} cores, SYNTHETIC log of Micro-video's "
        f"shape, {len(store.items):,} records, T {hp.max_seq_length}; {targets:,} targets each"
    )
    say("\n" + format_table(headers, shown, title, "r" * len(headers)))
    say_written(
        write_results("bench-batches", headers, rows, about, output, shown_as=(headers, shown)),
        say=say,
    )
    return rows


def _trained(hp, store, steps):
    """(ms a step, targets a second, validation instances a second, AUC before, AUC after): medians."""
    iterator = make_iterator(store, hp)
    part = np.arange(len(store.splits["valid"]))
    part = np.sort(np.random.RandomState(hp.seed).permutation(part)[:SAMPLE])
    config, _, _ = choose_devices(hp.device)
    with tf.Graph().as_default():
        tf.set_random_seed(hp.seed)
        tf.train.create_global_step()
        features = tf.data.make_one_shot_iterator(iterator.train_dataset()).get_next()
        validation = lambda: iterator.eval_dataset("valid", rows=part)  # noqa: E731
        model_fn = make_model_fn(hp, iterator.num_items, store.num_users, validation)
        step = model_fn(features, None, tf.estimator.ModeKeys.TRAIN).train_op
        with tf.Session(config=configure(config, hp)) as session:
            session.run(tf.global_variables_initializer())
            before, _ = _validated(session, hp)
            seconds = np.median([_timed(session, step)[1] for _ in range(steps)])
            after, validated = _validated(session, hp)
    return 1e3 * seconds, hp.batch_size / seconds, validated, before, after


def _validated(session, hp):
    """(AUC of the sample, instances a second)."""
    ((initializer, predictions),) = tf.get_collection(VALIDATION)
    session.run(initializer)
    batches, rates = [], []
    while True:
        try:
            batch, seconds = _timed(session, predictions)
        except tf.errors.OutOfRangeError:
            break
        batches.append(batch)
        rates.append(len(batch["user"]) / seconds)
    auc = evaluate_predictions(join_predictions(batches), ["auc"], hp.ties)["auc"]
    return float(auc), float(np.median(rates))


def _timed(session, fetches):
    started = time.perf_counter()
    found = session.run(fetches)
    return found, time.perf_counter() - started
