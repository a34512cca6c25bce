"""A log with strengths of feedback, from its rows to recommendations; SYNTHETIC."""

import json

import numpy as np
import pandas as pd
import pytest
from small import call

from dfar_tf import load
from dfar_tf.models import make_model
from dfar_tf.runs.growth import _level_rows
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError

ADAPTER = """
user: u
item: i
time: t
levels:
  hate: l == 0
  skip: l == 1
  view: l == 2
  like: l == 3
level_threshold: view
"""
TWO = ADAPTER.replace("  hate: l == 0\n  skip: l == 1", "  skip: l < 2").replace(
    "  view: l == 2\n  like: l == 3\nlevel_threshold: view", "  like: l > 1\nlevel_threshold: like"
)
PLAIN = "user: u\nitem: i\ntime: t\nlabel: l > 1\n"
SMALL = (
    *("--model=dfar", "--hidden_size=8", "--max_seq_length=5", "--tower_layers=6", "--epochs=1"),
    *("--aggregation_layers=4", "--device=cpu", "--min_item_records=0", "--min_user_records=0"),
    *("--test_num_ngs=3", "--valid_num_ngs=3", "--batch_size=16", "--train_num_ngs=2", "--seed=3"),
    *("--show_progress=false", "--untrained=", "--deterministic", "--init_stddev=0.3"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """name -> (run folder, output) of the same log read with an adapter."""
    folder = tmp_path_factory.mktemp("levels")
    random = np.random.RandomState(0)
    log = [
        f"u{u},i{i},{100 * u + k},{random.randint(4)}"
        for u in range(12)
        for k, i in enumerate(random.permutation(11)[:7])
    ]
    (folder / "log.csv").write_text("u,i,t,l\n" + "\n".join(log) + "\n")
    made = {}
    for name, adapter in (("four", ADAPTER), ("two", TWO), ("plain", PLAIN)):
        (folder / f"{name}.yaml").write_text(adapter)
        done = call(
            "train", f"--interactions={folder / 'log.csv'}", f"--adapter={folder / name}.yaml",
            f"--cache_dir={folder / 'cache'}", f"--run_dir={folder / name}", "--name=log", *SMALL,
        )  # fmt: skip
        assert done.status == 0, done.err
        made[name] = folder / name
    return made


def predictions(folder):
    return pd.read_csv(str(folder / "predictions_test.csv"))


def test_two_levels_are_the_same_model_to_the_bit(trained):
    two, plain = predictions(trained["two"]), predictions(trained["plain"])
    assert two.equals(plain)
    assert not two["score"].equals(predictions(trained["four"])["score"])


def test_each_level_has_a_row_of_the_label_embedding(trained):
    for name, rows in (("four", 4), ("two", 2)):
        checkpoint = tf.train.latest_checkpoint(str(trained[name] / "best"))
        table = tf.train.load_variable(checkpoint, "label_embedding")
        assert table.shape == (rows, 8)
        assert len(np.unique(table, axis=0)) == rows


def test_histories_are_given_in_levels(trained, tmp_path):
    with load(str(trained["four"])) as run:
        by_name = run.score([("i1", "like"), ("i2", "hate")], ["i3", "i4"])
        by_number = run.score([("i1", 3), ("i2", 0)], ["i3", "i4"])
        weaker = run.score([("i1", "view"), ("i2", "skip")], ["i3", "i4"])
        with pytest.raises(
            UserError, match="a level is none of hate, skip, view, like, nor 0 to 3"
        ):
            run.score([("i1", 4)], ["i3"])
        unseen = run.recommend([("i1", "view"), ("i2", "skip")], k=9, exclude_seen=False)
    assert np.array_equal(by_name, by_number) and not np.allclose(by_name, weaker)
    assert "i1" in list(unseen["item"]) and "i2" not in list(unseen["item"])  # disliked
    output = tmp_path / "list.csv"
    where = f"--run_dir={trained['four']}", f"--output={output}", "--k=3"
    done = call("recommend", *where, "--history=i1:like,i2:0", "--explain")
    assert done.status == 0, done.err
    assert set(pd.read_csv(str(output))["item"].astype(str)).isdisjoint({"i1", "i2"})
    done = call("recommend", *where[:1], "--history=i1:love")
    assert (
        done.status == 2
        and "a level one of hate, skip, view, like, as in i1:like,i2:hate" in done.err
    )


def test_the_saved_model_takes_levels(trained, tmp_path):
    done = call("export", f"--run_dir={trained['four']}", f"--output={tmp_path / 'model'}")
    assert done.status == 0, done.err
    about = json.loads((tmp_path / "model" / "assets.extra" / "about.json").read_text())
    assert about["inputs"]["history_labels"].endswith("levels: 0 hate, 1 skip, 2 view, 3 like")
    with load(str(trained["four"])) as run:
        expected = run.score([("i1", "like"), ("i2", "skip")], ["i3", "i4"])
    with tf.Graph().as_default(), tf.Session() as session:
        loaded = tf.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        signature = loaded.signature_def["serving_default"]
        feeds = {
            "history_items": [["i1", "i2"]],
            "history_labels": [[3, 1]],
            "candidates": [["i3", "i4"]],
        }
        found = session.run(
            signature.outputs["scores"].name,
            {signature.inputs[name].name: value for name, value in feeds.items()},
        )
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def test_a_newer_log_of_other_levels_is_refused(trained):
    folder = trained["four"].parent
    with pytest.raises(
        UserError, match=r"other levels \(skip, like\) than the run's data \(hate, "
    ):
        load(
            str(trained["four"]),
            interactions=str(folder / "log.csv"),
            adapter=str(folder / "two.yaml"),
        )
    with load(
        str(trained["four"]),
        interactions=str(folder / "log.csv"),
        adapter=str(folder / "four.yaml"),
    ) as newer, load(str(trained["four"])) as stored:
        items = ["i1", "i5"]
        np.testing.assert_allclose(newer.score("u3", items), stored.score("u3", items), rtol=1e-5)


def test_a_candidate_is_assumed_to_get_the_mean_of_its_side():
    hp = merge_hparams(
        "amazon", levels=["a", "b", "c"], level_threshold=1, hidden_size=2, num_heads=2
    )
    with tf.Graph().as_default(), tf.Session() as session:
        model = make_model(hp, 5)
        session.run(tf.global_variables_initializer())
        history = {"history_labels": tf.constant([[0, 2, 1]])}
        sides = model.sides(history)
        found = session.run(
            [model.side_embedding(0), model.side_embedding(1), model.label_embedding,
             sides["history_labels"], model.embed_labels(sides)]
        )  # fmt: skip
    negative, positive, table, labels, embedded = found
    np.testing.assert_allclose(negative, table[0])
    np.testing.assert_allclose(positive, table[1:].mean(0), rtol=1e-6)
    assert labels.tolist() == [[0, 1, 1]]
    np.testing.assert_array_equal(embedded[0], table[[0, 2, 1]])


class Named:
    def __init__(self, names, threshold=1):
        self.level_names, self.level_threshold = names, threshold


@pytest.mark.parametrize(
    "old, new, rows",
    [
        (Named([]), Named([]), [0, 1]),
        (Named(["a", "b", "c"]), Named(["a", "x", "c"], 2), [0, -1, 2]),
        (Named([]), Named(["a", "b", "c"], 2), [0, 0, 1]),
        (Named(["a", "b", "c"]), Named([]), [0, 2]),
    ],
)
def test_levels_keep_their_rows_by_name(old, new, rows):
    assert _level_rows(old, new).tolist() == rows


def test_the_store_keeps_levels(trained):
    record = json.loads((trained["four"] / "run.json").read_text())
    (folder,) = trained["four"].parent.glob(f"cache/log-{record['data_fingerprint'][:12]}")
    store = SequenceStore.load(str(folder))
    assert store.level_names == ["hate", "skip", "view", "like"] and store.level_threshold == 2
    assert np.array_equal(store.levels >= 2, np.asarray(store.labels) == 1)
