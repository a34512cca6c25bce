"""A tiny training whose validation scores follow a script."""

import dfar_case
from iterator_case import make_store

from dfar_tf.estimator.messages import heard
from dfar_tf.estimator.training import train
from recommenders_utils.backend import tf

STORE = make_store(lengths=(2, 6, 9, 3), num_items=dfar_case.ITEMS)


SETTINGS = {
    "max_seq_length": 4,
    "train_num_ngs": 2,
    "train_targets": "all",
    "batch_size": 5,
    "eval_batch_size": 3,
    "epochs": 3,
    "EARLY_STOP": 2,
    "early_stop_metric": "auc",
    "learning_rate": 0.05,
    "optimizer": "adam",
    "max_grad_norm": 0.0,
    "seed": 4,
    "device": "cpu",
    "log_every": 1,
    "show_progress": False,
}


STEPS = 3  # 12 training instances by 5


def hparams(**overrides):
    return dfar_case.hparams(**dict(SETTINGS, **overrides))


class Scripted:
    """An ``evaluate`` that returns the metrics it is told and keeps what it was given."""

    def __init__(self, *values, interrupt=None):
        self.values, self.interrupt, self.seen = list(values), interrupt, []

    def __call__(self, predictions):
        self.seen.append(predictions)
        if self.interrupt is not None and len(self.seen) == self.interrupt:
            raise KeyboardInterrupt
        return {"auc": self.values[len(self.seen) - 1]}


def run(folder, evaluate, **overrides):
    lines = []
    with heard(lines.append):
        return train(hparams(**overrides), STORE, str(folder), evaluate), lines


def variables(checkpoint):
    names = [name for name, _ in tf.train.list_variables(checkpoint)]
    return {name: tf.train.load_variable(checkpoint, name) for name in names}


def step_of(checkpoint):
    return int(tf.train.load_variable(checkpoint, "global_step"))
