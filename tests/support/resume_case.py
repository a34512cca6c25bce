"""A small training for the tests of resuming: made of arguments alone, so that a driver can run it."""

import os
import shutil
import signal
import sys

import dfar_case
import numpy as np
from iterator_case import make_store

from dfar_tf.estimator import epochs, training
from dfar_tf.estimator.messages import heard
from recommenders_utils.backend import tf

STEPS, EPOCHS = 8, 4
OPTIONS = {
    "train_num_ngs": 2,
    "train_targets": "all",
    "batch_size": 5,
    "eval_batch_size": 8,
    "epochs": EPOCHS,
    "EARLY_STOP": 9,
    "early_stop_metric": "auc",
    "learning_rate": 0.05,
    "optimizer": "adam",
    "seed": 4,
    "device": "cpu",
    "log_every": 3,
    "show_progress": False,
    "checkpoint_every": 3,
    "dropout": 0.2,
}


def store():
    """40 training instances, so that an epoch has STEPS steps."""
    return make_store(lengths=(12, 16, 9, 11), num_items=dfar_case.ITEMS)


def hparams(model, **overrides):
    """Hyper-parameters of a model with dropout, a checkpoint every third step."""
    if model == "dfar":
        return dfar_case.hparams(**dict(OPTIONS, **overrides))
    return dfar_case.model_hparams(model, **dict(OPTIONS, **overrides))


def evaluate(predictions):
    """A metric that depends on every weight, to the last bit."""
    return {"auc": float(np.mean(np.abs(predictions["logit"]), dtype=np.float64))}


def run(folder, model="dfar", evaluate=evaluate, **overrides):
    """(what ``train`` returns, the lines it logged)."""
    lines = []
    chosen = hparams(model, **overrides)
    with heard(lines.append):
        return training.train(chosen, store(), str(folder), evaluate), lines


def weights(folder, which="checkpoints"):
    """Every variable of the newest checkpoint: weights, moving averages, optimiser, step."""
    path = tf.train.latest_checkpoint(os.path.join(str(folder), which))
    names = [name for name, _ in tf.train.list_variables(path)]
    return {name: tf.train.load_variable(path, name) for name in names}


def assert_same(folder, other, trained, expected):
    """Two runs have the same bits in their newest and best checkpoints and the same epochs."""
    for which in ("checkpoints", "best"):
        ours, theirs = weights(folder, which), weights(other, which)
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    timeless = ("epoch", "step", "train_loss", "train_terms", "validation")
    assert trained.best_epoch == expected.best_epoch
    for one, two in zip(trained.epochs, expected.epochs):
        assert [one[key] for key in timeless] == [two[key] for key in timeless]
    assert len(trained.epochs) == len(expected.epochs)


class Stop(Exception):
    """Stands for whatever ends a training."""


def stop_at(monkeypatch, step):
    """Makes training end before the given step is counted."""
    before = epochs.EpochHook.after_run

    def after_run(self, context, values):
        if self.step + 1 == step:
            raise Stop
        return before(self, context, values)

    monkeypatch.setattr(epochs.EpochHook, "after_run", after_run)


def snap_at(monkeypatch, step, folder, snapshot):
    """Makes training copy its folder once the given step is done."""
    before = epochs.EpochHook.after_run

    def after_run(self, context, values):
        before(self, context, values)
        if self.step == step:
            shutil.copytree(str(folder), str(snapshot))

    monkeypatch.setattr(epochs.EpochHook, "after_run", after_run)


def _die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def _drive(folder, model, where, number):
    """Trains in this process, which kills itself.

    ``where``: ``step``, at that step; ``data``, ``index`` or ``named``: in the ``number``-th write of a
    checkpoint, before its index is there, before TensorFlow's file ``checkpoint`` names it, or after;
    ``state``: between the state and the checkpoint; ``never``.
    """
    number, writes = int(number), [0]
    save, after_run = epochs.EpochHook._save, epochs.EpochHook.after_run

    def dying_save(self, saver, session, to):
        writes[0] += 1
        if writes[0] != number:
            return save(self, saver, session, to)
        if where == "state":
            _die()
        path = saver.save(
            session, os.path.join(to, "model.ckpt"), self.step,
            write_meta_graph=False, write_state=where == "named",
        )  # fmt: skip
        if where == "data":
            os.unlink(path + ".index")
        return _die()

    def dying_run(self, context, values):
        if self.step + 1 == number:
            _die()
        return after_run(self, context, values)

    if where == "step":
        epochs.EpochHook.after_run = dying_run
    elif where != "never":
        epochs.EpochHook._save = dying_save
    run(folder, model)
    print("finished")


if __name__ == "__main__":
    _drive(*sys.argv[1:])
