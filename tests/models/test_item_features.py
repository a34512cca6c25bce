"""Embeddings of items' features: every model scores an unknown item by them, and learns from them."""

import os

import dfar_case
import numpy as np
import pandas as pd
import pytest
from dfar_case import batch, model_hparams
from graph import random_values
from small import call

import dfar_tf
from dfar_tf.estimator.scoring import assign, make_scorer, short_name
from dfar_tf.models import model_names
from recommenders_utils.backend import tf
from recommenders_utils.dataset.features import KNOWN, values_of
from recommenders_utils.files import read_json

ITEMS = dfar_case.ITEMS
# The last three items are of no training record; the first two of them are of one kind.
CODES = np.array([[0, 0], *([1, 1 + k % 3] for k in range(ITEMS - 3)), [0, 1], [0, 1], [0, 2]])
CASES = [*((name, "sum") for name in model_names()), ("dfar", "concat"), ("sasrec", "concat")]


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_an_unknown_item_is_scored_by_its_features(name, mode):
    hp = model_hparams(name, item_feature_sizes=[3], item_feature_mode=mode)
    arrays = batch()
    known, candidates = ITEMS - 3, np.array([1, 2, ITEMS - 2, ITEMS - 1, ITEMS])
    arrays["history_items"] = (arrays["history_items"] % known + 1) * (arrays["history_items"] > 0)
    arrays["candidates"] = np.tile(candidates, [len(arrays["user"]), 1])
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        model, feeds, outputs = make_scorer(hp, ITEMS, dfar_case.USERS)
        values = random_values(model.weights, 3)
        for variable in values:
            if short_name(variable).endswith("item_codes"):
                values[variable] = CODES
            if short_name(variable).endswith("wide"):  # DFN's, which begins at 0
                values[variable][-3:] = 0
        assign(session, values)
        logits = session.run(outputs["logits"], {feeds[key]: arrays[key] for key in feeds})
    np.testing.assert_allclose(logits[:, 2], logits[:, 3], rtol=1e-6, atol=1e-6)
    for other in (0, 1, 4):
        assert np.abs(logits[:, 2] - logits[:, other]).max() > 1e-4, other


@pytest.mark.parametrize("name", ["dfar", "gru4rec"])
def test_without_features_a_model_has_the_weights_it_had(name):
    with tf.Graph().as_default():
        model, _, _ = make_scorer(model_hparams(name), ITEMS, dfar_case.USERS)
        names = [short_name(variable) for variable in model.weights]
    assert not [each for each in names if "feature" in each or "codes" in each]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Folder of a SYNTHETIC log in which a user likes the items of one kind, and of its items.

    The file of the items has two that are in no record.
    """
    folder = tmp_path_factory.mktemp("kinds")
    random, rows, kinds = np.random.RandomState(4), [], np.arange(38) % 4
    for user in range(150):
        own = user % 4
        liked = random.permutation(np.flatnonzero(kinds[:36] == own))[:6]
        others = random.permutation(np.flatnonzero(kinds[:36] != own))[:4]
        for place, item in enumerate(random.permutation(np.concatenate([liked, others]))):
            time = 1400000000 + 1000 * user + place
            rows.append((f"u{user}", f"i{item}", 5 if kinds[item] == own else 1, time))
    pd.DataFrame(rows).to_csv(str(folder / "SYNTHETIC.csv"), header=False, index=False)
    items = {"item": [f"i{k}" for k in range(38)], "kind": [f"kind {k}" for k in kinds]}
    pd.DataFrame(items).to_csv(str(folder / "items.csv"), index=False)
    return folder


@pytest.fixture(scope="module")
def run(log):
    done = call(
        "amazon",
        f"--ratings={log}/SYNTHETIC.csv",
        f"--item_features={log}/items.csv",
        f"--run_dir={log}/run",
        f"--cache_dir={log}/prepared",
        *("--model=gru4rec", "--feedback_input=positive_only", "--train_targets=positive"),
        *("--min_item_records=0", "--min_user_records=0", "--max_seq_length=5", "--hidden_size=8"),
        *("--tower_layers=16", "--init_stddev=0.2", "--learning_rate=0.01", "--batch_size=50"),
        *(
            "--epochs=6",
            "--EARLY_STOP=9",
            "--untrained=[]",
            "--device=cpu",
            "--show_progress=false",
        ),
    )
    assert (done.status, done.err) == (0, "")
    return log / "run"


def test_items_of_no_record_are_scored_like_others_of_their_kind(run):
    """36 and 37 are of kinds 0 and 1: whoever likes a kind gets its new item before the other's."""
    with dfar_tf.load(str(run)) as opened:
        assert list(opened.hparams.item_feature_sizes) == [4]
        right = []
        for kind, (wanted, other) in ((0, ("i36", "i37")), (1, ("i37", "i36"))):
            history = [(f"i{kind + 4 * k}", 1) for k in range(4)]
            scores = opened.score(history, [wanted, other])
            right.append(scores[0] > scores[1])
    assert right == [True, True]


