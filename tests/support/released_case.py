"""The recorded case of the released DFAR on our model: a graph with every output, loss and gradient."""

import functools

import numpy as np
from graph import Bench

from dfar_tf.diff.checkpoint import name_pairs
from dfar_tf.estimator.model_fn import apply_model, loss_terms, make_train_op
from dfar_tf.estimator.scoring import assign, short_name
from dfar_tf.estimator.targets import HISTORY
from dfar_tf.models import make_model
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf

OURS = dict(name_pairs())  # released name -> ours


def released_hparams(**overrides):
    return merge_hparams(model_type="dfar_released", **overrides)


def part(arrays, prefix):
    """The arrays under a prefix, without it and without ":0"."""
    return {
        k[len(prefix) :].replace(":0", ""): v for k, v in arrays.items() if k.startswith(prefix)
    }


def load(path):
    with np.load(str(path)) as stored:
        return dict(stored)


def ours_of(theirs):
    """Released variables under our names; the width axis of a convolution is dropped."""
    return {
        OURS[name]: value[0] if value.ndim == 3 else value
        for name, value in theirs.items()
        if name in OURS
    }


def batch_of(feed):
    """Released rows as a batch of ours: each row has its own history and one candidate."""
    items = feed["items"][:, None]
    return {
        "history_items": feed["item_history"],
        "history_labels": feed["user_history"],
        "history_mask": feed["mask"].astype(np.float32),
        "candidates": items,
        "candidate_mask": np.ones(items.shape, np.float32),
        "labels": feed["label"],
    }


class Case:
    """A graph of ``dfar_released`` in training and inference mode, with its optimiser step.

    Building takes seconds, so one graph serves every recorded case: the weights of the losses are fed,
    and a shorter item table fills the first rows of this one.

    Attributes:
      train, infer: outputs of ``score`` by name; ``terms`` of both by mode: {loss: value}.
      trace: of ``model.trace``.
      gradients: of the total loss in training, by our name.
      step: one optimiser step.
    """

    def __init__(self, hparams, num_items):
        self.bench = Bench()
        build = tf.autograph.experimental.do_not_convert(self._build)
        with self.bench:
            build(hparams, num_items)
            self.fresh = tf.global_variables_initializer()

    def _build(self, hparams, num_items):
        length, integer = hparams.max_seq_length, tf.int32
        shapes = {"history_items": (integer, length), "history_labels": (integer, length)}
        shapes.update({"history_mask": (tf.float32, length), "candidates": (integer, None)})
        shapes.update({"candidate_mask": (tf.float32, None), "labels": (tf.float32, None)})
        self.places = {k: tf.placeholder(t, [None, n]) for k, (t, n) in shapes.items()}
        tf.train.create_global_step()
        self.model = make_model(hparams, num_items)
        self.train = apply_model(self.model, self.places, True)
        self.infer = apply_model(self.model, self.places, False)
        self.trace = self.model.trace({name: self.places[name] for name in HISTORY})
        both = {
            "train": loss_terms(self.model, self.train, self.places),
            "infer": loss_terms(self.model, self.infer, self.places),
        }
        self.weights = {
            name: tf.placeholder_with_default(weight, [])
            for name, (weight, _) in both["train"].items()
        }
        self.terms = {mode: {k: v for k, (_, v) in both[mode].items()} for mode in both}
        self.total = {
            mode: tf.add_n([self.weights[name] * value for name, value in terms.items()])
            for mode, terms in self.terms.items()
        }
        weights = self.model.trainable_weights
        gradients = [tf.convert_to_tensor(g) for g in tf.gradients(self.total["train"], weights)]
        self.gradients = {short_name(v): g for v, g in zip(weights, gradients)}
        self.step = make_train_op(hparams, self.total["train"], self.model)
        self.variables = {short_name(v): v for v in self.model.weights}
        self.slots = {short_name(v): v for v in tf.global_variables() if "/Adam" in v.name}

    def start(self, values):
        """Gives the model these weights and the optimiser a fresh start."""
        self.bench.run(self.fresh)
        rows = self.variables["item_embedding"].shape.as_list()[0]
        items = values["item_embedding"]
        filled = np.pad(items, [(0, rows - len(items)), (0, 0)], "constant")
        values = {**values, "item_embedding": filled}
        assign(self.bench.session, {v: values[name] for name, v in self.variables.items()})

    def run(self, fetches, batch, **weights):
        """Runs on a batch; ``weights`` are those of losses that are not the hyper-parameters'."""
        feeds = {self.places[name]: batch[name] for name in self.places}
        feeds.update({self.weights[name]: weight for name, weight in weights.items()})
        return self.bench.run(fetches, feeds)


@functools.lru_cache(maxsize=None)
def recorded_case(items=60):
    """A case of the recordings' sizes and the released settings."""
    return Case(released_hparams(hidden_size=8, num_heads=2, max_seq_length=6), items - 1)


def off(ours, theirs):
    """The largest difference, as a part of the largest recorded number."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(np.max(np.abs(ours - theirs)) / np.max(np.abs(theirs)))


def random_values(case, seed=3):
    """Random weights for every variable, gains, biases and moving statistics too."""
    random, values = np.random.RandomState(seed), {}
    for name in sorted(case.variables):
        shape = case.variables[name].shape.as_list()
        value = random.normal(0, 0.4, shape)
        if name.endswith(("gain", "gamma", "moving_variance")):
            value = 0.7 + np.abs(value)
        values[name] = value.astype(np.float32)
    return values


def random_batch(histories=5, candidates=3, length=6, items=60, seed=4):
    """A batch with histories of 1 to ``length`` items; column 0 of the candidates is the target."""
    random = np.random.RandomState(seed)
    mask = np.arange(length) < np.arange(histories)[:, None] % length + 1
    shape = [histories, length]
    labels = np.zeros([histories, candidates], np.float32)
    labels[:, 0] = 1
    return {
        "history_items": (random.randint(1, items, shape) * mask).astype(np.int32),
        "history_labels": (random.randint(0, 2, shape) * mask).astype(np.int32),
        "history_mask": mask.astype(np.float32),
        "candidates": random.randint(1, items, [histories, candidates]).astype(np.int32),
        "candidate_mask": np.ones([histories, candidates], np.float32),
        "labels": labels,
    }
