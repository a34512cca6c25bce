"""Training for the whole catalogue learns what is planted, by each draw, loss and scorer."""

import numpy as np
import pytest
from dfar_case import model_hparams
from learning_case import ITEMS, SETTINGS, USERS, small_store

from dfar_tf.estimator.model_fn import VALIDATION, make_model_fn
from recommenders_utils.backend import tf
from recommenders_utils.io import make_iterator

DOT = {"scorer": "dot", "loss": "softmax", "negatives": "uniform", "shared_negatives": True}
ALL = {**DOT, "positions": "all", "train_targets": "all", "batch_size": 25}
CASES = [
    ("sasrec", ALL),
    ("gru4rec", {**ALL, "negatives": "mixed", "logq_correction": True}),
    ("tha4rec", ALL),
    ("sasrec", {**ALL, "loss": "gbce", "shared_negatives": False, "learning_rate": 0.03}),
    ("sasrec", {**ALL, "loss": "full_softmax"}),
    ("sasrec", {**ALL, "loss": "bpr", "negatives": "popularity"}),
    ("sasrec", {**ALL, "dislike_loss": "not_to_recommend"}),
    ("sasrec", {**ALL, "dislike_loss": "contrast", "train_targets": "positive"}),
    ("dfar", {**ALL, "causal": True}),
    ("dfar", {**ALL, "causal": True, "scorer": "tower"}),
    ("dfar", {**ALL, "causal": True, "aggregation_layers": [], "scale_embeddings": True}),
    ("dfar", {**DOT, "train_targets": "positive"}),
    ("feedrec", {**DOT, "dislike_loss": "contrast"}),
    ("caser", DOT),
    ("sine", {"negatives": "uniform", "shared_negatives": True, "loss": "bpr"}),
]
LEARNT, EPOCHS = 0.7, 20


def auc_by_epoch(name, options, store):
    """AUC within test instances, of a liked item among nine others, until it is ``LEARNT``."""
    settings = {**SETTINGS, "train_num_ngs": 12, "num_heads": 2, **options}
    known = model_hparams(name).values()
    hp = model_hparams(name, **{k: v for k, v in settings.items() if k in known})
    iterator, found = make_iterator(store, hp), []
    (test,) = iterator.eval_batches("test", 4 * USERS)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        tf.train.create_global_step()
        held_out = lambda: tf.data.Dataset.from_tensors(test)  # noqa: E731
        model_fn = make_model_fn(hp, ITEMS, USERS, held_out)
        batch = tf.data.make_one_shot_iterator(iterator.train_dataset()).get_next()
        step = model_fn(batch, None, tf.estimator.ModeKeys.TRAIN).train_op
        ((start, predictions),) = tf.get_collection(VALIDATION)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(EPOCHS):
                for _ in range(iterator.steps_per_epoch()):
                    session.run(step)
                session.run(start)
                logits = session.run(predictions)["logit"]
                liked = test["labels"].max(1) > 0
                found.append(np.mean(logits[liked][:, :1] > logits[liked][:, 1:]))
                if found[-1] > LEARNT:
                    break
    return found


@pytest.fixture(scope="module")
def planted():
    return small_store(1.0)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda x: str(x))
def test_what_is_planted_is_learnt(name, options, planted):
    found = auc_by_epoch(name, options, planted)
    assert found[-1] > LEARNT, f"AUC by epoch: {found}"


def test_chance_where_nothing_is_planted():
    found = auc_by_epoch("sasrec", ALL, small_store(0.0))
    assert abs(found[-1] - 0.5) < 0.1, f"AUC by epoch: {found}"
