"""Training by several processes: ``tf.estimator.train_and_evaluate`` under ``TF_CONFIG``.

Asynchronous, as in a plain Estimator: the parameter servers hold the variables; the chief and each
worker read them, compute a batch's gradient and apply it without waiting. A gradient may therefore
belong to weights that others have changed since, and no two runs are the same.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import types

from dfar_tf.estimator.cluster.evaluator import EarlyStop, ValidationHook
from dfar_tf.estimator.cluster.hooks import PROGRESS_FILE, ChiefHook, TrainerHook
from dfar_tf.estimator.cluster.task import CHIEF, EVALUATOR, without_proxies
from dfar_tf.estimator.features import feature_hooks
from dfar_tf.estimator.initial import initial_hooks
from dfar_tf.estimator.model_fn import make_model_fn
from dfar_tf.estimator.ranking import sample_ranking
from dfar_tf.estimator.samples import validation_rows
from dfar_tf.estimator.session import choose_devices, device_line
from dfar_tf.estimator.state import TrainingState
from dfar_tf.estimator.training import (
    BEST,
    CHECKPOINTS,
    Trained,
    best_checkpoint,
    count_parameters,
    explained,
    global_step_of,
)
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json
from recommenders_utils.io import make_iterator

logger = logging.getLogger(__name__)

ASK_EVERY = 2  # seconds between two checks by the chief for early stopping
LEAVE = 5  # seconds that a parameter server gives the others to exit
LOOK_EVERY = 0.2  # seconds between two checks by a worker for the chief


def train_task(task, hparams, store, run_dir, evaluate):
    """Runs a training task or the evaluator, and returns when it is done.

    Args:
      task: ``Task`` of kind chief, worker or evaluator; ``TF_CONFIG`` must say the same.
      hparams: the merged hyper-parameters.
      store: a ``SequenceStore``, the same in all tasks.
      run_dir: folder of the run, which chief, parameter servers and evaluator share.
      evaluate: predictions -> dict of validation metrics, ``early_stop_metric`` among them.

    Returns:
      Trained in the evaluator, None in the others.

    Raises:
      UserError: the loss is no longer finite; fewer instances than training tasks;
        ``iterator=released``; a single-process run.
    """
    iterator = make_iterator(store, hparams)
    folder, best_dir = (os.path.join(run_dir, name) for name in (CHECKPOINTS, BEST))
    if global_step_of(folder) and not os.path.exists(os.path.join(folder, PROGRESS_FILE)):
        raise UserError(
            f"{run_dir}: holds a single-process run, which counts steps differently. Resume it "
            "without a cluster, or give another --run_dir."
        )
    _, shards = task.shard
    steps = iterator.steps_per_epoch(shards=shards)
    state = _state(hparams, folder)
    model_fn = make_model_fn(hparams, iterator.num_items, store.num_users, asynchronous=True)
    estimator = _make_estimator(task, model_fn, hparams, folder)
    over = state.should_stop() or _last_step(task, state, folder) >= steps * hparams.epochs
    ranking = rows = None
    if task.kind == EVALUATOR:
        ranking = sample_ranking(hparams, iterator, run_dir)
        rows = validation_rows(hparams, store, run_dir)
    validation = ValidationHook(state, folder, best_dir, evaluate, ranking)
    validated = lambda: iterator.eval_dataset("valid", rows=rows)  # noqa: E731
    if task.kind == EVALUATOR:
        os.makedirs(best_dir, exist_ok=True)
        # It asks the Estimator for the newest checkpoint, and would never see those before it.
        estimator.latest_checkpoint = validation.next_checkpoint
    if not over:
        with explained(folder):
            _train_and_evaluate(task, estimator, hparams, iterator, steps, validation, validated)
    if task.kind != EVALUATOR:
        return None
    best = best_checkpoint(run_dir)
    return Trained(best, state.epochs, state.best_epoch(), count_parameters(best))


def serve_parameters(task, run_dir, finished):
    """Serves variables until the run's results are there, then ends this process.

    TensorFlow's parameter servers wait forever.

    Args:
      task: ``Task`` of kind ps.
      run_dir: folder of the run.
      finished: path of the file that is written when the run is over.
    """
    # The server blocks outside of Python, where no Python handler would run.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    folder = os.path.join(run_dir, CHECKPOINTS)
    watched = finished, os.path.join(folder, PROGRESS_FILE)
    threading.Thread(target=_end_when_over, args=watched, daemon=True).start()
    _forget_proxies()
    config = tf.estimator.RunConfig(model_dir=folder)
    nothing = lambda features, labels, mode: None  # noqa: E731, a server builds no graph
    specs = (
        tf.estimator.TrainSpec(lambda: None, max_steps=1),
        tf.estimator.EvalSpec(lambda: None),
    )
    tf.estimator.train_and_evaluate(tf.estimator.Estimator(nothing, config=config), *specs)


def _train_and_evaluate(task, estimator, hparams, iterator, steps, validation, validated):
    folder = estimator.model_dir

    def batches():
        if task.kind != CHIEF:
            _wait_for_chief(os.path.join(folder, PROGRESS_FILE))
        finished = global_step_of(folder) // steps
        return iterator.train_dataset(finished, shard=task.shard)

    own = TrainerHook()
    hooks = [own]
    if task.trains:
        hooks.append(
            tf.estimator.experimental.make_early_stopping_hook(
                estimator,
                lambda: _state(hparams, folder).should_stop(),
                run_every_secs=ASK_EVERY,
            )
        )
    if task.kind == CHIEF:
        # Before the chief tells the others that the variables have their values.
        hooks += [*initial_hooks(os.path.dirname(folder)), *feature_hooks(iterator.store)]
        sizes = steps, iterator.num_train(), hparams.epochs
        hooks.append(ChiefHook(folder, *sizes, show_progress=hparams.show_progress))
    train_spec = tf.estimator.TrainSpec(batches, max_steps=steps * hparams.epochs, hooks=hooks)
    eval_spec = tf.estimator.EvalSpec(
        validated,
        steps=None,
        hooks=[validation],
        start_delay_secs=0,
        throttle_secs=1,
    )
    _forget_proxies()
    with contextlib.suppress(EarlyStop), steady_clock():
        tf.estimator.train_and_evaluate(estimator, train_spec, eval_spec)
    if task.trains:
        logger.info(f"cluster: {task} made {own.steps} of the {train_spec.max_steps} steps")


@contextlib.contextmanager
def steady_clock():
    """Context in which TensorFlow's evaluator measures its waits by a clock that nobody can set.

    It sleeps for what is left of its throttle; by the wall's clock, set back an hour, that is an hour.
    """
    module = sys.modules[tf.estimator.train_and_evaluate.__module__]
    before = module.time
    module.time = types.SimpleNamespace(time=time.monotonic, sleep=time.sleep)
    try:
        yield
    finally:
        module.time = before


def _make_estimator(task, model_fn, hparams, folder):
    session_config, _, _ = choose_devices(hparams.device)
    logger.info(device_line(hparams.device, session_config))
    session_config.device_filters.extend(task.device_filters)
    config = tf.estimator.RunConfig(
        model_dir=folder,
        tf_random_seed=hparams.seed,
        session_config=session_config,
        save_summary_steps=hparams.log_every,
        save_checkpoints_steps=None,
        save_checkpoints_secs=None,
        log_step_count_steps=None,
        # They wait for the chief instead.
        experimental_max_worker_delay_secs=0,
    )
    return tf.estimator.Estimator(model_fn, config=config)


def _state(hparams, folder):
    return TrainingState(
        folder, hparams.early_stop_metric, hparams.EARLY_STOP, hparams.patience_from or None
    )


def _last_step(task, state, folder):
    """The task's progress: trained steps, or validated ones."""
    if task.kind != EVALUATOR:
        return global_step_of(folder)
    return state.epochs[-1]["step"] if state.epochs else 0


def _forget_proxies():
    kept = without_proxies(os.environ)
    for key in set(os.environ) - set(kept):
        del os.environ[key]


def _wait_for_chief(progress):
    """Returns once the chief has given all variables their values, or has left.

    It writes its progress then, and every second or so. TensorFlow alone would look every 30 s.
    """
    before = _written(progress)
    while _written(progress) == before:
        if before is not None and read_json(progress)["done"]:
            return
        time.sleep(LOOK_EVERY)


def _end_when_over(finished, progress):
    before = _written(finished)  # of an earlier part of the run
    while _written(finished) in (before, None) or not read_json(progress)["done"]:
        time.sleep(1)
    time.sleep(LEAVE)
    os._exit(0)


def _written(path):
    return os.path.getmtime(path) if os.path.exists(path) else None
