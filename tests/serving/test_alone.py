"""A run folder serves alone: log and prepared data gone, changed or newer; the run copied elsewhere."""

import os
import shutil

import numpy as np
import pytest
from graph import close
from serving_case import RESULTS, made_run, ratings_file
from small import call

import dfar_tf
from recommenders_utils.checksums import write_checked_json
from recommenders_utils.dataset.packed import pack, unpack
from recommenders_utils.dataset.store import DamagedStore
from recommenders_utils.errors import UserError
from recommenders_utils.io import RetrievalIterator, make_iterator

HISTORY = [("i:1", 1), ("i:4", 0), ("i:2", 1)]


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """(a folder with the log and a run of it, the scores that the run gives)."""
    folder = tmp_path_factory.mktemp("whole")
    path = made_run(folder, "caser")
    write_checked_json(os.path.join(path, "results.json"), RESULTS)
    with dfar_tf.load(path) as run:
        items = [str(each) for each in run.store.item_ids]
        return folder, [run.score("user 9", items), run.score(HISTORY, items)]


@pytest.fixture
def moved(lists, tmp_path):
    """The folder's run alone, somewhere else, and the scores that it gave."""
    path = shutil.move(shutil.copytree(str(lists[0]), str(tmp_path / "copy")), str(tmp_path / "m"))
    run = shutil.move(os.path.join(path, "run of caser"), str(tmp_path / "elsewhere"))
    shutil.move(str(lists[0]), str(lists[0]) + " away")
    yield run, lists[1], path
    shutil.move(str(lists[0]) + " away", str(lists[0]))


def scores(path, **given):
    said = []
    with dfar_tf.load(path, say=said.append, **given) as run:
        items = [str(each) for each in run.store.item_ids]
        return [run.score("user 9", items), run.score(HISTORY, items)], said[0]


def test_the_data_packed_and_unpacked_are_the_same(lists, tmp_path):
    with dfar_tf.load(str(lists[0] / "run of caser")) as run:
        pack(run.store, str(tmp_path / "data.npz"))
        again = unpack(str(tmp_path / "data.npz"))
        for name, (array, _) in run.store.named_arrays().items():
            found = again.named_arrays()[name][0]
            assert found.dtype == array.dtype and np.array_equal(found, array), name
    (tmp_path / "cut.npz").write_bytes((tmp_path / "data.npz").read_bytes()[:-40])
    with pytest.raises(DamagedStore, match=r"cut.npz: not usable data of a run"):
        unpack(str(tmp_path / "cut.npz"))


def test_a_run_folder_copied_elsewhere_does_everything(moved, tmp_path):
    path, expected, _ = moved
    found, said = scores(path)
    assert said.startswith("data: ratings, the copy in ") and "data.npz" in said
    close(found[0], expected[0], 1e-7)
    close(found[1], expected[1], 1e-7)
    (tmp_path / "rows.csv").write_text("user,item\nuser 9,i:3\n")
    for command, *flags in (
        ("recommend", "--users=user 9"),
        ("predict", f"--input={tmp_path}/rows.csv", f"--output={tmp_path}/scores.csv"),
        ("evaluate", "--untrained=[]", f"--cache_dir={tmp_path}/cache"),
        ("export", f"--output={tmp_path}/exported"),
    ):
        done = call(command, f"--run_dir={path}", *flags)
        assert (done.status, done.err) == (0, ""), command
        assert done.out.count("the copy in ") == 1, command


def test_a_run_trained_on_every_position_serves_alone(tmp_path):
    path = made_run(tmp_path, "sasrec", positions="all", loss="softmax", shared_negatives=True)
    write_checked_json(os.path.join(path, "results.json"), {**RESULTS, "model": "sasrec"})
    with dfar_tf.load(path) as run:
        assert isinstance(make_iterator(run.store, run.hparams), RetrievalIterator)
        expected = run.score(HISTORY, ["i:1", "i:3"])
    os.unlink(ratings_file(tmp_path))
    shutil.rmtree(str(tmp_path / "prepared"))
    said = []
    with dfar_tf.load(path, say=said.append) as run:
        assert "the copy in" in said[0]
        close(run.score(HISTORY, ["i:1", "i:3"]), expected, 1e-7)


def test_a_changed_log_and_damaged_prepared_data_do_not_matter(lists, tmp_path):
    folder = tmp_path / "changed"
    shutil.copytree(str(lists[0]), str(folder))
    path, cache = str(folder / "run of caser"), str(folder / "prepared")
    with open(ratings_file(folder), "a") as stream:
        stream.write("user 9,i:1,5,99999\n")
    found, said = scores(path, cache_dir=cache)
    assert said == f"data: ratings, prepared in {folder}/prepared/{os.listdir(cache)[0]}"
    close(found[0], lists[1][0], 1e-7)
    prepared = os.path.join(cache, os.listdir(cache)[0])
    with open(os.path.join(prepared, "items.npy"), "ab") as stream:
        stream.write(b"x")
    found, said = scores(path, cache_dir=cache)
    assert "the copy in" in said
    close(found[0], lists[1][0], 1e-7)


def test_a_damaged_copy_is_named(moved):
    path = moved[0]
    with open(os.path.join(path, "data.npz"), "r+b") as stream:
        stream.seek(200)
        stream.write(b"!")
    with pytest.raises(UserError, match=r"data.npz: is damaged: it differs from its checksum"):
        dfar_tf.load(path)


def test_a_run_of_an_earlier_version_is_served_from_its_log(lists, tmp_path):
    path = shutil.copytree(str(lists[0] / "run of caser"), str(tmp_path / "run"))
    for name in ("data.npz", "checksums.json"):
        os.unlink(os.path.join(path, name))
    found, said = scores(path, cache_dir=str(tmp_path / "cache"))
    assert said == f"data: {os.path.relpath(ratings_file(lists[0]))}, given with --ratings" or (
        said == f"data: {ratings_file(lists[0])}, given with --ratings"
    )
    close(found[0], lists[1][0], 1e-7)


def test_a_newer_log_gives_newer_histories(moved, tmp_path):
    path, expected, old = moved
    found, said = scores(path, ratings=ratings_file(old))
    close(found[0], expected[0], 1e-7)
    newer = tmp_path / "newer.csv"
    lines = ["user,item,rating,time", "user 9,i:2,5,1", "new,i:1,5,1", "new,i:4,1,2", "new,x,5,3"]
    newer.write_text("\n".join([*lines, "new,i:2,5,4"]) + "\n")
    for source in ("ratings", "interactions"):
        said = []
        with dfar_tf.load(path, say=said.append, **{source: str(newer)}) as run:
            items = [str(each) for each in run.store.item_ids]
            close(run.score("new", items), expected[1], 1e-7)  # of a user unknown to the model
            assert np.abs(run.score("user 9", items) - expected[0]).max() > 1e-6
            with pytest.raises(UserError, match="user 'user 8' is not in newer; one that exists"):
                run.recommend("user 8")
        assert said[1] == (
            f"histories: 4 records of 2 users in {newer}; 1 record of items that the run does not know "
            "left out"
        )
    done = call("recommend", f"--run_dir={path}", "--users=all", f"--interactions={newer}")
    assert done.status == 0 and "best 20 for new" in done.out and "2 users, " in done.out
    newer.write_text("user,item,rating,time\nnew,y,5,1\nnew,x,5,3\n")
    with pytest.raises(UserError, match="the run's data have none of its 2 items"):
        dfar_tf.load(path, ratings=str(newer))
