"""FeedRec: against numpy; disentangling by hand; finish and dwell losses where the log has the columns."""

import numpy as np
import pytest
from dfar_case import Case, batch, model_hparams, parts_of
from dfar_in_numpy import tower, within
from graph import Bench, close
from models_in_numpy import histories, scored, softmax, transformer

from dfar_tf.estimator.model_fn import apply_model, loss_terms, make_model_fn
from dfar_tf.models import make_model
from recommenders_utils.backend import tf
from recommenders_utils.dataset.store import Instances, SequenceStore
from recommenders_utils.io import SequentialIterator


def interests(items, labels, w, hp):
    """Strong and weak vectors of the two feedbacks, negative first: four of [D]."""
    states = w["item_embedding"][items] + w["position_embedding"][: len(items)][::-1]
    if hp.feedback_input == "label_embedding":
        states = states + w["label_embedding"][labels]
    mixed = transformer(states, within(w, "heterogeneous"))
    strong, weak = [], []
    for side, label in (("negative", 0), ("positive", 1)):
        strong.append(np.zeros(hp.hidden_size))
        weak.append(np.zeros(hp.hidden_size))
        if np.any(labels == label):
            own = transformer(mixed[labels == label], within(w, f"homogeneous_{side}"))
            pool = within(w, f"strong_{side}")
            hidden = np.tanh(own @ pool["dense/kernel"] + pool["dense/bias"])
            strong[-1] = softmax((hidden @ pool["query/kernel"])[:, 0]) @ own
            query = strong[-1] @ w[f"weak_{side}/kernel"]
            weak[-1] = softmax(mixed @ query / np.sqrt(hp.hidden_size)) @ mixed
    return strong + weak


@pytest.mark.parametrize("feedback_input", ["label_embedding", "none"])
def test_forward_pass_is_the_equations(feedback_input):
    hp, arrays = model_hparams("feedrec", feedback_input=feedback_input), batch()
    with Bench() as bench:
        case = Case(bench, hp)
        outputs = case.outputs()
        w = bench.randomize(case.model.weights)
        outputs = case.run(outputs, arrays)
    parts = [interests(items, labels, w, hp) for items, labels in histories(arrays)]
    users = np.array([np.concatenate(each) for each in parts])
    close(outputs["logits"], scored(users, arrays["candidates"], w, tower, hp), 2e-4)
    for row, (_, _, negative, positive) in zip(outputs["overlap"], parts):
        norms = np.linalg.norm(negative) * np.linalg.norm(positive)
        expected = abs(negative @ positive) / norms if norms else 0.0
        close(row, np.full(3, expected), 1e-4)
    assert (outputs["overlap"][:, 0] == 0).tolist() == [False, True, True, True, False]


def test_the_disentangling_loss_is_the_mean_over_histories():
    hp, arrays = model_hparams("feedrec"), batch()
    arrays["candidate_mask"][:, 1:] = 0
    with Bench() as bench:
        case = Case(bench, hp)
        outputs = case.outputs(training=True)
        terms = loss_terms(case.model, outputs, case.features)
        bench.randomize(case.model.weights)
        overlap, value = case.run([outputs["overlap"], terms["disentangle"][1]], arrays)
    close(value, overlap[:, 0].mean())
    assert terms["disentangle"][0] == 0.2 and set(terms) == {"main", "disentangle", "embed_l2"}


