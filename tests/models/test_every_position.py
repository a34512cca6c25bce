"""Every position in one pass equals the model on each prefix; shared candidates equal a row's own."""

import dfar_case
import numpy as np
import pytest
from dfar_case import ITEMS, USERS, B, T
from graph import Bench

from dfar_tf.models import get_model, make_model, model_names
from dfar_tf.training_keys import check_training
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

N, K = 6, 4
SHARED = np.array([3, 7, 7, 11], np.int32)
CAUSAL = [
    ("sasrec", {"num_blocks": 2}),
    ("sasrec", {"feedback_input": "label_embedding", "scorer": "dot"}),
    ("tha4rec", {"scorer": "dot"}),
    ("gru4rec", {"num_layers": 2, "scorer": "dot"}),
    ("gsasrec", {"scorer": "dot"}),
    ("esasrec", {"scorer": "dot"}),
    ("pnfrec", {"scorer": "dot"}),
    ("pnfrec", {}),
    ("dfar", {"causal": True}),
    ("dfar", {"causal": True, "scorer": "dot", "position_embedding": False}),
    ("dfar", {"causal": True, "encoder_block": "transformer", "pooling": "mean"}),
    ("dfar", {"causal": True, "pooling": "last", "tower_norm": "none"}),
    (
        "dfar",
        {
            "causal": True,
            "scorer": "dot",
            "aggregation_layers": [],
            "scale_embeddings": True,
            "dot_residual": True,
        },
    ),
    ("dfar", {"causal": True, "aggregation_layers": []}),
    ("dfar", {"causal": True, "scorer": "dot", "dot_residual": True, "pooling": "last"}),
]


def built(name, options, training=False):
    """Bench, model and, of a batch's histories, placeholders."""
    hp = dfar_case.model_hparams(name, **options)
    bench = Bench()
    with bench:
        case = dfar_case.Case(bench, hp)
        case.outputs()  # makes the weights
        history = {k: case.features[k] for k in case.features if k.startswith("history")}
    return bench, case, history


def at_of(batch):
    """All real positions but of row 0, whose newest alone: [N, 2]."""
    real = np.argwhere(batch["history_mask"] > 0)
    return real[(real[:, 0] > 0) | (real[:, 1] == T - 1)].astype(np.int32)


def prefixes(batch, at):
    """A batch whose row n is the history up to at[n]."""
    kept = np.arange(T) <= at[:, 1:]
    names = ("history_items", "history_labels", "history_mask")
    return {name: (batch[name][at[:, 0]] * kept).astype(batch[name].dtype) for name in names}


@pytest.mark.parametrize(("name", "options"), CAUSAL, ids=lambda x: str(x))
def test_a_position_in_one_pass_is_the_model_on_its_prefix(name, options):
    if name == "sasrec" or name == "tha4rec":
        options = {**options}
    bench, case, history = built(name, options)
    batch = dfar_case.batch()
    at = at_of(batch)
    ages_differ = name.endswith(("sasrec", "tha4rec")) or options.get("position_embedding")
    with bench:
        where = tf.placeholder(tf.int32, [None, 2])
        ids = tf.placeholder(tf.int32, [None, None])
        one_pass = case.model.encode_positions(history, where, False)
        whole = case.model.score_shared(one_pass, ids, tf.constant(SHARED), False)["logits"]
        by_prefix = case.model.score(case.model.encode(history, False), ids, False)["logits"]
    bench.initialize()
    bench.randomize(case.model.weights)
    if ages_differ:  # a record is as old as the row's newest says, not the prefix's
        table = [v for v in case.model.weights if "position_embedding" in v.name]
        bench.assign(table[0], np.zeros(table[0].shape.as_list()))
    candidates = np.random.RandomState(1).randint(1, ITEMS + 1, [len(at), 2]).astype(np.int32)
    feeds = {case.features[k]: batch[k] for k in history}
    found = bench.run(whole, {**feeds, where: at, ids: candidates})
    joined = np.concatenate([candidates, np.tile(SHARED, [len(at), 1])], 1)
    cut = prefixes(batch, at)
    wanted = bench.run(by_prefix, {**{case.features[k]: cut[k] for k in history}, ids: joined})
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)
    assert np.std(wanted) > 1e-3


