"""The best of the whole catalogue: exact whatever the blocks, the history encoded once, explained."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from graph import close
from serving_case import ITEMS, USERS, opened, path_of, text_of
from small import call

from dfar_tf.estimator.scorer import Catalogue
from dfar_tf.serving.lists import choose_users, recommend_lists
from dfar_tf.serving.recommend import recommend
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
    monkeypatch.setattr("dfar_tf.estimator.scorer.BLOCK", block)
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


def test_a_model_with_one_tower_has_nothing_to_explain(tmp_path_factory):
    other = opened(tmp_path_factory, "gru4rec")
    with pytest.raises(UserError, match="--explain: model 'gru4rec' has no tower per feedback"):
        other.recommend("user 3", explain=True)


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
        (["--users=user 1", "--k=0"], "--k: '0' is not a positive whole number."),
        (["--users=user 1", "--output=x.txt"], "expected a name that ends in .csv or .json"),
        (["--history=i:3"], "--history: 'i:3' is not a record of a history; expected item:label"),
        (["--users=user 1", "--hidden_size=9"], "hidden_size: a finished run is served as it was"),
    ],
)
def test_what_the_command_refuses(path, flags, words):
    done = call("recommend", f"--run_dir={path}", *flags)
    assert done.status == 2 and done.err.startswith("error: ") and words in done.err
    assert call("recommend").err.startswith("error: --run_dir is needed: folder of a finished run")