def log_with_columns():
    """Three users; ``finish`` and ``dwell`` of each record."""
    lengths = [5, 4, 3]
    n = sum(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    users = np.array([0, 0, 0, 1, 1, 2], np.int32)
    ends = np.array([1, 2, 3, 6, 7, 10])
    valid = Instances(
        np.array([0], np.int32),
        np.array([4]),
        np.array([[5, 1]], np.int32),
        np.array([[1, 0]], np.int8),
        np.array([2], np.int32),
    )
    return SequenceStore(
        offsets,
        np.arange(1, n + 1, dtype=np.int32),
        (np.arange(n) % 2).astype(np.int8),
        np.arange(n),
        np.array(["a", "b", "c"]),
        np.array([f"i{k}" for k in range(n)]),
        {"train": Instances(users, ends), "valid": valid, "test": valid},
        {},
        {"finish": (np.arange(n) % 3 == 0).astype(np.int8), "dwell": np.linspace(0, 2, n)},
    )


def test_finish_and_dwell_of_the_target_reach_the_losses():
    hp = model_hparams("feedrec", batch_size=6, train_num_ngs=2, finish_weight=0.5, dwell_weight=2)
    store = log_with_columns()
    with Bench() as bench:
        iterator = SequentialIterator(store, hp)
        (arrays,) = iterator.train_batches(0)
        flat = store.splits["train"].ends[arrays["instance"]]
        np.testing.assert_array_equal(arrays["target_finish"], store.extras["finish"][flat])
        close(arrays["target_dwell"], store.extras["dwell"][flat])
        features = tf.data.make_one_shot_iterator(iterator.train_dataset()).get_next()
        model = make_model(hp, store.num_items, store.num_users)
        outputs = apply_model(model, features, training=True)
        terms = loss_terms(model, outputs, features)
        w = bench.randomize(model.weights)
        fetches = {name: value for name, (_, value) in terms.items()}
        made, values, user = bench.run([features, fetches, model.encode(features, True)["user"]])
        joined = np.concatenate([user, w["item_embedding"][made["candidates"][:, 0]]], 1)
    assert terms["finish"][0] == 0.5 and terms["dwell"][0] == 2
    logits = (joined @ w["finish/kernel"] + w["finish/bias"])[:, 0]
    finish, dwell = made["target_finish"], made["target_dwell"]
    log_loss = np.log1p(np.exp(logits)) - finish * logits
    close(values["finish"], log_loss.mean(), 1e-4)
    close(
        values["dwell"],
        np.mean(((joined @ w["dwell/kernel"] + w["dwell/bias"])[:, 0] - dwell) ** 2),
        1e-4,
    )


def test_the_losses_are_the_same_with_the_history_encoded_per_candidate():
    hp, store = model_hparams("feedrec", batch_size=6, train_num_ngs=2), log_with_columns()
    with Bench() as bench:
        (arrays,) = SequentialIterator(store, hp).train_batches(0)
        features = {name: tf.constant(value) for name, value in arrays.items()}
        model = make_model(hp, store.num_items, store.num_users)
        found = []
        for share in (True, False):
            terms = loss_terms(model, apply_model(model, features, True, share), features)
            found.append({name: terms[name][1] for name in ("finish", "dwell")})
        bench.randomize(model.weights)
        once, again = bench.run(found)
    close(once["finish"], again["finish"], 1e-4)
    close(once["dwell"], again["dwell"], 1e-4)


def test_a_log_with_the_columns_trains_and_is_scored(tmp_path):
    hp = model_hparams("feedrec", batch_size=6, train_num_ngs=2)
    store = log_with_columns()
    iterator = SequentialIterator(store, hp)
    model_fn = make_model_fn(hp, store.num_items, store.num_users)
    estimator = tf.estimator.Estimator(model_fn, str(tmp_path / "model"))
    estimator.train(iterator.train_dataset, steps=2)
    (scores,) = estimator.predict(
        lambda: iterator.eval_dataset("test"), yield_single_examples=False
    )
    assert scores["score"].shape == (1, 2) and np.all(np.isfinite(scores["score"]))
    store.meta = {"name": "a log"}
    store.save(str(tmp_path / "store"))
    again = SequenceStore.load(str(tmp_path / "store"))
    np.testing.assert_array_equal(again.extras["dwell"], store.extras["dwell"])


def test_the_released_form_takes_the_mean():
    names = [
        parts_of(model_hparams("feedrec", released_form=released)) for released in (False, True)
    ]
    assert names[0] - names[1] == {"strong_negative", "strong_positive"}
