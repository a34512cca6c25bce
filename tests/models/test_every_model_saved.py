"""Every model saved and restored, exported and loaded again: the same scores each time."""

import numpy as np
import pytest
from dfar_case import ITEMS, USERS, Case, batch
from every_model import recorded_cases, small_hparams, stem
from graph import Bench, close

from dfar_tf.estimator.model_fn import make_model_fn
from recommenders_utils.backend import tf
from recommenders_utils.io.sequential_iterator import BATCH


class Saved:
    """A model with random weights, what it scores, and its checkpoint, as an Estimator wants it."""

    def __init__(self, model_case, folder):
        self.hp = small_hparams(*model_case)
        self.folder = str(folder)
        with Bench() as bench:
            case = Case(bench, self.hp)
            logits = case.outputs()["logits"]
            step = tf.train.create_global_step()
            bench.run(step.initializer)
            bench.randomize(case.model.weights, seed=2)
            self.logits = case.run(logits, batch())
            saver = tf.train.Saver([*case.model.weights, step])
            self.checkpoint = saver.save(bench.session, f"{folder}/model", global_step=step)


CASES = [case for case in recorded_cases() if "released_form" not in case[1]]


@pytest.fixture(scope="module", params=CASES, ids=stem)
def saved(request, tmp_path_factory):
    return Saved(request.param, tmp_path_factory.mktemp("saved"))


def test_a_fresh_graph_restores_the_checkpoint(saved):
    with Bench(seed=8) as bench:
        case = Case(bench, saved.hp)
        logits = case.outputs()["logits"]
        bench.initialize()
        tf.train.Saver(case.model.weights).restore(bench.session, saved.checkpoint)
        close(case.run(logits, batch()), saved.logits, 1e-6)


def test_an_export_gives_the_same_scores(saved, tmp_path):
    exported = export(saved, str(tmp_path))
    with tf.Graph().as_default(), tf.Session() as session:
        loaded = tf.saved_model.loader.load(
            session, [tf.saved_model.tag_constants.SERVING], exported
        )
        signature = loaded.signature_def["serving_default"]
        feeds = {signature.inputs[name].name: value for name, value in batch().items()}
        outputs = {name: info.name for name, info in signature.outputs.items()}
        found = session.run(outputs, feeds)
        # Of one history and one candidate, as a server may be asked.
        alone = {name: batch()[name][1:2] for name in batch()}
        alone.update({name: alone[name][:, :1] for name in alone if "candidate" in name})
        alone["labels"] = alone["labels"][:, :1]
        feeds = {signature.inputs[name].name: value for name, value in alone.items()}
        one = session.run(outputs["logit"], feeds)
    close(found["logit"], saved.logits, 1e-6)
    close(found["score"], 1 / (1 + np.exp(-saved.logits.astype(np.float64))), 1e-6)
    close(one, saved.logits[1:2, :1], 1e-6)


def export(saved, folder):
    """Exports a checkpoint through an Estimator, its inputs a batch's features; returns the path."""
    length = saved.hp.max_seq_length

    def receiver():
        features = {
            name: tf.placeholder(
                dtype, [None, length if name.startswith("history") else None][:rank], name
            )
            for name, (dtype, rank) in BATCH.items()
        }
        return tf.estimator.export.ServingInputReceiver(features, features)

    estimator = tf.estimator.Estimator(make_model_fn(saved.hp, ITEMS, USERS), saved.folder)
    exported = estimator.export_saved_model(folder, receiver, checkpoint_path=saved.checkpoint)
    return exported.decode() if isinstance(exported, bytes) else exported
