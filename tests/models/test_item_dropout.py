"""``item_dropout``: one draw of the item table a training step, for histories and candidates alike."""

import dfar_case
import numpy as np
import pytest
from dfar_case import ITEMS, Case, model_hparams
from graph import Bench

from dfar_tf.estimator.model_fn import apply_model
from dfar_tf.estimator.targets import apply_to_targets
from dfar_tf.models import base
from recommenders_utils.backend import tf

RATE = 0.25
KEPT = np.random.RandomState(3).uniform(size=[ITEMS + 1, 8]) >= RATE


def known_draw(values, rate, training=True):
    """Stands in for the draw of the item table; nothing else is dropped."""
    if not rate:
        return values
    assert rate == RATE and training
    return values * (KEPT / (1 - RATE)).astype(np.float32)


class Scores:
    """A model's scores in training, of a batch and of targets with shared negatives, and in validation."""

    def __init__(self, name, rate):
        hp = model_hparams(name, scorer="dot", item_dropout=rate, embed_l2=0.0)
        with Bench() as self.bench:
            self.case = Case(self.bench, hp)
            features = {
                **self.case.features,
                "shared": tf.constant([3, 9, 1, 4]),
                "target_labels": tf.ones([dfar_case.B]),
            }
            targets = tf.autograph.experimental.do_not_convert(apply_to_targets)
            plain = tf.autograph.experimental.do_not_convert(apply_model)
            self.logits = {
                "batch": plain(self.case.model, self.case.features, True)["logits"],
                "repeated": plain(self.case.model, self.case.features, True, False)["logits"],
                "targets": targets(self.case.model, features)[0]["logits"],
                # As validation, which shares training's graph.
                "validation": plain(self.case.model, self.case.features, False)["logits"],
            }
            self.bench.randomize(self.case.model.weights)

    def run(self):
        return self.case.run(self.logits, dfar_case.batch())


@pytest.mark.parametrize("name", ["sasrec", "dfar", "gru4rec"])
def test_histories_and_candidates_meet_the_same_draw(name, monkeypatch):
    plain = Scores(name, 0.0)
    undropped = plain.run()
    monkeypatch.setattr(base.draws, "dropout", known_draw)
    dropped = Scores(name, RATE).run()
    plain.bench.assign(
        plain.case.model.item_embedding,
        known_draw(plain.bench.run(plain.case.model.item_embedding), RATE),
    )
    expected = plain.run()
    for kind in ("batch", "repeated", "targets"):
        np.testing.assert_allclose(dropped[kind], expected[kind], rtol=1e-5, atol=1e-5)
        assert np.abs(dropped[kind] - undropped[kind]).max() > 0.01
    np.testing.assert_array_equal(dropped["validation"], undropped["validation"])


def test_a_step_draws_once_and_the_next_step_anew():
    with Bench() as bench:
        step = tf.train.get_or_create_global_step()
        model = Case(bench, model_hparams("sasrec", item_dropout=RATE)).model
        every = tf.range(ITEMS + 1)
        with model.items_dropped(True):
            first, again = model.embed_items(every), model.embed_items(every)
        with model.items_dropped(False):
            outside = model.embed_items(every)
        bench.initialize()
        table = bench.run(model.item_embedding)
        found = []
        for number in range(40):
            bench.run(step.assign(number))
            drawn = bench.run([first, again, outside])
            np.testing.assert_array_equal(drawn[0], drawn[1])
            np.testing.assert_array_equal(drawn[2], table)
            zero = drawn[0] == 0
            np.testing.assert_allclose(drawn[0], np.where(zero, 0, table / (1 - RATE)), rtol=1e-6)
            found.append(zero)
        assert np.any(found[0] != found[1])
        assert np.mean(found) == pytest.approx(RATE, abs=0.03)  # of 3,840 draws, 4 deviations
