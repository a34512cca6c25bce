"""A cluster's training tasks besides their steps: count, save after each epoch, report progress."""

import os
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.estimator.model_fn import LOSS_TERMS, TRAINING_LOSS
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json, write_json

PROGRESS_FILE = "cluster_progress.json"  # beside the checkpoints: written by the chief, read by all
EVERY = 1.0  # seconds between two writes of it


class TrainerHook(tf.estimator.SessionRunHook):
    """Counts a task's own steps; stops it when the loss is no longer finite.

    Attributes:
      steps: how many it has made.
    """

    steps = 0

    def begin(self):
        """Finds the loss."""
        self.loss = tf.get_collection(TRAINING_LOSS)[0]

    def before_run(self, run_context):
        """Asks for the loss of the step."""
        return tf.estimator.SessionRunArgs(self.loss)

    def after_run(self, run_context, run_values):
        """Counts; raises UserError if the loss is not finite."""
        self.steps += 1
        if not np.isfinite(run_values.results):
            raise UserError(
                f"The loss is {run_values.results}: training diverged. Lower learning_rate or set "
                "max_grad_norm."
            )


class ChiefHook(tf.estimator.SessionRunHook):
    """Saves a checkpoint whenever the global step passes the end of an epoch, and reports progress.

    All tasks' steps count. What is noted of the loss is of the chief's own steps.

    Args:
      folder: the Estimator's ``model_dir``.
      steps_per_epoch: steps per epoch, of all tasks together.
      targets_per_epoch: training instances per epoch.
      epochs: how many.
      show_progress: whether to draw a bar.
    """

    def __init__(self, folder, steps_per_epoch, targets_per_epoch, epochs, show_progress=True):
        self.folder = folder
        self.steps_per_epoch = steps_per_epoch
        self.targets_per_epoch = targets_per_epoch
        self.epochs = epochs
        self.show_progress = show_progress
        self.path = os.path.join(folder, PROGRESS_FILE)
        self.saved = read_json(self.path)["saved"] if os.path.exists(self.path) else {}
        self.bar = None

    def begin(self):
        """Adds the saver before the graph is closed."""
        # The evaluator removes what it has scored. A sharded save is each parameter server's own work.
        self.saver = tf.train.Saver(
            max_to_keep=self.epochs + 2, sharded=True, save_relative_paths=True
        )
        self.global_step = tf.train.get_global_step()
        self.loss = tf.get_collection(TRAINING_LOSS)[0]
        self.terms = tf.get_collection(LOSS_TERMS)[0]

    def after_create_session(self, session, coord):
        """Tells the workers that the variables exist; also works after a lost session."""
        self.last = int(session.run(self.global_step))
        known = tf.train.latest_checkpoint(self.folder)
        if known is not None:
            self.saver.set_last_checkpoints_with_time(existing(self.folder))
        self._start_epoch()
        self._write(self.last)
        if known is None:
            self._save(session, self.last)
        if self.show_progress and self.bar is None:
            total = self.targets_per_epoch * self.epochs
            self.bar = tqdm(total=total, unit=" targets", desc="cluster", mininterval=0.5)

    def before_run(self, run_context):
        """Asks for the step and the loss with its terms."""
        return tf.estimator.SessionRunArgs([self.global_step, self.loss, self.terms])

    def after_run(self, run_context, run_values):
        """Counts; saves where an epoch's end was passed."""
        step, loss, terms = run_values.results
        step = int(step)
        self.own_steps += 1
        self.sums["loss"] = self.sums.get("loss", 0.0) + float(loss)
        for name, value in terms.items():
            key = "terms/" + name
            self.sums[key] = self.sums.get(key, 0.0) + float(value)
        if time.monotonic() - self.written > EVERY:
            self._write(step)
        if step // self.steps_per_epoch > self.last // self.steps_per_epoch:
            self._finish_epoch(run_context.session)

    def end(self, session):
        """Saves what was trained last."""
        self._finish_epoch(session)
        self._write(self.last, done=True)
        if self.bar is not None:
            self.bar.close()

    def _finish_epoch(self, session):
        step = int(session.run(self.global_step))
        if step == self.last:
            return
        seconds = time.monotonic() - self.started
        targets = self.targets_per_epoch * (step - self.last) / self.steps_per_epoch
        means = {name: value / max(1, self.own_steps) for name, value in self.sums.items()}
        # Noted first, so that any task that sees the checkpoint finds the note.
        self.saved[str(step)] = {
            "seconds": round(seconds, 3),
            "targets_per_second": round(targets / seconds, 1),
            "train_loss": means.pop("loss", None),
            "train_terms": {name[len("terms/") :]: value for name, value in means.items()},
        }
        self._write(step)
        self._save(session, step)
        self.last = step
        self._start_epoch()

    def _start_epoch(self):
        self.started, self.own_steps, self.sums = time.monotonic(), 0, {}

    def _save(self, session, step):
        path = os.path.join(self.folder, "model.ckpt")
        self.saver.save(session, path, global_step=step, write_meta_graph=False)

    def _write(self, step, done=False):
        self.written = time.monotonic()
        most = self.steps_per_epoch * self.epochs
        write_json(self.path, {"step": step, "max_steps": most, "done": done, "saved": self.saved})
        if self.bar is not None:
            reached = min(step, most) * self.targets_per_epoch // self.steps_per_epoch
            self.bar.update(reached - self.bar.n)


def step_of(path):
    """The step in a checkpoint's name."""
    return int(path.rsplit("-", 1)[1])


def existing(folder):
    """[(path, time 0)] of the whole checkpoints in a folder, oldest first, as its state names them."""
    state = tf.train.get_checkpoint_state(folder)
    paths = state.all_model_checkpoint_paths if state else ()
    found = [(path, 0.0) for path in paths if os.path.exists(path + ".index")]
    return sorted(found, key=lambda each: step_of(each[0]))
