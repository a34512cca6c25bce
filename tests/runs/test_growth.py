"""A run that begins from another: what it takes over, that it learns sooner, and what is refused."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from serving_case import RESULTS, made_run
from small import MODEL, call, tree

import dfar_tf
from dfar_tf.estimator.initial import initial_values
from dfar_tf.estimator.training import best_checkpoint
from recommenders_utils.backend import tf
from recommenders_utils.checksums import write_checked_json
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json
from recommenders_utils.synthetic.ratings import generate_ratings

NEW_USERS, NEW_ITEMS = ("user 90", "user 91"), ("i:90", "i:91", "i:92")
GONE = "i:3"


def variables(path):
    return {name: tf.train.load_variable(path, name) for name, _ in tf.train.list_variables(path)}


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A finished run of Caser, which has an embedding of users too; random weights."""
    path = made_run(tmp_path_factory.mktemp("origin"), "caser", feedback_input="label_embedding")
    write_checked_json(os.path.join(path, "results.json"), RESULTS)
    return path


@pytest.fixture(scope="module")
def grown(origin, tmp_path_factory):
    """The log of that run, grown by users and items and without one of its items."""
    frame = pd.read_csv(os.path.join(os.path.dirname(origin), "ratings.csv"))
    frame = frame[(frame["item"] != GONE) & (frame["user"] != "user 3")]
    items = [*NEW_ITEMS, "i:1", "i:2", "i:4"]
    more = [
        (user, item, 1 + 4 * (place % 2), 9000 + 10 * place)
        for user in NEW_USERS
        for place, item in enumerate(items)
    ]
    more = pd.DataFrame(more, columns=frame.columns)
    path = tmp_path_factory.mktemp("grown") / "new log.csv"
    pd.concat([frame, more]).to_csv(str(path), index=False)
    return str(path)


def train(origin, grown, folder, *flags):
    return call(
        "train",
        f"--init_from={origin}",
        f"--interactions={grown}",
        f"--run_dir={folder}",
        "--epochs=1",
        "--untrained=[]",
        "--batch_size=20",
        *flags,
    )


@pytest.fixture(scope="module")
def run(origin, grown, tmp_path_factory):
    """(folder, what was printed) of a run that began from the other."""
    folder = tmp_path_factory.mktemp("runs") / "second"
    done = train(origin, grown, folder)
    assert (done.status, done.err) == (0, "")
    return str(folder), done.out


def test_known_items_and_users_keep_their_vectors_and_new_ones_get_the_mean(origin, run):
    old, new = variables(best_checkpoint(origin)), variables(f"{run[0]}/initial/model.ckpt")
    with dfar_tf.load(origin) as before, dfar_tf.load(run[0]) as after:
        for table, names in (("item_embedding", "item_ids"), ("user_embedding", "user_ids")):
            theirs, ours = list(getattr(before.store, names)), list(getattr(after.store, names))
            (key,) = (name for name in old if name.split("/")[-1] == table)
            assert len(new[key]) == 1 + len(ours)
            np.testing.assert_array_equal(new[key][0], old[key][0])
            for place, name in enumerate(ours, 1):
                known = name in theirs
                wanted = old[key][1 + theirs.index(name)] if known else old[key][1:].mean(0)
                np.testing.assert_allclose(new[key][place], wanted, atol=1e-7, err_msg=name)
        assert set(NEW_ITEMS) < set(after.store.item_ids)
        assert set(NEW_USERS) < set(after.store.user_ids)
        assert GONE in after.store.item_ids and "user 3" not in after.store.user_ids
    rest = [name for name in new if not name.endswith("_embedding")]
    assert rest and set(new) == set(old) - {"global_step"}
    for name in rest:
        np.testing.assert_array_equal(new[name], old[name])


def test_the_run_says_what_it_began_with(origin, run):
    record = read_json(os.path.join(run[0], "run.json"))["init_from"]
    assert record["run"] == origin and record["epoch"] == 1
    counts = {key: record[key] for key in record if key.startswith(("known", "new"))}
    assert counts == {"known_items": 23, "new_items": 3, "known_users": 13, "new_users": 2}
    assert "23 items and 13 users known; 3 and 2 new ones start from the mean" in run[1]
    # Of its own settings: those of the other run.
    with dfar_tf.load(run[0]) as opened:
        assert opened.hparams.model_type == "caser" and opened.hparams.hidden_size == 8


def test_training_begins_there_with_a_new_optimiser(run):
    """One epoch of a few small steps moves the weights a little, and not from anywhere else."""
    start, end = variables(f"{run[0]}/initial/model.ckpt"), variables(best_checkpoint(run[0]))
    steps = int(end["global_step"])
    assert 0 < steps < 9
    np.testing.assert_allclose(end["beta1_power"], 0.9 ** (steps + 1), rtol=1e-5)
    for name, value in start.items():
        if "moving" not in name:
            # Adam moves a weight by about the step size, 0.003, at each step.
            assert np.abs(end[name] - value).max() < 0.004 * steps, name
    assert any(np.abs(end[name] - start[name]).max() > 1e-4 for name in start)


def test_an_item_that_left_the_log_is_still_recommended(run):
    with dfar_tf.load(run[0]) as opened:
        scores = opened.score([("i:1", 1), ("i:90", 1)], [GONE, "i:91"])
    assert np.isfinite(scores).all()


