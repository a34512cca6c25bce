"""Batches as released: by brute force from the text files, and against the recorded ones."""

import argparse
import csv
import itertools
import os
import pickle
import random

import numpy as np
import pytest
from released_data_case import keys, prepared, quiet, tiny_log, write_log

from dfar_tf.estimator.training import best_checkpoint
from dfar_tf.runs.run import run_experiment
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.errors import UserError
from recommenders_utils.io import ReleasedIterator, SequentialIterator, make_iterator
from recommenders_utils.io.sequential_iterator import BATCH
from recommenders_utils.released.export import export_released
from recommenders_utils.released.instances import import_released

TINY_KEYS = ("min_item_records", "min_user_records", "valid_num_ngs", "test_num_ngs", "cache_dir")
SAME_KEYS = ("users", "items", "cates", "labels", "user_history", "item_history", "mask")


def hparams(**overrides):
    given = {
        "train_targets": "all",
        "max_seq_length": 4,
        "train_num_ngs": 3,
        "batch_size": 9,
        "eval_batch_size": 2,
        "seed": 5,
        "iterator": "released",
    }
    return argparse.Namespace(**{**given, **overrides})


@pytest.fixture
def tiny(tmp_path):
    """(a store prepared from ratings, the folder of its released files)."""
    store = prepared(tmp_path)
    export_released(store, str(tmp_path / "out"), quiet)
    return store, str(tmp_path / "out")


