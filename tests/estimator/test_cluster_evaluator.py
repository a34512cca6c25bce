"""The evaluator's task alone, on checkpoints that are there: all validated, oldest first, best kept."""

import json
import os
import shutil

import numpy as np
import pytest
from dfar_case import model_hparams
from training_case import SETTINGS, STEPS, STORE, Scripted, step_of, variables

from dfar_tf.estimator.cluster.evaluator import keep_best
from dfar_tf.estimator.cluster.hooks import PROGRESS_FILE
from dfar_tf.estimator.cluster.task import VARIABLE, read_task
from dfar_tf.estimator.cluster.training import train_task
from dfar_tf.estimator.messages import heard
from dfar_tf.estimator.model_fn import make_model_fn
from dfar_tf.estimator.ranking import SAMPLE_FILE, catalogue_scores
from dfar_tf.estimator.samples import VALIDATION_FILE
from dfar_tf.estimator.scorer import Scorer
from dfar_tf.estimator.training import train
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.targets import liked_valid_targets, rank_targets
from recommenders_utils.files import write_json
from recommenders_utils.io import make_iterator

NOTE = {"seconds": 2.0, "targets_per_second": 6.0, "train_loss": 0.5, "train_terms": {"main": 0.5}}
EPOCHS = 4


def settings(**overrides):
    return model_hparams("gru4rec", **dict(SETTINGS, epochs=EPOCHS, **overrides))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder as a chief would leave it after four epochs; the weights are of the first in all."""
    alone = tmp_path_factory.mktemp("alone")
    train(settings().replace(epochs=1), STORE, str(alone), Scripted(0.5))
    values = variables(tf.train.latest_checkpoint(str(alone / "checkpoints")))
    folder = tmp_path_factory.mktemp("cluster") / "checkpoints"
    folder.mkdir()
    with tf.Graph().as_default(), tf.Session() as session:
        made = {name: tf.Variable(value, name=name) for name, value in values.items()}
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver(max_to_keep=9, save_relative_paths=True)
        for step in range(STEPS, (EPOCHS + 1) * STEPS, STEPS):
            made["global_step"].load(step, session)
            path = str(folder / "model.ckpt")
            saver.save(session, path, global_step=step, write_meta_graph=False)
    noted = {str(STEPS * k): NOTE for k in range(1, EPOCHS + 1)}
    write_json(str(folder / PROGRESS_FILE), {"step": 12, "max_steps": 12, "saved": noted})
    return folder.parent


@pytest.fixture
def folder(trained, tmp_path, monkeypatch):
    cluster = {"chief": ["127.0.0.1:1"], "ps": ["127.0.0.1:2"]}
    config = {"cluster": cluster, "task": {"type": "evaluator", "index": 0}}
    monkeypatch.setenv(VARIABLE, json.dumps(config))
    shutil.copytree(str(trained), str(tmp_path / "run"))
    return tmp_path / "run"


def left(folder):
    return sorted(p.name for p in (folder / "checkpoints").glob("*.index"))


def evaluated(folder, script, **overrides):
    lines = []
    with heard(lines.append):
        return train_task(read_task(), settings(**overrides), STORE, str(folder), script), lines


def test_every_checkpoint_is_validated_and_the_best_kept(folder):
    script = Scripted(0.5, 0.8, 0.7, 0.75)
    trained, lines = evaluated(folder, script, EARLY_STOP=9)
    assert trained.best_epoch == 2 and step_of(trained.checkpoint) == 2 * STEPS
    assert [e["step"] for e in trained.epochs] == [STEPS * k for k in (1, 2, 3, 4)]
    assert [e["validation"]["auc"] for e in trained.epochs] == script.values
    assert trained.epochs[0]["train_loss"] == NOTE["train_loss"]
    epochs = [line for line in lines if line.startswith("epoch")]
    assert [line.endswith("best") for line in epochs] == [True, True, False, False]
    assert left(folder) == [f"model.ckpt-{4 * STEPS}.index"]  # the chief's to go on from
    # What it was given is what prediction from that checkpoint gives.
    assert len(script.seen) == 4 and len(script.seen[0]["score"]) == len(script.seen[1]["score"])
    again, _ = evaluated(folder, Scripted(), EARLY_STOP=9)
    assert again == trained


def test_it_ranks_a_sample_in_the_whole_catalogue(folder):
    options = {"early_stop_metric": "full_ndcg@10", "EARLY_STOP": 9}
    trained, _ = evaluated(folder, Scripted(0.5, 0.8, 0.7, 0.75), **options)
    values = [e["validation"]["full_ndcg@10"] for e in trained.epochs]
    # The weights are the same in all checkpoints, and the first of equal values is the best.
    assert len(values) == EPOCHS and len(set(values)) == 1 and 0 <= values[0] <= 1
    assert trained.best_epoch == 1
    assert (folder / SAMPLE_FILE).exists()
    store_targets = liked_valid_targets(STORE)
    rows = np.arange(len(store_targets.ends))
    iterator = make_iterator(STORE, settings())
    scorer = Scorer(settings(), iterator.num_items, STORE.num_users, trained.checkpoint)
    found = rank_targets(catalogue_scores(scorer, iterator), STORE, store_targets.take(rows))
    scorer.close()
    gains = (found.rank <= 10) / np.log2(found.rank + 1)
    assert values[0] == pytest.approx(gains.mean())


def test_it_validates_a_stored_sample(folder):
    script = Scripted(0.5, 0.8, 0.7, 0.75)
    evaluated(folder, script, EARLY_STOP=9, validation_instances=2)
    assert [len(np.unique(seen["instance"])) for seen in script.seen] == [2] * EPOCHS
    assert (folder / VALIDATION_FILE).exists()


def test_it_stops_early_and_goes_on_where_it_was(folder):
    script = Scripted(0.7, 0.6, interrupt=2)
    with pytest.raises(KeyboardInterrupt):
        evaluated(folder, script, EARLY_STOP=2)
    assert left(folder) == [f"model.ckpt-{n}.index" for n in (12, 6, 9)]  # 3 is done with
    trained, _ = evaluated(folder, Scripted(0.6, 0.65), EARLY_STOP=2)
    assert trained.best_epoch == 1 and [e["step"] for e in trained.epochs] == [3, 6, 9]
    again, _ = evaluated(folder, Scripted(), EARLY_STOP=2)
    assert again == trained


def test_the_best_folder_holds_one_checkpoint(folder, tmp_path):
    best = str(tmp_path / "best")
    for step in (3, 6):
        keep_best(str(folder / "checkpoints" / f"model.ckpt-{step}"), best)
        assert step_of(tf.train.latest_checkpoint(best)) == step
    names = sorted(os.listdir(best))
    saved = ["model.ckpt-6.data-00000-of-00001", "model.ckpt-6.index"]
    assert names == ["checkpoint", "checksums.json", *saved]


def test_a_run_is_gone_on_with_as_it_was_begun(folder):
    with pytest.raises(UserError, match="holds a run of a cluster"):
        train(settings(), STORE, str(folder), Scripted())
    (folder / "checkpoints" / PROGRESS_FILE).unlink()
    with pytest.raises(UserError, match="holds a single-process run"):
        evaluated(folder, Scripted())


@pytest.mark.parametrize("asynchronous", [True, False])
def test_no_variance_stays_negative_where_others_train_too(asynchronous):
    """As after a worker that stalled: Keras alone would leave it so for many steps."""
    iterator = make_iterator(STORE, settings())
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        features = tf.data.make_one_shot_iterator(iterator.train_dataset()).get_next()
        make = make_model_fn(settings(), iterator.num_items, asynchronous=asynchronous)
        step = make(features, None, tf.estimator.ModeKeys.TRAIN).train_op
        session.run(tf.global_variables_initializer())
        moving = [v for v in tf.global_variables() if v.op.name.endswith("moving_variance")]
        assert moving
        session.run(step)
        usual = session.run(moving)
        assert all((value > 0).all() for value in usual)
        session.run([v.assign(tf.fill(v.shape, -5.0)) for v in moving])
        session.run(step)
        assert all((value >= 0).all() == asynchronous for value in session.run(moving))