SHARING = [(name, {}) for name in model_names() if name not in ("dfar_released",)]
SHARING += [
    ("caser", {"scorer": "dot"}),
    ("feedrec", {"scorer": "dot"}),
    ("dfar", {"scorer": "dot"}),
    ("dfar", {"tower_norm": "none"}),
    ("dfar", {"tower_norm": "layer"}),
    ("dfar", {"aggregation_layers": [], "tower_norm": "none"}),
    *((name, {"scorer": "dot"}) for name in ("gsasrec", "esasrec", "pnfrec")),
]


@pytest.mark.parametrize(("name", "options"), SHARING, ids=lambda x: str(x))
def test_shared_candidates_score_as_a_rows_own(name, options):
    bench, case, history = built(name, options)
    batch = dfar_case.batch()
    with bench:
        state = case.model.encode({**history, "user": case.features["user"]}, False)
        own = tf.constant(batch["candidates"])
        split = case.model.score_shared(state, own, tf.constant(SHARED), False)
        wide = tf.concat([own, tf.broadcast_to(SHARED[None], [B, K])], 1)
        joined = case.model.score(state, wide, False)
    bench.initialize()
    bench.randomize(case.model.weights)
    feeds = {case.features[k]: batch[k] for k in [*history, "user"]}
    found, wanted = bench.run([split, joined], feeds)
    assert sorted(found) == sorted(wanted)
    for key in wanted:
        np.testing.assert_allclose(found[key], wanted[key], rtol=2e-4, atol=2e-5, err_msg=key)


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "caser", "dfar", "feedrec"])
def test_dot_scores_are_the_same_by_products(name):
    bench, case, history = built(name, {"scorer": "dot"})
    batch, ids = dfar_case.batch(), np.arange(1, ITEMS + 1, dtype=np.int32)
    with bench:
        state = case.model.encode({**history, "user": case.features["user"]}, False)
        all_ids = tf.broadcast_to(ids[None], [B, ITEMS])
        scored = case.model.score(state, all_ids, False)["logits"]
        by_products = case.model.score_products(state, case.model.products(tf.constant(ids)))
    bench.initialize()
    bench.randomize(case.model.weights)
    found, wanted = bench.run(
        [by_products, scored], {case.features[k]: batch[k] for k in [*history, "user"]}
    )
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


REFUSED = [
    ("din", {"scorer": "dot"}, "scorer: dot, but DIN"),
    ("dien", {"positions": "all"}, "it is not causal. Give --positions=last"),
    ("dfar", {"positions": "all"}, "Give --causal=true, or --positions=last"),
    ("sasrec", {"positions": "all", "feedback_input": "positive_only"}, "label_embedding"),
    ("sasrec", {"positions": "all", "released_form": True}, "released form"),
    ("sasrec", {"loss": "full_softmax"}, "Give --scorer=dot, or --loss=softmax"),
    ("sasrec", {"logq_correction": True}, "it corrects a softmax"),
    ("sasrec", {"train_num_ngs": 0}, "--train_targets=feedback with --loss=log_loss"),
    ("sasrec", {"train_num_ngs": 0, "train_targets": "feedback", "loss": "bpr"}, "Give 1 or more"),
    ("sasrec", {"negatives": "uniform", "iterator": "released"}, "--iterator=sequential"),
    ("sasrec", {"negatives": "uniform", "share_history": False}, "share_history: false"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED, ids=lambda x: str(x))
def test_what_a_model_cannot_train_is_refused_with_what_works(name, options, message):
    with pytest.raises(UserError) as error:
        make_model(dfar_case.model_hparams(name, **options), ITEMS, USERS)
    assert message in str(error.value)


def test_every_model_takes_the_keys_that_it_names():
    for name in model_names():
        model, values = get_model(name), dfar_case.model_hparams(name).values()
        for scorer in model.scorers:
            check_training(model, {**values, "scorer": scorer})
        for positions in model.trained_positions:
            check_training(model, {**values, "positions": positions})