def lines_of(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as stream:
        return [line.rstrip("\n").split("\t") for line in stream]


def tables_of(folder):
    tables = {}
    for kind in ("user", "item", "category"):
        with open(os.path.join(folder, f"{kind}_vocab_cd.pkl"), "rb") as stream:
            tables[kind] = pickle.load(stream)
    return tables


def rows_by_hand(lines, tables, items, length):
    """The released arrays of some lines; ``items`` [[target, negative, ...]] ids of each."""
    out = {name: [] for name in SAME_KEYS}
    for line, candidates in zip(lines, items):
        labels = list(map(int, line[5].split(",")))[-length:]
        history = [tables["item"].get(i, 0) for i in line[6].split(",")][-length:]
        filled = [0] * (length - len(history))
        for place, item in enumerate(candidates):
            out["users"].append(tables["user"][line[1]])
            out["items"].append(item)
            out["cates"].append(tables["category"]["default_cat"])
            out["labels"].append([int(place == 0)])
            out["user_history"].append(labels + filled)
            out["item_history"].append(history + filled)
            out["mask"].append([1] * len(history) + filled)
    return {name: np.array(values) for name, values in out.items()}


def epochs_by_hand(folder, hp, epochs):
    """Batches of some epochs, one stream and one list of lines for all."""
    lines, tables = lines_of(folder, "train_dataA"), tables_of(folder)
    stream = random.Random(hp.seed)
    for _ in range(epochs):
        stream.shuffle(lines)
        batches = []
        for start in range(0, len(lines), hp.batch_size):
            part = lines[start : start + hp.batch_size]
            if len(part) < 5:
                continue
            targets = [tables["item"].get(line[2], 0) for line in part]
            rows = []
            for target in targets:
                row = [target]
                while len(row) < 1 + hp.train_num_ngs:
                    other = targets[stream.randint(0, len(targets) - 1)]
                    if other != target:
                        row.append(other)
                rows.append(row)
            batches.append(rows_by_hand(part, tables, rows, hp.max_seq_length))
        yield batches


def assert_same(ours, theirs):
    for name in SAME_KEYS:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@pytest.mark.parametrize("imported", [False, True])
def test_training_by_hand(tiny, imported):
    store, folder = tiny
    if imported:
        store = import_released(folder, say=quiet)
    hp = hparams()
    iterator = make_iterator(store, hp)
    assert type(iterator) is ReleasedIterator
    for epoch, expected in enumerate(epochs_by_hand(folder, hp, 3)):
        batches = list(iterator.train_batches(epoch))
        assert len(batches) == len(expected) == iterator.steps_per_epoch()
        for batch, theirs in zip(batches, expected):
            assert_same(iterator.released_rows(batch, "train"), theirs)
            assert {k: (v.dtype.type, v.ndim) for k, v in batch.items()} == BATCH


@pytest.mark.parametrize("split", ["valid", "test"])
def test_evaluation_by_hand(tiny, split):
    _, folder = tiny
    iterator = ReleasedIterator(import_released(folder, say=quiet), hparams())
    rows = [iterator.released_rows(b, split) for b in iterator.eval_batches(split)]
    lines, tables = lines_of(folder, f"{split}_dataA"), tables_of(folder)
    items = [[tables["item"].get(line[2], 0)] for line in lines]
    expected = rows_by_hand(lines, tables, items, 4)
    expected["labels"] = np.array([[int(line[0])] for line in lines])
    assert_same({name: np.concatenate([r[name] for r in rows]) for name in SAME_KEYS}, expected)


def test_an_item_that_is_no_target_is_the_padding(tmp_path):
    rows = [(f"u{u}", item, 5, t) for u in range(5) for t, item in enumerate("abcde")]
    # Everybody begins with "z", so that it is in histories and nobody's target.
    rows += [(f"u{u}", "z", 5, -1 + 0) for u in range(5)]
    rows = [(u, i, r, 86400 * (t + 2)) for u, i, r, t in rows]
    store = prepared(tmp_path, rows, valid_num_ngs=2, test_num_ngs=2)
    iterator = ReleasedIterator(store, hparams(max_seq_length=6))
    batch = next(iterator.eval_batches("test"))
    assert np.all(batch["history_items"][:, 0] == 0) and np.all(batch["history_mask"][:, 0] == 1)
    assert "z" not in iterator.vocabularies["item"] and "1" in iterator.vocabularies["item"]
    assert iterator.num_items == 6  # a to e and the label "1"
    assert batch["history_items"].max() <= iterator.num_items


def test_an_epoch_is_found_again(tiny):
    """Any epoch from any start: a resumed run goes on with the same draws."""
    store, _ = tiny
    straight = ReleasedIterator(store, hparams())
    epochs = [list(straight.train_batches(epoch)) for epoch in range(4)]
    fresh = ReleasedIterator(store, hparams())
    for epoch in (3, 0, 2, 2, 1, 3):
        half_done = fresh.train_batches(epoch)
        next(half_done)
        for ours, theirs in zip(fresh.train_batches(epoch), epochs[epoch]):
            for name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])
    assert any(
        not np.array_equal(a["instance"], b["instance"]) for a, b in zip(epochs[0], epochs[1])
    )


def test_a_last_small_batch_is_dropped(tiny):
    store, _ = tiny
    lines = len(store.splits["train"])
    for size in range(5, lines + 2):
        iterator = ReleasedIterator(store, hparams(batch_size=size, train_num_ngs=1))
        sizes = [len(batch["user"]) for batch in iterator.train_batches(0)]
        assert iterator.steps_per_epoch() == len(sizes) and min(sizes) >= 5
        assert sum(sizes) == lines - (lines % size if lines % size < 5 else 0)


def test_dataset(tiny):
    store, _ = tiny
    iterator = ReleasedIterator(store, hparams())
    expected = list(iterator.train_batches(1))
    with tf.Graph().as_default(), tf.Session() as session:
        following = tf.data.make_one_shot_iterator(iterator.train_dataset(1)).get_next()
        for batch in expected:
            found = session.run(following)
            assert all(np.array_equal(found[name], batch[name]) for name in batch)


