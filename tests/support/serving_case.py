"""Finished runs of any model without training: a small log, random weights that all matter."""

import os

import numpy as np
from every_model import MORE
from graph import random_values
from small import once

import dfar_tf
from dfar_tf.estimator.scoring import make_scorer
from dfar_tf.runs.folder import RunFolder
from dfar_tf.runs.steps import prepare_data
from dfar_tf.settings import merge_hparams
from recommenders_utils.backend import tf
from recommenders_utils.files import write_json
from recommenders_utils.io import make_iterator

# All sizes differ: 23 items, 14 users, T = 5, D = 8.
ITEMS, USERS, T = 23, 14, 5
SMALL = {
    "hidden_size": 8,
    "max_seq_length": T,
    "tower_layers": [9, 6],
    "device": "cpu",
    "show_progress": False,
    "min_item_records": 0,
    "min_user_records": 0,
    "test_num_ngs": 3,
    "valid_num_ngs": 3,
}
OPTIONS = {"dfar": MORE["dfar"][0], "dfar_released": {"iterator": "released"}}
# What a finished run's results have at least.
RESULTS = {"model": "caser", "loss": "log_loss", "data": "ratings", "synthetic": False, "seed": 1}
RESULTS.update(
    statistics={},
    valid={},
    test={},
    protocol={},
    seconds={"train": 1, "all": 2},
    parameters=3,
    epochs=[],
    best_epoch=1,
)
_made = {}  # what the session's tests share: paths and open runs


def ratings_file(folder):
    """A log whose users have 3 to 16 records, some of them one feedback only; ids have spaces and colons."""
    path = os.path.join(str(folder), "ratings.csv")
    if os.path.exists(path):
        return path
    random = np.random.RandomState(3)
    lines = ["user,item,rating,time"]
    for user in range(USERS):
        items = random.permutation(ITEMS)[: 3 + user]
        if user == USERS - 1:
            items = np.append(items[:9], np.setdiff1d(np.arange(ITEMS), items[:9]))
        for time, item in enumerate(items):
            rating = (1, 5)[user % 2] if user < 2 else random.choice([1, 2, 4, 5])
            lines.append(f"user {user},i:{item},{rating},{100 * time}")
    with open(path, "w") as stream:
        stream.write("\n".join(lines) + "\n")
    return path


def made_run(folder, model, **overrides):
    """A finished run's folder below ``folder``; the runs of one folder share their data.

    Returns:
      Path of the run.
    """
    given = {**SMALL, **OPTIONS.get(model, {}), **overrides}
    given.update(ratings=ratings_file(folder), cache_dir=os.path.join(str(folder), "prepared"))
    known = merge_hparams("amazon", model_type=model).values()
    given = {key: value for key, value in given.items() if key in known}
    hparams = merge_hparams("amazon", model_type=model, **given)
    store, hparams = prepare_data(hparams, given, lambda line: None)
    run = RunFolder(os.path.join(str(folder), f"run of {model}"), echo=False)
    run.open(hparams, store, "a test")
    with tf.Graph().as_default(), tf.Session() as session:
        scorer, _, _ = make_scorer(
            hparams, make_iterator(store, hparams).num_items, store.num_users
        )
        step = tf.train.create_global_step()
        session.run(step.initializer)
        for variable, value in random_values(scorer.weights, seed=4).items():
            variable.load(value, session)
        saver = tf.train.Saver([*scorer.weights, step])
        os.makedirs(run.file("best"))
        saver.save(session, run.file("best/model"), global_step=0, write_meta_graph=False)
    write_json(run.file("results.json"), {})
    return run.path


@once
def folder_of_runs(factory):
    """The session's folder of runs."""
    return factory.mktemp("a folder")


def path_of(factory, model):
    """Path of the session's run of a model."""
    return _kept(model, lambda: made_run(folder_of_runs(factory), model))


def opened(factory, model):
    """The session's open run of a model."""
    path = path_of(factory, model)
    return _kept(model + " open", lambda: dfar_tf.load(path))


def _kept(name, make):
    if name not in _made:
        _made[name] = make()
    return _made[name]


def text_of(run, user, end=None):
    """A user's stored records as a history's text; ``end`` is a flat index to stop before."""
    store = run.store
    start, stop = store.user_offsets[user], store.user_offsets[user + 1] if end is None else end
    names = store.item_ids[np.asarray(store.items[start:stop]) - 1]
    return ",".join(f"{item}:{label}" for item, label in zip(names, store.labels[start:stop]))
