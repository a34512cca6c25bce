"""The session hook that turns steps into epochs: progress, validation, best checkpoint, early stop."""

import logging
import os
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.estimator.checkpoints import checkpoints_in
from dfar_tf.estimator.events import outlive_full_disk
from dfar_tf.estimator.messages import duration, epoch_lines
from dfar_tf.estimator.model_fn import LOSS_TERMS, TRAINING_LOSS, VALIDATION
from dfar_tf.estimator.signals import Interrupts
from recommenders_utils.backend import tf
from recommenders_utils.checksums import seal, unseal
from recommenders_utils.errors import UserError

logger = logging.getLogger(__name__)

VALIDATED = "validated"  # below the checkpoints: those of several devices, to be validated


class EpochHook(tf.estimator.SessionRunHook):
    """Validates, saves and stops between epochs, inside the training session.

    Args:
      state: the run's ``TrainingState``.
      checkpoint_dir: the Estimator's ``model_dir``; holds the two newest checkpoints.
      best_dir: folder of the checkpoints of the best epoch and the best before it.
      steps_per_epoch: steps per epoch.
      targets_per_epoch: training instances per epoch, for the rate.
      epochs: maximum number of epochs.
      evaluate: predictions (dict of arrays, rows of candidates) -> dict of metrics.
      validate_checkpoint: checkpoint path -> predictions, where the graph holds no validation (several
        devices); None otherwise.
      ranking: ``SampleRanking`` whose metrics join those of ``evaluate``; or None.
      show_progress: whether to draw a bar.
      checkpoint_every: steps between checkpoints within an epoch; 0 writes none.
      interrupts: ``Interrupts`` that delay Ctrl-C until a step is saved.
    """

    def __init__(
        self,
        state,
        checkpoint_dir,
        best_dir,
        steps_per_epoch,
        targets_per_epoch,
        epochs,
        evaluate,
        validate_checkpoint=None,
        ranking=None,
        show_progress=True,
        checkpoint_every=0,
        interrupts=None,
    ):
        self.state = state
        self.checkpoint_dir = checkpoint_dir
        self.best_dir = best_dir
        self.steps_per_epoch = steps_per_epoch
        self.targets_per_epoch = targets_per_epoch
        self.epochs = epochs
        self.evaluate = evaluate
        self.validate_checkpoint = validate_checkpoint
        self.ranking = ranking
        self.show_progress = show_progress
        self.checkpoint_every = checkpoint_every
        self.interrupts = interrupts or Interrupts()
        self.bar = None

    def begin(self):
        """Adds the savers before the graph is closed."""
        self.saver = tf.train.Saver(max_to_keep=2, save_relative_paths=True)
        # The previous best too: a run that resumes from before the best epoch may need it again.
        self.best_saver = tf.train.Saver(max_to_keep=2, save_relative_paths=True)
        self.saver.recover_last_checkpoints(checkpoints_in(self.checkpoint_dir))
        self.best_saver.recover_last_checkpoints(checkpoints_in(self.best_dir))
        self.validation_saver = tf.train.Saver(max_to_keep=1, save_relative_paths=True)
        self.loss = tf.get_collection(TRAINING_LOSS)[0]
        self.terms = tf.get_collection(LOSS_TERMS)[0]
        self.writer = tf.summary.FileWriterCache.get(self.checkpoint_dir)
        outlive_full_disk(self.writer)

    def after_create_session(self, session, coord):
        """Finds the position of a resumed run."""
        self.step = int(session.run(tf.train.get_global_step()))
        self.state.truncate(self.step, self.steps_per_epoch)
        self._start_epoch(self.state.sums_at(self.step) or {})

    def before_run(self, run_context):
        """Asks for the loss of the step and its terms."""
        self.interrupts.begin_step()
        return tf.estimator.SessionRunArgs([self.loss, self.terms])

    def after_run(self, run_context, run_values):
        """Counts the step; at an epoch's end validates, saves and decides."""
        loss, terms = float(run_values.results[0]), run_values.results[1]
        self.step += 1
        if not np.isfinite(loss):
            raise UserError(
                f"The loss is {loss} at step {self.step}: training diverged. Lower learning_rate "
                "or set max_grad_norm."
            )
        self.loss_sum += loss
        for name, value in terms.items():
            self.term_sums[name] = self.term_sums.get(name, 0.0) + float(value)
        done = (self.step - 1) % self.steps_per_epoch + 1
        self._advance(done, loss)
        if done == self.steps_per_epoch:
            self.interrupts.end_step()  # validation may take long, and can be repeated
            self._finish_epoch(run_context.session)
            if self.state.should_stop() or len(self.state.epochs) >= self.epochs:
                run_context.request_stop()
            else:
                self._start_epoch({})
        elif self.interrupts.asked or (
            self.checkpoint_every and self.step % self.checkpoint_every == 0
        ):
            self._save_within(run_context.session)
        self.interrupts.end_step()
        if self.interrupts.asked:
            self._close_bar()
            raise KeyboardInterrupt

    def end(self, session):
        """Closes the bar."""
        self._close_bar()

    def _start_epoch(self, sums):
        self.started, self.shown = time.time() - sums.get("seconds", 0.0), 0
        self.loss_sum, self.term_sums = sums.get("loss", 0.0), dict(sums.get("terms", {}))
        if self.show_progress:
            name = f"epoch {len(self.state.epochs) + 1}/{self.epochs}"
            self.bar = tqdm(
                total=self.targets_per_epoch,
                desc=name,
                unit=" targets",
                leave=False,
                mininterval=0.5,
            )

    def _advance(self, done, loss):
        if self.bar is not None:
            reached = self.targets_per_epoch * done // self.steps_per_epoch
            self.bar.update(reached - self.shown)
            self.shown = reached
            told = f"loss {loss:.4f}"
            left = self._left(len(self.state.epochs) + 1) or 0.0
            own = (time.time() - self.started) / done
            # Without a finished epoch, this one is taken for all.
            left += own * (self.steps_per_epoch - done)
            if not self.state.epochs:
                left += own * self.steps_per_epoch * (self.epochs - 1)
            self.bar.set_postfix_str(f"{told}, run <{duration(left)} left", refresh=False)

    def _close_bar(self):
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _save_within(self, session):
        sums = {"step": self.step, "loss": self.loss_sum, "terms": dict(self.term_sums)}
        # The state is written first, as at the end of an epoch: a checkpoint without its sums is
        # useless.
        self.state.note({**sums, "seconds": time.time() - self.started})
        self._save(self.saver, session, self.checkpoint_dir)

    def _finish_epoch(self, session):
        seconds = time.time() - self.started
        self._close_bar()
        started = time.time()
        metrics = self._validation_metrics(session)
        record = {
            "epoch": len(self.state.epochs) + 1,
            "step": self.step,
            "seconds": round(seconds, 3),
            "validation_seconds": round(time.time() - started, 3),
            "targets_per_second": round(self.targets_per_epoch / seconds, 1),
            "train_loss": self.loss_sum / self.steps_per_epoch,
            "train_terms": {k: v / self.steps_per_epoch for k, v in self.term_sums.items()},
            "validation": metrics,
        }
        # The state is written first: if the process is killed in between, the older checkpoint
        # makes the resumed run forget this epoch and repeat it.
        best = self.state.add(record)
        if best:
            unseal(self.best_dir)
            self._save(self.best_saver, session, self.best_dir)
            seal(self.best_dir)
        self._save(self.saver, session, self.checkpoint_dir)
        values = [
            tf.Summary.Value(tag="validation/" + k, simple_value=v) for k, v in metrics.items()
        ]
        self.writer.add_summary(tf.Summary(value=values), self.step)
        line, detail = epoch_lines(
            record, self.epochs, self.state.metric, self._left(len(self.state.epochs)), best
        )
        logger.info(line)
        logger.debug(detail)

    def _left(self, place):
        """Seconds that the epochs from a place on may take, as the finished ones did; None if unknown."""
        took = [e["seconds"] + e["validation_seconds"] for e in self.state.epochs]
        return sum(took) / len(took) * (self.epochs - place) if took else None

    def _validation_metrics(self, session):
        if self.validate_checkpoint is not None:
            # Not among the others: the state does not have the epoch yet.
            folder = os.path.join(self.checkpoint_dir, VALIDATED)
            os.makedirs(folder, exist_ok=True)
            path = self._save(self.validation_saver, session, folder)
            metrics = self.evaluate(self.validate_checkpoint(path))
            return {**metrics, **(self.ranking.of_checkpoint(path) if self.ranking else {})}
        metrics = self.evaluate(self._validation_predictions(session))
        return {**metrics, **(self.ranking.in_session(session) if self.ranking else {})}

    def _validation_predictions(self, session):
        ((initializer, predictions),) = tf.get_collection(VALIDATION)
        session.run(initializer)
        batches = []
        while True:
            try:
                batches.append(session.run(predictions))
            except tf.errors.OutOfRangeError:
                return join_predictions(batches)

    def _save(self, saver, session, folder):
        path = os.path.join(folder, "model.ckpt")
        try:
            return saver.save(session, path, global_step=self.step, write_meta_graph=False)
        except tf.errors.OutOfRangeError as error:
            # TensorFlow's form of "File too large"; a session would take it for the end of the
            # data.
            raise UserError(
                f"{folder}: a checkpoint cannot be written: {error.message.splitlines()[0]}. Free "
                "space, then resume with --run_dir and --resume"
                "."
            ) from None


def join_predictions(batches):
    """Concatenates batches of predictions and drops padding candidates.

    Args:
      batches: dicts of arrays as ``make_predictions`` names them, [B, C] or [B].

    Returns:
      dict of flat arrays, one row per candidate: user, instance, item, label, score, logit.
    """
    width = max(batch["score"].shape[1] for batch in batches)
    real = np.concatenate([batch["candidate_mask"] for batch in batches]) > 0
    flat = {}
    for name, key in (("user", "user"), ("instance", "instance")):
        column = np.concatenate([batch[key] for batch in batches])
        flat[name] = np.repeat(column[:, None], width, axis=1)[real]
    for name, key in (
        ("item", "candidates"),
        ("label", "labels"),
        ("score", "score"),
        ("logit", "logit"),
    ):
        flat[name] = np.concatenate([batch[key] for batch in batches])[real]
    return flat