def test_refused(tiny):
    store, folder = tiny
    with pytest.raises(UserError, match="train_targets: 'feedback', but iterator=released"):
        ReleasedIterator(store, hparams(train_targets="feedback"))
    for kind in ("user", "item", "category"):
        os.remove(os.path.join(folder, f"{kind}_vocab_cd.pkl"))
    os.remove(os.path.join(folder, "test_data_neg"))
    with pytest.raises(UserError, match="the item vocabulary cannot be counted"):
        ReleasedIterator(import_released(folder, say=quiet), hparams())
    train = store.splits["train"]
    store.items = np.array(store.items)
    store.items[train.ends] = store.items[train.ends[0]]
    with pytest.raises(UserError, match="a training batch has only one item"):
        next(ReleasedIterator(store, hparams()).train_batches(0))


def test_the_default_iterator_is_ours(tiny):
    store, _ = tiny
    assert type(make_iterator(store, merge_hparams())) is SequentialIterator
    assert merge_hparams(model_type="dfar_released").iterator == "released"


def test_a_run_is_trained_and_scored_with_released_ids(tmp_path):
    """Its item table has a row for each entry, its predictions the raw ids."""
    rows = [(u, {"0": "i0", "1": "i1"}.get(i, i), r, t) for u, i, r, t in tiny_log()]
    path = write_log(rows, tmp_path / "ratings.csv")
    given = dict(
        iterator="released",  # which is dfar_released's own, but takes any model
        ratings=path,
        hidden_size=4,
        max_seq_length=4,
        batch_size=10,
        epochs=1,
        train_num_ngs=2,
        show_progress=False,
        **{k: getattr(keys(tmp_path / "cache"), k) for k in TINY_KEYS},
    )
    hp = merge_hparams(**given)
    results = run_experiment(hp, "test", str(tmp_path / "run"), given=given)
    store = prepare(path, hp.data, say=quiet)
    entries = ReleasedIterator(store, hp).num_items
    assert entries == store.num_items + 2 and results["best_epoch"] == 1
    with open(str(tmp_path / "run" / "predictions_test.csv"), encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    part = store.splits["test"]
    expected = [str(store.item_ids[k - 1]) for k in part.candidates[part.candidates > 0]]
    assert [row["item"] for row in rows] == expected
    shapes = dict(tf.train.list_variables(best_checkpoint(str(tmp_path / "run"))))
    assert [entries + 1, 4] in list(shapes.values())


def test_recorded_batches(shared):
    """The recorded batches, feature by feature, and the first three epochs of the trajectory."""
    folder = shared / "golden" / "preproc"
    store = import_released(str(folder), say=quiet)
    hp = hparams(max_seq_length=6, batch_size=20, seed=0)
    iterator = ReleasedIterator(store, hp)
    assert iterator.num_items == 46 and iterator.steps_per_epoch() == 37
    batches = itertools.islice(iterator.train_batches(0), 2)
    made = [("train", iterator.released_rows(batch, "train")) for batch in batches]
    made += [("test", iterator.released_rows(next(iterator.eval_batches("test")), "test"))]
    with np.load(str(folder / "iterator_batches_T6_bs20_ngs3_seed0.npz")) as recorded:
        names = {key.split("/")[1] for key in recorded.files if "/" in key}
        assert int(recorded["n_train_batches"]) == 37 and len(names) == 13
        for prefix, (_, ours) in zip(("train0", "train1", "test0"), made):
            assert set(ours) == names
            for name in names:
                theirs = recorded[f"{prefix}/{name}"]
                assert ours[name].shape == theirs.shape
                np.testing.assert_allclose(ours[name], theirs, atol=1e-6, rtol=0, err_msg=name)
    ours = [
        iterator.released_rows(batch, "train")
        for epoch in range(3)
        for batch in iterator.train_batches(epoch)
    ][:100]
    with np.load(str(shared / "golden" / "trajectory_h8_T6_H2.npz")) as recorded:
        assert [len(rows["items"]) for rows in ours] == recorded["rows_per_batch"].tolist()
        for name in SAME_KEYS:
            theirs = recorded["feed/" + ("label" if name == "labels" else name)]
            np.testing.assert_array_equal(np.concatenate([rows[name] for rows in ours]), theirs)
