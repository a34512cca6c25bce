"""Training and prediction of one model on one store, through ``tf.estimator``."""

import contextlib
import dataclasses
import glob
import logging
import os

import numpy as np

from dfar_tf.estimator.checkpoints import (
    NAME,
    STATE,
    CheckpointFitsHook,
    damage,
    point_to,
    recover,
    sweep_saves,
)
from dfar_tf.estimator.cluster.hooks import PROGRESS_FILE
from dfar_tf.estimator.epochs import VALIDATED, EpochHook, join_predictions
from dfar_tf.estimator.features import VARIABLE, feature_hooks
from dfar_tf.estimator.initial import initial_hooks
from dfar_tf.estimator.model_fn import make_model_fn
from dfar_tf.estimator.ranking import add_scorer, sample_ranking
from dfar_tf.estimator.samples import validation_rows
from dfar_tf.estimator.session import (
    check_precision,
    choose_devices,
    configure,
    device_line,
    in_one_thread,
)
from dfar_tf.estimator.signals import Interrupts
from dfar_tf.estimator.state import TrainingState
from recommenders_utils.backend import tf
from recommenders_utils.checksums import DamagedFile, check, check_folder, seal
from recommenders_utils.errors import UserError
from recommenders_utils.io import make_iterator
from recommenders_utils.temporaries import restore

logger = logging.getLogger(__name__)

CHECKPOINTS, BEST = "checkpoints", "best"
TRAIN_AGAIN = "Restore a copy of it, or train again in another --run_dir."
UNWRITABLE = {  # what TensorFlow says -> what the user can do
    "No space left": "the disk is full. Free space",
    "File too large": "the disk is full. Free space",
    "Disk quota exceeded": "the disk quota is used up. Free space",
    "Permission denied": "the folder is not writable. Make it writable",
    "Read-only file system": "the disk is read-only. Make it writable",
}


@dataclasses.dataclass
class Trained:
    """A finished training.

    Attributes:
      checkpoint: path of the best epoch's checkpoint.
      epochs: one dict per epoch.
      best_epoch: number of the best.
      parameters: how many trainable numbers the model has.
    """

    checkpoint: str
    epochs: list
    best_epoch: int
    parameters: int


def train(hparams, store, run_dir, evaluate):
    """Trains until the last epoch or until validation stops improving; resumes an existing run.

    Args:
      hparams: the merged hyper-parameters.
      store: a ``SequenceStore``.
      run_dir: folder of the run; ``checkpoints/`` and ``best/`` are made in it.
      evaluate: predictions -> dict of validation metrics, ``early_stop_metric`` among them unless it is
        of the whole catalogue.

    Returns:
      Trained.

    Raises:
      UserError: a batch size that is not a multiple of the devices; a loss that is not finite; no
        usable checkpoint among the existing ones; a full disk; a cluster's run.
    """
    config, strategy, replicas = choose_devices(hparams.device)
    logger.debug(device_line(hparams.device, config))
    check_precision(config, hparams)
    if hparams.batch_size % replicas:
        raise UserError(
            f"batch_size: {hparams.batch_size} is not a multiple of {replicas} devices."
        )
    iterator = make_iterator(store, hparams)
    folder, best_dir = (os.path.join(run_dir, name) for name in (CHECKPOINTS, BEST))
    if os.path.exists(os.path.join(folder, PROGRESS_FILE)):
        raise UserError(
            f"{run_dir}: holds a run of a cluster, which counts steps differently. Resume it on a "
            "cluster (docs/cluster.md), or give another --run_dir."
        )
    os.makedirs(best_dir, exist_ok=True)
    state = TrainingState(
        folder, hparams.early_stop_metric, hparams.EARLY_STOP, hparams.patience_from or None
    )
    steps = iterator.steps_per_epoch(hparams.batch_size)
    per_replica = hparams.batch_size // replicas
    with explained(folder):
        step = recover(folder, lambda step: state.knows(step, steps))
    for each in (best_dir, os.path.join(folder, VALIDATED)):
        sweep_saves(each)
    state.truncate(step, steps)
    # One pipeline feeds all devices, one batch per device and step.
    first = divmod(step * replicas, iterator.steps_per_epoch(per_replica))
    if hparams.deterministic and strategy is None:
        config = in_one_thread(config)
    rows = validation_rows(hparams, store, run_dir)
    validation = lambda: iterator.eval_dataset("valid", rows=rows)  # noqa: E731
    sizes = iterator.num_items, store.num_users
    ranking = sample_ranking(hparams, iterator, run_dir)
    model_fn = make_model_fn(
        hparams,
        *sizes,
        None if strategy else validation,
        beside=add_scorer if ranking and not strategy else None,
    )
    estimator = make_estimator(model_fn, hparams, folder, config, strategy)
    interrupts = Interrupts()
    hook = EpochHook(
        state,
        folder,
        best_dir,
        steps,
        iterator.num_train(),
        hparams.epochs,
        evaluate,
        validate_checkpoint=(lambda path: predict(hparams, store, "valid", path, rows))
        if strategy
        else None,
        ranking=ranking,
        show_progress=hparams.show_progress,
        checkpoint_every=hparams.checkpoint_every,
        interrupts=interrupts,
    )
    if not (state.should_stop() or len(state.epochs) >= hparams.epochs):
        with explained(folder), interrupts:
            fits = CheckpointFitsHook(tf.train.latest_checkpoint(folder))
            estimator.train(
                lambda: iterator.train_dataset(first[0], per_replica, first[1]),
                hooks=[fits, *initial_hooks(run_dir), *feature_hooks(store), hook],
            )
    best = _settled(best_dir, state)
    return Trained(best, state.epochs, state.best_epoch(), count_parameters(best))