def test_the_run_serves_alone_and_resumes(run, log, tmp_path):
    results = read_json(str(run / "results.json"))
    shapes = dict(tf.train.list_variables(tf.train.latest_checkpoint(str(run / "best"))))
    (name,) = (each for each in shapes if each.endswith("item_codes"))
    assert shapes[name] == [39, 2]
    slots = ("Adam", "power", "global_step", "moving", "item_codes")
    sizes = [np.prod(s) for each, s in shapes.items() if not any(word in each for word in slots)]
    assert results["parameters"] == sum(map(int, sizes))
    (log / "items.csv").rename(log / "away.csv")
    try:
        done = call("train", f"--run_dir={run}", "--resume", "--epochs=7", "--untrained=[]")
        assert (done.status, done.err) == (0, "")
        (tmp_path / "rows.csv").write_text("user,item\nu1,i37\nu1,i36\n")
        flags = [f"--input={tmp_path}/rows.csv", f"--output={tmp_path}/scores.csv"]
        done = call("predict", f"--run_dir={run}", *flags)
        assert (done.status, done.err) == (0, "")
        assert len(pd.read_csv(str(tmp_path / "scores.csv"))) == 2
        done = call("export", f"--run_dir={run}", f"--output={tmp_path}/exported")
        assert (done.status, done.err) == (0, "") and os.path.isdir(str(tmp_path / "exported"))
    finally:
        (log / "away.csv").rename(log / "items.csv")


def test_a_grown_log_keeps_what_its_items_and_categories_had_learnt(run, log, tmp_path):
    """A kind that is new, a kind at another code, and an item that left the log but stays known."""
    frame = pd.read_csv(str(log / "SYNTHETIC.csv"), header=None)
    later = pd.DataFrame([("u0", "i40", 5, 1500000000), ("u1", "i36", 5, 1500000001)])
    frame = pd.concat([frame[frame[1] != "i0"], later])
    frame.to_csv(str(tmp_path / "SYNTHETIC_grown.csv"), header=False, index=False)
    items = pd.read_csv(str(log / "items.csv"))
    items = pd.concat([pd.DataFrame([("i40", "fresh")], columns=items.columns), items[1:]])
    items.to_csv(str(tmp_path / "items.csv"), index=False)
    done = call(
        "train",
        f"--init_from={run}",
        f"--interactions={tmp_path}/SYNTHETIC_grown.csv",
        "--adapter=amazon",
        f"--item_features={tmp_path}/items.csv",
        f"--run_dir={tmp_path}/grown",
        *("--epochs=1", "--untrained=[]"),
    )
    assert (done.status, done.err) == (0, "")
    (name,) = (n for n, _ in tf.train.list_variables(str(tmp_path / "grown/initial/model.ckpt"))
               if n.endswith("feature_embedding_0"))  # fmt: skip
    old = tf.train.load_variable(tf.train.latest_checkpoint(str(run / "best")), name)
    new = tf.train.load_variable(str(tmp_path / "grown/initial/model.ckpt"), name)
    with dfar_tf.load(str(run)) as before, dfar_tf.load(str(tmp_path / "grown")) as after:
        theirs, ours = (values_of(each.store)["kind"].tolist() for each in (before, after))
        assert ours[0] == "fresh" and set(ours) == {*theirs, "fresh"}
        for place, value in enumerate(ours, 1):
            known = value in theirs
            wanted = old[1 + theirs.index(value)] if known else old[1:].mean(0)
            np.testing.assert_allclose(new[place], wanted, atol=1e-6, err_msg=value)
        known = dict(zip(after.store.item_ids, after.store.extras[KNOWN]))
        assert known["i0"] == 1 and known["i5"] == 1 and known["i37"] == 0
        assert np.isfinite(after.score([("i1", 1)], ["i0", "i37", "i40"])).all()
