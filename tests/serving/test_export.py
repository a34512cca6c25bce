"""Every model as a SavedModel, loaded by a process that has TensorFlow and nothing of ours."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from graph import close
from places import CHECKOUT
from serving_case import opened, path_of
from small import call

from dfar_tf.models import model_names

DOCUMENT = CHECKOUT / "docs" / "serving.md"
# Reads requests as JSON and answers them; -I keeps the checkout off its path.
CLIENT = """
import json, sys
import tensorflow as tf
assert not any(name.split(".")[0] in ("dfar_tf", "recommenders_utils") for name in sys.modules)
answers = {}
for name, request in json.load(open(sys.argv[1])).items():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], request["folder"])
        signature = loaded.signature_def["serving_default"]
        feeds = {signature.inputs[k].name: v for k, v in request["inputs"].items()}
        found = session.run(signature.outputs["scores"].name, feeds)
        answers[name] = [[None if x != x else float(x) for x in row] for row in found]
print(json.dumps(answers))
"""
# More records than T, fewer, none at all; padding and unknown items anywhere.
HISTORIES = [
    [("i:3", 1), ("i:20", 0), ("i:1", 0), ("x", 1), ("i:7", 1), ("i:8", 0), ("i:9", 1), ("", 0)],
    [("", 0), ("i:4", 0), ("", 1), ("i:2", 1)] + [("", 0)] * 4,
    [("", 0)] * 8,
]
CANDIDATES = [["i:5", "i:6"], ["i:2", "unknown"], ["i:11", ""]]
USERS = ["user 3", "", "nobody"]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """{model: folder} of every model, exported by the command."""
    base = tmp_path_factory.mktemp("exports")
    folders = {}
    for model in model_names():
        folders[model] = str(base / model)
        path = path_of(tmp_path_factory, model)
        done = call("export", f"--run_dir={path}", f"--output={folders[model]}")
        assert (done.status, done.err) == (0, "")
        data, objective, warning, told = done.out.splitlines()
        assert objective.startswith("objective: ranking, loss ") and warning.startswith("WARNING: ")
        assert data.startswith("data: ratings, prepared in ")
        assert told == f"SavedModel of {model}, 23 items: {folders[model]}"
    return folders


def fresh(*arguments):
    """Standard output of a new Python without the checkout on its path."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environ["CUDA_VISIBLE_DEVICES"] = ""
    command = [sys.executable, "-I", "-W", "ignore", *map(str, arguments)]
    done = subprocess.run(command, cwd="/", env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def answers(exports, tmp_path_factory):
    """What a fresh process gets from every export."""
    folder, requests = tmp_path_factory.mktemp("client"), {}
    for model, export in exports.items():
        inputs = {
            "history_items": [[item for item, _ in history] for history in HISTORIES],
            "history_labels": [[label for _, label in history] for history in HISTORIES],
            "candidates": CANDIDATES,
        }
        if model == "caser":
            inputs["user"] = USERS
        requests[model] = {"folder": export, "inputs": inputs}
        none = {"history_items": [[], []], "history_labels": [[], []], "candidates": [["i:2"]] * 2}
        if model == "dfar":
            requests["no column"] = {"folder": export, "inputs": none}
    (folder / "requests.json").write_text(json.dumps(requests))
    (folder / "client.py").write_text(CLIENT)
    return json.loads(fresh(folder / "client.py", folder / "requests.json").splitlines()[-1])


@pytest.mark.parametrize("model", model_names())
def test_a_fresh_process_gets_the_same_scores(tmp_path_factory, answers, model):
    run = opened(tmp_path_factory, model)
    for history, candidates, user, found in zip(HISTORIES, CANDIDATES, USERS, answers[model]):
        records = [record for record in history if record[0]]
        if model == "caser":
            text = ",".join(f"{item}:{label}" for item, label in records)
            row = run.vocabulary.user_rows([user])
            expected = of_user(run, run.vocabulary.parsed([text], row), candidates)
        else:
            expected = run.score(records, candidates)
        close(np.array(found, np.float64), expected.astype(np.float64), 1e-6)
        assert [x is None for x in found] == [name in ("unknown", "") for name in candidates]
    assert len(np.unique(np.array(answers[model], np.float64))) > 3


def of_user(run, histories, candidates):
    from dfar_tf.serving.predict import probabilities, score_pairs

    items = run.vocabulary.item_rows(candidates)
    logits = score_pairs(run, histories, np.zeros(len(items), int), items)
    return probabilities(np.where(items >= 0, logits, np.float32(np.nan)))


def test_histories_may_have_no_column_at_all(tmp_path_factory, answers):
    expected = opened(tmp_path_factory, "dfar").score([], ["i:2"])
    close(np.array(answers["no column"]), np.array([expected, expected]), 1e-6)


def test_the_documented_client_gives_our_scores(tmp_path_factory, exports, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    client = tmp_path / "client.py"
    client.write_text(re.sub(r'"i(\d)"', r'"i:\1"', code))  # the tests' ids
    printed = fresh(client, exports["dfar"]).splitlines()[-1].replace("nan", "null")
    run = opened(tmp_path_factory, "dfar")
    expected = [
        run.score([("i:1", 1), ("i:2", 0), ("i:3", 1)], ["i:5", "i:6"]),
        run.score([("i:4", 1)], ["i:5", "nobody's"]),
    ]
    close(np.array(json.loads(printed), np.float64), np.array(expected, np.float64), 1e-6)


def test_what_an_export_holds(exports, tmp_path_factory):
    folder = pathlib.Path(exports["caser"])
    about = json.loads((folder / "assets.extra" / "about.json").read_text())
    assert (about["model"], about["items"], about["synthetic"]) == ("caser", 23, False)
    assert set(about["inputs"]) == {"history_items", "history_labels", "candidates", "user"}
    assert sorted(os.listdir(str(folder / "assets"))) == ["items.txt", "users.txt"]
    assert sorted(os.listdir(exports["dfar"])) == [
        *("assets", "assets.extra", "saved_model.pb", "variables")
    ]


def test_what_is_there_already_is_left_alone(exports, tmp_path_factory):
    path = path_of(tmp_path_factory, "dfar")
    done = call("export", f"--run_dir={path}", f"--output={exports['dfar']}")
    assert done.status == 2 and "already exists. Give another --output." in done.err
    assert call("export", f"--run_dir={path}").err.startswith("error: --output is needed: ")
    assert call("export", "--output=x").err.startswith("error: --run_dir is needed: ")
