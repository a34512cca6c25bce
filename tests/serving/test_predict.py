"""Rows scored from a file: every kind of file, any order, each history once, and what is refused."""

import gzip

import numpy as np
import pandas as pd
import pytest
from graph import close
from serving_case import ITEMS, opened, path_of, text_of
from small import call

from dfar_tf.serving.predict import predict_file, probabilities
from recommenders_utils.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return opened(tmp_path_factory, "dfar")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return path_of(tmp_path_factory, "dfar")


@pytest.fixture(scope="module")
def rows(run):
    """61 rows of users and items, users in turns, with very different numbers of items."""
    random = np.random.RandomState(6)
    users = np.minimum(random.geometric(0.25, 61) - 1, run.store.num_users - 1)
    items = random.randint(0, ITEMS, 61)
    frame = pd.DataFrame({"user": run.store.user_ids[users], "item": run.store.item_ids[items]})
    frame["expected"] = [run.score(user, [item])[0] for user, item in zip(frame.user, frame.item)]
    frame["history"] = [text_of(run, user) for user in users]
    return frame


def scored(run, frame, tmp_path, name="rows.csv", output="out.csv", **options):
    source, target = tmp_path / name, tmp_path / output
    tab = "\t" if ".tsv" in name else ","
    frame.to_csv(str(source), sep=tab, index=False, compression="gzip" if "gz" in name else None)
    counts = predict_file(run, str(source), str(target), **options)
    out_tab = "\t" if ".tsv" in output else ","
    return pd.read_csv(str(target), sep=out_tab, keep_default_na=True), counts


@pytest.mark.parametrize("chunk", [7, 1000])
def test_rows_of_users_keep_their_order_whatever_the_chunk(run, rows, tmp_path, chunk):
    found, counts = scored(run, rows[["item", "user"]], tmp_path, chunk=chunk)
    assert list(found.columns) == ["item", "user", "score"]
    assert list(found["user"]) == list(rows["user"]) and list(found["item"]) == list(rows["item"])
    close(found["score"].to_numpy(), rows["expected"].to_numpy(), 1e-6)
    starts = range(0, 61, chunk)
    assert counts.encoded == sum(rows["user"][s : s + chunk].nunique() for s in starts)
    assert (counts.rows, counts.unseen_items, counts.unseen_users) == (61, 0, 0)


@pytest.mark.parametrize(
    ("name", "output"),
    [("r.csv", "o.tsv"), ("r.tsv", "o.csv.gz"), ("r.csv.gz", "o.csv"), ("r.tsv.gz", "o.tsv.gz")],
)
def test_rows_of_histories_in_files_of_every_kind(run, rows, tmp_path, name, output):
    frame = rows[["history", "item"]].rename(columns={"item": "candidate"})
    found, _ = scored(run, frame, tmp_path, name, output, chunk=20)
    close(found["score"].to_numpy(), rows["expected"].to_numpy(), 1e-6)
    assert list(found["history"]) == list(rows["history"])
    packed = (tmp_path / output).read_bytes()[:2] == b"\x1f\x8b"
    assert packed == output.endswith(".gz")


@pytest.mark.parametrize(
    "user, item",
    [
        ("user_id:token", "item_id:token"),
        ("reviewerID", "asin"),
        ("userId", "movieId"),
        ("UID", "Video ID"),
    ],
)
def test_columns_have_the_names_that_training_reads(run, rows, tmp_path, user, item):
    frame = rows[["item", "user"]].assign(time=3).rename(columns={"user": user, "item": item})
    found, counts = scored(run, frame, tmp_path, "r.tsv")
    assert list(found.columns) == [item, user, "time", "score"]
    close(found["score"].to_numpy(), rows["expected"].to_numpy(), 1e-6)
    assert (counts.unseen_items, counts.unseen_users) == (0, 0)