def test_it_resumes_alone_and_by_its_own_command(origin, grown, run, tmp_path):
    folder = shutil.copytree(run[0], str(tmp_path / "copy"))
    done = train(origin, grown, folder, "--resume", "--epochs=2")
    assert (done.status, done.err) == (0, "") and "init_from:" not in done.out
    assert len(read_json(os.path.join(folder, "results.json"))["epochs"]) == 2
    done = call("train", f"--run_dir={folder}", "--resume", "--epochs=3", "--untrained=[]")
    assert (done.status, done.err) == (0, "")
    assert len(read_json(os.path.join(folder, "results.json"))["epochs"]) == 3


def test_initial_weights_are_checked(run, tmp_path):
    folder = shutil.copytree(run[0], str(tmp_path / "copy"))
    path = tmp_path / "copy" / "initial" / "model.ckpt.index"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = call("train", f"--run_dir={folder}", "--resume", "--epochs=2")
    assert done.status == 2 and "model.ckpt.index: is damaged" in done.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model=dfar"], r"has model_type 'caser', but --model_type is 'dfar'"),
        (["--hidden_size=16"], "has hidden_size 8, but --hidden_size is 16"),
        (["--protocol=paper"], "but --protocol is 'paper'"),
        (["--tower_layers=[9, 7]"], "has shape [9, 6] in its checkpoint, but [9, 7] here"),
        (["--max_seq_length=9"], "max_seq_length was 5, is now 9"),
    ],
)
def test_another_model_or_width_is_refused_and_nothing_is_written(
    origin, grown, tmp_path, flags, message
):
    before = tree(origin)
    done = train(origin, grown, tmp_path / "run", *flags)
    assert done.status == 2 and message in done.err and done.err.count("\n") == 1
    assert "init_from: " in done.err and not (tmp_path / "run").exists()
    assert tree(origin) == before


def test_what_holds_no_weights_is_refused(origin, grown, tmp_path):
    nothing, unfinished = tmp_path / "nothing", tmp_path / "unfinished"
    shutil.copytree(origin, str(unfinished))
    (unfinished / "results.json").unlink()
    counted = tmp_path / "counted"
    ratings = os.path.join(os.path.dirname(origin), "ratings.csv")
    keys = ["--min_item_records=0", "--min_user_records=0", "--untrained=[]"]
    keys += [f"--cache_dir={tmp_path}/prepared"]
    done = call("amazon", f"--ratings={ratings}", f"--run_dir={counted}", "--model=mostpop", *keys)
    assert done.status == 0, done.err
    for folder, message in (
        (nothing, "holds no finished run (hparams.yaml is missing)"),
        (unfinished, "holds no finished run (results.json is missing)"),
        (counted, "is a run of mostpop, which is fitted by counting and has no weights"),
    ):
        done = train(folder, grown, tmp_path / "run")
        assert done.status == 2 and message in done.err, folder
        assert not (tmp_path / "run").exists()
    done = call("train", f"--init_from={origin}", f"--run_dir={tmp_path}/run")
    assert done.status == 2 and "--interactions=FILE is needed" in done.err


def test_levels_of_feedback_are_extended(origin):
    checkpoint = best_checkpoint(origin)
    (name,) = (n for n, _ in tf.train.list_variables(checkpoint) if n.endswith("label_embedding"))
    old = tf.train.load_variable(checkpoint, name)
    rows = {"levels": np.array([0, -1, 1, -1])}
    new = initial_values(checkpoint, {name: [4, 8]}, rows)[name]
    np.testing.assert_array_equal(new[[0, 2]], old)
    np.testing.assert_allclose(new[[1, 3]], np.repeat(old.mean(0, keepdims=True), 2, 0), atol=1e-7)
    with pytest.raises(UserError, match="label_embedding has shape"):
        initial_values(checkpoint, {name: [1, 8]}, {})


def test_it_learns_sooner_than_a_run_from_nothing(tmp_path):
    """On the planted signal of a SYNTHETIC log that a tenth of the users and items joined later."""
    path = str(tmp_path / "SYNTHETIC.csv")
    shape = {"users": 400, "items": 60, "records": 6000, "positive_share": 0.7, "topics": 10}
    generate_ratings(path, seed=1, **shape)
    frame = pd.read_csv(path, header=None)
    later = frame[0].isin(frame[0].unique()[::10]) | frame[1].isin(frame[1].unique()[::10])
    frame[~later].to_csv(str(tmp_path / "SYNTHETIC_before.csv"), header=False, index=False)

    def aucs(log, run_dir, epochs, *flags):
        done = call(
            "train",
            f"--interactions={tmp_path}/{log}",
            f"--run_dir={tmp_path}/{run_dir}",
            f"--epochs={epochs}",
            *flags,
        )
        assert done.status == 0, done.err
        found = read_json(str(tmp_path / run_dir / "results.json"))
        assert found["synthetic"] is True
        return [epoch["validation"]["auc"] for epoch in found["epochs"]]

    shaped = [*MODEL, "--model=gru4rec", "--untrained=[]", f"--cache_dir={tmp_path}/prepared"]
    aucs("SYNTHETIC_before.csv", "before", 8, *shaped, "--adapter=amazon")
    began = aucs("SYNTHETIC.csv", "began", 1, f"--init_from={tmp_path}/before", "--untrained=[]")
    alone = aucs("SYNTHETIC.csv", "alone", 3, *shaped, "--adapter=amazon")
    assert began[0] > 0.6
    assert began[0] > max(alone), (began, alone)