def best_checkpoint(run_dir):
    """Path of the best epoch's checkpoint of a run.

    Raises:
      UserError: there is none.
    """
    restore(os.path.join(run_dir, BEST))
    folder = os.path.join(run_dir, BEST)
    check_folder(folder, TRAIN_AGAIN)
    try:
        state = tf.train.get_checkpoint_state(folder)
    except Exception as error:  # the two TensorFlows raise several kinds for a damaged file
        raise DamagedFile(
            f"{os.path.join(folder, STATE)}: is damaged ({type(error).__name__}). {TRAIN_AGAIN}"
        ) from None
    # By its name alone: the folder may have been moved since it was written.
    name = os.path.basename(state.model_checkpoint_path) if state else ""
    path = os.path.join(folder, name)
    if not name or not os.path.exists(path + ".index"):
        raise UserError(f"{run_dir}: no checkpoint in {BEST}/; train first.")
    trouble = damage(path)
    if trouble:
        raise DamagedFile(f"{path}: is damaged: {trouble}. {TRAIN_AGAIN}")
    return path


def predict(hparams, store, split, checkpoint, rows=None):
    """Scores the stored candidates of a split, or of some of its instances, with a checkpoint.

    Returns:
      dict of flat arrays, one row per candidate in instance order (see ``join_predictions``).
    """
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    iterator = make_iterator(store, hparams)
    model_fn = make_model_fn(hparams, iterator.num_items, store.num_users)
    estimator = make_estimator(model_fn, hparams, os.path.dirname(checkpoint), config)
    batches = estimator.predict(
        lambda: iterator.eval_dataset(split, rows=rows),
        hooks=[CheckpointFitsHook(checkpoint)],
        checkpoint_path=checkpoint,
        yield_single_examples=False,
    )
    with explained(checkpoint):
        flat = join_predictions(list(batches))
    # The store's ids, whatever vocabulary the model reads.
    candidates = np.asarray(store.splits[split].candidates)
    candidates = candidates if rows is None else candidates[rows]
    flat["item"] = candidates[candidates > 0]
    return flat


def make_estimator(model_fn, hparams, folder, session_config, strategy=None):
    """An Estimator that seeds TensorFlow and leaves checkpoints and logs to ``EpochHook``."""
    config = tf.estimator.RunConfig(
        model_dir=folder,
        tf_random_seed=hparams.seed,
        session_config=configure(session_config, hparams),
        save_summary_steps=hparams.log_every,
        save_checkpoints_steps=None,
        save_checkpoints_secs=None,
        log_step_count_steps=None,
        train_distribute=strategy,
    )
    return tf.estimator.Estimator(model_fn, config=config)


def count_parameters(checkpoint):
    """Trainable numbers in a checkpoint: no optimiser slots, moving statistics or step."""
    shapes = dict(tf.train.list_variables(checkpoint))
    leave = (
        "moving_mean",
        "moving_variance",
        tf.GraphKeys.GLOBAL_STEP,
        VARIABLE,
        "STOP",  # a cluster's signal to stop early
        "beta1_power",
        "beta2_power",
    )
    slots = ("Adam", "Adam_1", "Adagrad")
    return sum(
        int(np.prod(shape))
        for name, shape in shapes.items()
        if name.split("/")[-1] not in (*leave, *slots)
    )


@contextlib.contextmanager
def explained(path, then="then resume with --run_dir and --resume"):
    """Turns TensorFlow's errors about an unwritable disk into messages that say what to do ``then``."""
    try:
        yield
    except (UserError, OSError):
        raise  # which already say what to do
    except Exception as error:
        # No narrower kind: the writer of TensorBoard's events raises IndexError for "File too large".
        text = str(error)
        for sign, what in UNWRITABLE.items():
            if sign in text:
                raise UserError(f"{path}: {what}, {then}.") from None
        raise


def global_step_of(folder):
    """The step of the newest checkpoint in a folder; 0 where there is none."""
    path = tf.train.latest_checkpoint(folder)
    if path is None:
        return 0
    return int(tf.train.load_variable(path, tf.GraphKeys.GLOBAL_STEP))


def _settled(folder, state):
    """Path of the best epoch's checkpoint, which becomes the one that ``best_checkpoint`` names."""
    step = state.epochs[state.best_epoch() - 1]["step"]
    path = os.path.join(folder, f"{NAME}-{step}")
    for each in glob.glob(glob.escape(path) + ".*"):
        check(each, TRAIN_AGAIN)
    trouble = damage(path)
    if trouble:
        raise UserError(
            f"{path}: the best epoch's checkpoint cannot be used: {trouble}. {TRAIN_AGAIN}"
        )
    point_to(folder, step)
    seal(folder)
    return path