def test_each_history_is_encoded_once_and_big_groups_are_cut(run, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("dfar_tf.serving.predict.PAIRS", 4)
    monkeypatch.setattr("dfar_tf.serving.predict.ENCODED", 3)
    encoded = []
    original = run.scorer.encode

    def encode(histories):
        encoded.append(len(histories["user"]))
        return original(histories)

    monkeypatch.setattr(run.scorer, "encode", encode)
    found, _ = scored(run, rows[["user", "item"]], tmp_path)
    close(found["score"].to_numpy(), rows["expected"].to_numpy(), 1e-6)
    assert sum(encoded) == rows["user"].nunique() and max(encoded) == 3


def test_unseen_items_have_no_score_and_unseen_users_an_empty_history(run, tmp_path):
    frame = pd.DataFrame({"user": ["user 4", "nobody", "user 4"], "item": ["i:1", "i:1", "none"]})
    found, counts = scored(run, frame, tmp_path)
    close(found["score"][0], run.score("user 4", ["i:1"])[0], 1e-7)
    close(found["score"][1], run.score([], ["i:1"])[0], 1e-7)
    assert np.isnan(found["score"][2])
    assert (counts.unseen_items, counts.unseen_users) == (1, 1)
    told = counts.describe(run.store.meta)
    assert "1 row has no score: the run's data do not have the item" in told
    assert "1 row is scored with an empty history" in told
    counts.unseen_items = counts.unknown_records = 2
    assert "2 rows have no score" in counts.describe(run.store.meta)
    assert "2 records are left out of histories" in counts.describe(run.store.meta)


def test_unknown_items_of_a_history_are_passed_over(run, tmp_path):
    frame = pd.DataFrame({"history": ["", " i:3:1 , x:0,i:4:0", "x:1"], "candidate": ["i:2"] * 3})
    found, counts = scored(run, frame, tmp_path)
    known = run.score([("i:3", 1), ("i:4", 0)], ["i:2"])[0]
    empty = run.score([], ["i:2"])[0]
    close(found["score"].to_numpy(), np.array([empty, known, empty]), 1e-6)
    assert counts.unknown_records == 2


def test_generated_data_are_called_so_and_an_older_score_is_replaced(
    run, rows, tmp_path, monkeypatch
):
    monkeypatch.setitem(run.store.meta, "synthetic", True)
    found, counts = scored(run, rows[["user", "item"]].assign(score="old"), tmp_path)
    close(found["score"].to_numpy(), rows["expected"].to_numpy(), 1e-6)
    assert set(found["synthetic"]) == {"SYNTHETIC"}
    assert "SYNTHETIC" in counts.describe(run.store.meta)


REFUSED = {
    "user,rating\nu,3\n": ":1: the header has the columns user, rating; expected user,item",
    "": ":1: the header has the columns none; expected user,item",
    "user,item,user\nu,i,u\n": ":1: column 'user' appears twice. Rename one of the two.",
    "user,item\nuser 1,i:1\nuser 1,\n": ":3: item is empty, expected a raw item id. Correct the row.",
    "history,candidate\ni:1:1,i:2:0,i:3\n": "a history contains commas, so quote it",
    "user,item\nuser 1,i:1\nuser 1,i:2,3\n": "line 3, saw 3",
    'history,item\ni:1:1,i:2\n"i:1:1,i2",i:3\n': ":3: 'i2' is not a record of a history; expected item:label",
    "history,item\ni:1:1,i:2\ni:1:2,i:2\n": ":3: 'i:1:2' is not a record of a history",
    'history,item\n"i:1:1,",i:2\n': ":2: '' is not a record of a history",
    "history,item\n:1,i:2\n": ":2: ':1' is not a record of a history",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_leaves_nothing(run, tmp_path, text):
    source, target = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text(text)
    with pytest.raises(UserError) as error:
        predict_file(run, str(source), str(target), chunk=2)
    assert str(error.value).startswith(str(source)) and REFUSED[text] in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_header_alone_gives_a_header(run, tmp_path):
    found, counts = scored(run, pd.DataFrame({"user": [], "item": []}), tmp_path)
    assert list(found.columns) == ["user", "item", "score"]
    assert (len(found), counts.rows) == (0, 0)


def test_files_that_cannot_be_read(run, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        predict_file(run, str(tmp_path / "none.csv"), str(tmp_path / "out.csv"))
    packed = gzip.compress(("user,item\n" + "user 1,i:1\n" * 9999).encode())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UserError, match="gzip data is truncated or damaged"):
        predict_file(run, str(tmp_path / "cut.gz"), str(tmp_path / "out.csv"))
    (tmp_path / "latin.csv").write_bytes(b"user,item\nuser 1,\xe9\n")
    with pytest.raises(UserError, match="not UTF-8 text"):
        predict_file(run, str(tmp_path / "latin.csv"), str(tmp_path / "out.csv"))
    assert not (tmp_path / "out.csv").exists()


def test_probabilities_do_not_overflow():
    found = probabilities(np.array([-1e4, 0.0, 1e4, np.nan], np.float32))
    np.testing.assert_array_equal(found, np.array([0.0, 0.5, 1.0, np.nan], np.float32))


def test_the_command(path, rows, tmp_path):
    source, target = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows[["user", "item"]].to_csv(str(source), index=False)
    done = call("predict", f"--run_dir={path}", f"--input={source}", f"--output={target}")
    assert (done.status, done.err) == (0, "")
    assert "\nratings: 61 rows in " in done.out and "written: " in done.out
    found = pd.read_csv(str(target))["score"].to_numpy()
    close(found, rows["expected"].to_numpy(), 1e-6)
    for missing in ("run_dir", "input", "output"):
        flags = {"run_dir": path, "input": source, "output": target}
        del flags[missing]
        done = call("predict", *(f"--{name}={value}" for name, value in flags.items()))
        assert done.status == 2 and done.err.startswith(f"error: --{missing} is needed: ")
