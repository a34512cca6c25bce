"""A small log in memory, and a model trained on it by its ``model_fn``: what it learns, in a second."""

import types

import numpy as np
from dfar_case import model_hparams

from dfar_tf.estimator.model_fn import VALIDATION, make_model_fn
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import add_candidates
from recommenders_utils.dataset.sequences import sequences
from recommenders_utils.dataset.splitting import split_instances
from recommenders_utils.io import SequentialIterator
from recommenders_utils.io.sequential_iterator import BATCH

USERS, ITEMS, RECORDS, TOPICS = 400, 48, 8, 6
SETTINGS = {
    "hidden_size": 16,
    "tower_layers": [32],
    "init_stddev": 0.2,
    "learning_rate": 0.01,
    "batch_size": 50,
    "train_num_ngs": 4,
    "train_targets": "positive",
}


def small_store(signal, seed=1):
    """A SYNTHETIC log: the next liked item is of the topic of the last one; others are disliked.

    Args:
      signal: share of the users of whom this holds; the others like anything.
      seed: of all draws.
    """
    random = np.random.RandomState(seed)
    items, labels = [], []
    for _ in range(USERS):
        topic = random.randint(TOPICS) if random.random_sample() < signal else None
        order = random.permutation(ITEMS)
        if topic is None:
            chosen, liked = order[:RECORDS], random.random_sample(RECORDS) < 0.75
        else:
            own = order % TOPICS == topic
            mixed = np.concatenate([order[own][: RECORDS - 2], order[~own][:2]])
            chosen = random.permutation(mixed)
            liked = chosen % TOPICS == topic
        items.append(chosen)
        labels.append(liked)
    names = [np.array([f"{kind}{i}" for i in range(n)]) for kind, n in (("u", USERS), ("i", ITEMS))]
    users, times = np.repeat(np.arange(USERS), RECORDS), np.arange(USERS * RECORDS)
    labels = np.concatenate(labels).astype(np.int8)
    store = sequences(users, np.concatenate(items), labels, times, *names)
    store.splits = split_instances("leave_one_out", store.user_offsets, store.times, store.labels)
    draws = {"candidate_sampling": "uniform", "candidate_seed": 3}
    add_candidates(store, types.SimpleNamespace(valid_num_ngs=9, test_num_ngs=9, **draws))
    return store


class Learner:
    """A model's training and validation graph, as ``model_fn`` makes it, with batches fed to it."""

    def __init__(self, name, **overrides):
        known = model_hparams(name).values()
        settings = {key: value for key, value in SETTINGS.items() if key in known}
        self.hp = model_hparams(name, **dict(settings, **overrides))
        shapes = {
            key: [None, self.hp.max_seq_length if key.startswith("history") else None][:rank]
            for key, (_, rank) in BATCH.items()
        }
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(1)
            tf.train.create_global_step()
            place = lambda: {  # noqa: E731
                key: tf.placeholder(dtype, shapes[key]) for key, (dtype, _) in BATCH.items()
            }
            self.features, self.held_out = place(), place()
            dataset = lambda: tf.data.Dataset.from_tensors(self.held_out)  # noqa: E731
            model_fn = make_model_fn(self.hp, ITEMS, USERS, dataset)
            self.step = model_fn(self.features, None, tf.estimator.ModeKeys.TRAIN).train_op
            ((self.open, self.predictions),) = tf.get_collection(VALIDATION)
            self.initial = tf.global_variables_initializer()

    def auc(self, store, epochs, enough=1.0):
        """AUC on the test instances before training and after each epoch, until it is ``enough``."""
        iterator = SequentialIterator(store, self.hp)
        (test,) = iterator.eval_batches("test")
        with tf.Session(graph=self.graph) as session:
            session.run(self.initial)
            found = [self._auc(session, test)]
            for epoch in range(epochs):
                for batch in iterator.train_batches(epoch):
                    session.run(self.step, {self.features[key]: batch[key] for key in batch})
                found.append(self._auc(session, test))
                if found[-1] > enough:
                    break
        return found

    def _auc(self, session, test):
        session.run(self.open, {self.held_out[key]: test[key] for key in test})
        predicted = session.run(self.predictions)
        # Within instances, since under a loss of pairs an instance's offset is free.
        liked = predicted["labels"].max(1) > 0
        logits = predicted["logit"][liked]
        above, level = logits[:, :1] > logits[:, 1:], logits[:, :1] == logits[:, 1:]
        return np.mean(above + 0.5 * level)
