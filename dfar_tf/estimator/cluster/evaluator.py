"""The work of a cluster's evaluator: validate each checkpoint and keep the best."""

import logging
import os
import shutil
import time

from dfar_tf.estimator.cluster.hooks import PROGRESS_FILE, existing, step_of
from dfar_tf.estimator.epochs import join_predictions
from dfar_tf.estimator.messages import epoch_lines
from dfar_tf.estimator.model_fn import EVALUATED
from recommenders_utils.backend import tf
from recommenders_utils.checksums import seal
from recommenders_utils.files import atomic_directory, read_json

logger = logging.getLogger(__name__)


class EarlyStop(Exception):
    """Ends the evaluator's loop, which TensorFlow ends at the last step only."""


class ValidationHook(tf.estimator.SessionRunHook):
    """Computes the metrics of each evaluation and keeps the best checkpoint.

    Args:
      state: the run's ``TrainingState``.
      folder: of the checkpoints.
      best_dir: folder of the best one.
      evaluate: predictions -> dict of metrics.
      ranking: ``SampleRanking`` whose metrics join those, or None.
    """

    def __init__(self, state, folder, best_dir, evaluate, ranking=None):
        self.state, self.folder, self.best_dir = state, folder, best_dir
        self.evaluate, self.ranking = evaluate, ranking

    def next_checkpoint(self):
        """Path of the oldest checkpoint that is not validated yet; None where there is none.

        TensorFlow's evaluator takes the newest and skips those written while it was busy; the best
        epoch might be among them.
        """
        last = self.state.epochs[-1]["step"] if self.state.epochs else 0
        pending = [path for path, _ in existing(self.folder) if step_of(path) > last]
        return min(pending, key=step_of) if pending else None

    def begin(self):
        """Finds the predictions."""
        self.predictions = tf.get_collection(EVALUATED)[0]
        self.global_step = tf.train.get_global_step()
        self.started, self.batches = time.monotonic(), []

    def before_run(self, run_context):
        """Asks for a batch's predictions."""
        return tf.estimator.SessionRunArgs(self.predictions)

    def after_run(self, run_context, run_values):
        """Keeps them."""
        self.batches.append(run_values.results)

    def end(self, session):
        """Notes the epoch; raises EarlyStop when patience is exhausted."""
        path = self.next_checkpoint()
        metrics = self.evaluate(join_predictions(self.batches))
        if self.ranking is not None:
            metrics = {**metrics, **self.ranking.of_checkpoint(path)}
        notes = read_json(os.path.join(self.folder, PROGRESS_FILE))["saved"]
        record = {
            "epoch": len(self.state.epochs) + 1,
            # The weights moved while they were saved: the step in the file may be past its name's.
            "step": int(session.run(self.global_step)),
            **notes[str(step_of(path))],
            "validation_seconds": round(time.monotonic() - self.started, 3),
            "validation": metrics,
        }
        self.state.epochs.append(record)
        best = self.state.best_epoch() == record["epoch"]
        self.state.epochs.pop()
        if best:
            # Before the epoch is noted, so that a process killed in between repeats it.
            keep_best(path, self.best_dir)
        self.state.add(record)
        self._forget(path)
        line, detail = epoch_lines(record, None, self.state.metric, best=best)
        logger.info(line)
        logger.debug(detail)
        if self.state.should_stop():
            raise EarlyStop

    def _forget(self, path):
        """Removes validated checkpoints except the newest, from which the chief would resume."""
        for other, _ in existing(self.folder)[:-1]:
            if step_of(other) <= step_of(path):
                for name in files_of(other):
                    os.unlink(name)


def keep_best(path, best_dir):
    """Makes ``best_dir`` a folder of this checkpoint alone."""
    with atomic_directory(best_dir) as folder:
        for name in files_of(path):
            shutil.copy2(name, folder)
        tf.train.update_checkpoint_state(folder, os.path.basename(path))
        seal(folder)


def files_of(path):
    """The files of a checkpoint, the index first: without it the others are no checkpoint."""
    folder, prefix = os.path.split(path)
    names = [name for name in os.listdir(folder) if name.startswith(prefix + ".")]
    return [os.path.join(folder, name) for name in sorted(names, key=lambda n: ".index" not in n)]
