"""The training state beside the checkpoints: epochs, the best epoch, and sums within an epoch."""

import os

from recommenders_utils.checksums import DAMAGE, DamagedFile, read_checked_json, write_checked_json

RESTORE = "Restore a copy of the file, or train again in another --run_dir."
STATE_FILE = "training_state.json"
LOWER_IS_BETTER = ("logloss",)
REMEMBERED = (
    3  # sums within an epoch: of the two checkpoints that are kept and the one being written
)


class TrainingState:
    """The state of early stopping, in ``training_state.json`` beside the checkpoints.

    Args:
      folder: of the checkpoints.
      metric: of validation.
      patience: stop after this many epochs in a row without a better one.
      counts_from: count such epochs only once the metric has reached this value; None counts all.

    Attributes:
      epochs: one dict per epoch: epoch, step, seconds, train_loss, train_terms (the losses it is
        the
        weighted sum of, unweighted), targets_per_second, validation metrics.
      within: one dict for each of the newest checkpoints within an epoch: step, and what the epoch had
        summed up by then.

    Raises:
      UserError: the file is there and holds no state.
    """

    def __init__(self, folder, metric, patience, counts_from=None):
        self.path = os.path.join(folder, STATE_FILE)
        self.metric = metric
        self.patience = patience
        self.counts_from = counts_from
        self.epochs, self.within = [], []
        if os.path.exists(self.path):
            self.epochs, self.within = self._read()

    def knows(self, step, steps_per_epoch):
        """Whether a run can resume from a checkpoint of this step: its epochs and sums are recorded."""
        epochs, done = divmod(step, steps_per_epoch)
        return len(self.epochs) >= epochs and (not done or self.sums_at(step) is not None)

    def sums_at(self, step):
        """What the epoch had summed up at a step within it; None where that is not known."""
        return next((dict(sums) for sums in self.within if sums["step"] == step), None)

    def truncate(self, step, steps_per_epoch):
        """Forgets the epochs and sums that a checkpoint of this step does not hold."""
        self.epochs = self.epochs[: step // steps_per_epoch]
        self.within = [sums for sums in self.within if sums["step"] <= step]

    def note(self, sums):
        """Keeps what the epoch has summed up by ``sums["step"]``, and writes the file."""
        others = [each for each in self.within if each["step"] != sums["step"]]
        self.within = [*others, sums][-REMEMBERED:]
        self._write()

    def add(self, record):
        """Appends one epoch and writes the file; returns whether it is the best so far."""
        self.epochs.append(record)
        self._write()
        return self.best_epoch() == record["epoch"]

    def best_epoch(self):
        """Number of the best epoch, the earliest of equals; 0 before the first."""
        if not self.epochs:
            return 0
        return max(self.epochs, key=lambda e: (self._good(e), -e["epoch"]))["epoch"]

    def should_stop(self):
        """Whether the last ``patience`` epochs that count brought no better one."""
        best = self.best_epoch()
        if self.counts_from is not None:
            sign = -1 if self.metric in LOWER_IS_BETTER else 1
            reached = [e["epoch"] for e in self.epochs if self._good(e) >= sign * self.counts_from]
            best = max(best, min(reached) if reached else len(self.epochs))
        return len(self.epochs) - best >= self.patience > 0

    def _write(self):
        within = {"within": self.within} if self.within else {}
        write_checked_json(self.path, {"epochs": self.epochs, **within})

    def _read(self):
        content = read_checked_json(self.path, RESTORE, ("epochs",))
        try:
            epochs, within = list(content["epochs"]), list(content.get("within", []))
            for number, epoch in enumerate(epochs, 1):
                _require(epoch["epoch"] == number and epoch["step"] > 0)
                float(epoch["validation"][self.metric])
            for sums in within:
                _require(sums["step"] > 0 and isinstance(sums["loss"], float))
        except (*DAMAGE, OverflowError) as error:
            raise DamagedFile(
                f"{self.path}: is damaged: not a training state ({type(error).__name__}); expected JSON "
                f"with a list 'epochs'. {RESTORE}"
            ) from None
        return epochs, within

    def _good(self, epoch):
        value = epoch["validation"][self.metric]
        return -value if self.metric in LOWER_IS_BETTER else value


def _require(condition):
    if not condition:
        raise ValueError
