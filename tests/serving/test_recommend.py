"""The best of the whole catalogue: exact whatever the blocks, the history encoded once, explained."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from graph import close
from serving_case import ITEMS, USERS, opened, path_of, text_of
from small import call

import dfar_tf
from dfar_tf.estimator.catalogue import Catalogue
from dfar_tf.runs.folder import open_run
from dfar_tf.runs.run import run_experiment
from dfar_tf.serving.lists import choose_users, recommend_lists
from dfar_tf.serving.reasons import moved_by, read_titles, reasons
from dfar_tf.serving.recommend import recommend
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return opened(tmp_path_factory, "dfar")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return path_of(tmp_path_factory, "dfar")


def names(run, users):
    return [str(name) for name in run.store.user_ids[users]]


@pytest.mark.parametrize("block", [1, 4, ITEMS - 1, ITEMS, 10000])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_the_blocks_change_nothing_and_each_history_is_encoded_once(
    run, monkeypatch, block, exclude_seen
):
    users, encoded = np.array([3, 0, 11, 7, 3]), []
    expected = []
    for user in users:
        logits = run.score(names(run, [user])[0], run.store.item_ids)
        if exclude_seen:
            start, stop = run.store.user_offsets[user : user + 2]
            logits[np.asarray(run.store.items[start:stop]) - 1] = -1
        order = np.argsort(-logits, kind="stable")[:6]
        expected.append([run.store.item_ids[k] for k in order if logits[k] >= 0])
    monkeypatch.setattr("dfar_tf.estimator.catalogue.BLOCK", block)
    monkeypatch.setattr(run.scorer.model, "pairs", 3 * block)
    monkeypatch.setattr(run, "catalogue", Catalogue(run.scorer, run.vocabulary.model_ids[1:]))
    monkeypatch.setattr("dfar_tf.serving.recommend.ENCODED", 4)
    original = run.scorer.encode
    monkeypatch.setattr(
        run.scorer, "encode", lambda h: (encoded.append(len(h["user"])), original(h))[1]
    )
    found = list(
        recommend(run, run.vocabulary.stored(users), 6, exclude_seen, exclude_disliked=False)
    )
    assert encoded == [4, 1]
    assert [each.row for each in found] == [0, 1, 2, 3, 4]
    assert [list(each.items["item"]) for each in found] == expected
    assert all(each.seconds > 0 for each in found)


def test_an_explanation_has_the_towers_the_cosines_and_the_head_groups(run):
    user = next(u for u in range(USERS) if len(set(labels_of(run, u))) == 2)
    (found,) = recommend(run, run.vocabulary.stored([user]), 4, explain=True)
    close(found.items["positive_logit"].to_numpy(), found.items["logit"].to_numpy(), 1e-5)
    for side in ("positive", "negative"):
        assert found.items[side + "_cosine"].abs().max() <= 1 + 1e-6
        assert found.items[side + "_logit"].notna().all()
    assert set(found.head_groups) == {
        f"{a} > {b}" for a in ("negative", "positive") for b in ("negative", "positive")
    }
    for kind in ("attention", "pairs"):
        assert abs(sum(each[kind] for each in found.head_groups.values()) - 1) < 1e-6


def test_an_interest_without_records_has_no_cosine(run):
    liked = run.vocabulary.parsed(["i:1:1,i:2:1"])
    (found,) = recommend(run, liked, 3, explain=True)
    assert found.items["negative_cosine"].isna().all()
    assert found.items["positive_cosine"].notna().all()
    close(found.head_groups["positive > positive"]["attention"], 1.0, 1e-6)
    (found,) = recommend(run, run.vocabulary.parsed([""]), 3, explain=True)
    assert found.head_groups is None and len(found.items) == 3


def test_the_records_that_moved_an_item_are_those_left_out(run):
    """Each gain is the score of the whole history minus that without the record, by the public API."""
    history = [("i:3", 1), ("i:5", 0), ("i:8", 1), ("i:1", 0)]
    items = np.array([0, 7, 11])
    read, labels, gains = moved_by(run, run.histories(history), 0, items)
    assert [str(n) for n in run.vocabulary.item_ids(read)] == [item for item, _ in history]
    assert labels.tolist() == [1, 0, 1, 0]
    raw = [str(name) for name in run.vocabulary.item_ids(items)]

    def logits(records):
        state = run.scorer.encode(run.vocabulary.arrays(run.histories(records)))
        return run.scorer.score(state, run.vocabulary.candidates(items)[None])[0]

    for k in range(len(history)):
        shorter = history[:k] + history[k + 1 :]
        close(gains[k], logits(history) - logits(shorter), 1e-5)
    assert len(raw) == 3 and np.abs(gains).max() > 0.005


def test_reasons_are_words_with_titles(run):
    history = [("i:3", 1), ("i:5", 0), ("i:8", 1)]
    items = np.array([0, 7, 11])
    _, _, gains = moved_by(run, run.histories(history), 0, items)
    why = reasons(run, run.histories(history), 0, items, {"i:3": "Three", "i:8": "Eight"})
    names = ["liked Three", "disliked i:5", "liked Eight"]
    for k, sentence in enumerate(why):
        best, worst = int(np.argmax(gains[:, k])), int(np.argmin(gains[:, k]))
        if gains[best, k] >= 0.005:
            assert sentence.startswith(f"you {names[best]} ({gains[best, k]:+.2f})")
        if gains[worst, k] <= -0.005:
            assert sentence.endswith(f"against it: you {names[worst]} ({gains[worst, k]:+.2f})")
    assert "anyone without a history" in reasons(run, run.histories([]), 0, items)[0]


def test_titles_of_any_file(tmp_path):
    expected = {"i1": "One, two", "i2": "Three"}
    for name, text in {
        "a.csv": 'i1,"One, two"\ni2,Three\n',
        "b.tsv": "year\ttitle:token\titem_id:token\n1\tOne, two\ti1\n2\tThree\ti2\n",
        "c.csv": 'Title,ID\n"One, two",i1\n\nThree,i2\n',
    }.items():
        (tmp_path / name).write_text(text)
        assert read_titles(str(tmp_path / name)) == expected
    (tmp_path / "d.csv").write_text("i1,One\ni2\n")
    with pytest.raises(UserError, match=r"d.csv:2: 'i2' has no title"):
        read_titles(str(tmp_path / "d.csv"))
    with pytest.raises(UserError, match="no such file"):
        read_titles(str(tmp_path / "none.csv"))


def test_titles_and_reasons_are_printed_and_written(path, tmp_path):
    items, target = tmp_path / "items.csv", tmp_path / "list.csv"
    items.write_text("item,title\n" + "".join(f"i:{k},Title of {k}\n" for k in range(ITEMS)))
    flags = (
        "--history=i:1:1,i:2:0",
        "--k=3",
        "--explain",
        f"--items={items}",
        f"--output={target}",
    )
    outcome = call("recommend", f"--run_dir={path}", *flags)
    assert outcome.status == 0, outcome.err
    frame = pd.read_csv(str(target))
    assert (frame["title"] == "Title of " + frame["item"].str[2:]).all()
    for row in frame.itertuples():
        assert f"   {row.rank}. {row.because}\n" in outcome.out
    assert frame["because"].str.contains("liked Title of [12]").any()


def knn(factory, folder):
    ratings = path_of(factory, "dfar")  # whose data it shares
    given = open_run(ratings)
    run_dir = folder / "knn"
    hparams = merge_hparams(
        "amazon",
        model_type="itemknn",
        **{key: given.values()[key] for key in ("ratings", "cache_dir", "min_item_records")},
        min_user_records=0,
    )
    run_experiment(hparams, run_dir=str(run_dir), echo=False)
    return dfar_tf.load(str(run_dir))


@pytest.mark.parametrize("model", ["gru4rec", "itemknn"])
def test_every_model_says_why(model, tmp_path_factory, tmp_path):
    other = (
        opened(tmp_path_factory, model) if model == "gru4rec" else knn(tmp_path_factory, tmp_path)
    )
    frame = other.recommend("user 9", k=3, explain=True)
    assert list(frame) == ["rank", "item", "score", "logit", "because"]
    assert frame["because"].str.match("you |against it|no single record").all()


def labels_of(run, user):
    start, stop = run.store.user_offsets[user : user + 2]
    return np.asarray(run.store.labels[start:stop])


def test_users_are_named_listed_or_all(run, tmp_path):
    first = names(run, [5, 2])
    assert choose_users(run, "all").tolist() == list(range(USERS))
    assert choose_users(run, f"{first[0]}, {first[1]}").tolist() == [5, 2]
    plain, packed = tmp_path / "users.txt", tmp_path / "users.gz"
    plain.write_text(f"{first[0]}\n\n{first[1]}\n")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert choose_users(run, str(plain)).tolist() == [5, 2]
    assert choose_users(run, str(packed)).tolist() == [5, 2]
    plain.write_text(f"{first[0]}\nnobody\n")
    with pytest.raises(
        UserError,
        match=r"users.txt:2: user 'nobody' is not in ratings; one that exists is 'user 0'",
    ):
        choose_users(run, str(plain))
    with pytest.raises(UserError, match="--users: user 'x' is not in ratings"):
        choose_users(run, "x")
    with pytest.raises(
        UserError, match="no user found; expected raw ids, a file of raw ids, or all"
    ):
        choose_users(run, " , ")


def test_the_command_writes_csv_for_all_users(run, path, tmp_path):
    target = tmp_path / "lists.csv"
    flags = (
        f"--run_dir={path}",
        "--users=all",
        "--k=3",
        "--exclude_seen=false",
        f"--output={target}",
    )
    done = call("recommend", *flags)
    assert (done.status, done.err) == (0, "")
    assert f"the lists of {USERS - 10} more users are in {target}" in done.out
    assert f"{USERS} users, {ITEMS} items: " in done.out and " ms per user to encode" in done.out
    found = pd.read_csv(str(target))
    assert list(found.columns) == ["user", "rank", "item", "score", "logit"]
    assert len(found) == 3 * USERS
    assert list(found["user"][::3]) == names(run, range(USERS))
    expected = run.recommend(found["user"][6], k=3, exclude_seen=False)
    assert list(found["item"][6:9]) == list(expected["item"])


def test_the_command_writes_json_of_a_given_history(run, path, tmp_path):
    target = tmp_path / "list.json"
    text = text_of(run, 6)
    flags = (f"--history={text},x:1", "--k=2", "--explain", f"--output={target}")
    done = call("recommend", f"--run_dir={path}", *flags)
    assert (done.status, done.err) == (0, "")
    assert "1 record left out: the run's data do not have the item" in done.out
    assert "best 2 for (given history)" in done.out and "share of pairs" in done.out
    found = json.loads(target.read_text())
    assert (found["synthetic"], found["catalogue"], found["k"]) == (False, ITEMS, 2)
    (user,) = found["users"]
    expected = run.recommend(names(run, [6])[0], k=2)
    assert [each["item"] for each in user["items"]] == list(expected["item"])
    assert {"positive_logit", "negative_cosine"} < set(user["items"][0])
    assert user["seconds"] > 0 and "positive > negative" in user["head_groups"]


def test_generated_data_are_called_so_everywhere(run, tmp_path, monkeypatch):
    monkeypatch.setitem(run.store.meta, "synthetic", True)
    for ending in ("csv", "json"):
        lines, target = [], tmp_path / f"lists.{ending}"
        recommend_lists(run, names(run, [1])[0], output=str(target), say=lines.append, k=2)
        assert "SYNTHETIC" in "".join(lines) and "SYNTHETIC" in target.read_text()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--users and --history: give exactly one of the two."),
        (["--users=user 1", "--history="], "--users and --history: give exactly one of the two."),
        (
            ["--users=user 1", "--k=0"],
            "--k: '0' is not a positive whole number of at most four digits.",
        ),
        (["--users=user 1", "--output=x.txt"], "expected a name that ends in .csv or .json"),
        (["--history=i:3"], "--history: 'i:3' is not a record of a history; expected item:label"),
        (["--users=user 1", "--hidden_size=9"], "hidden_size: a finished run is served as it was"),
    ],
)
def test_what_the_command_refuses(path, flags, words):
    done = call("recommend", f"--run_dir={path}", *flags)
    assert done.status == 2 and done.err.startswith("error: ") and words in done.err
    assert call("recommend").err.startswith("error: --run_dir is needed: folder of a finished run")
