"""A tiny log prepared and written in the released layout."""

import numpy as np
import pytest

from dfar_tf.settings import merge_hparams
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.released.export import export_released

KINDS = ("user", "item", "category")


PICKLES = [f"{kind}_vocab_cd.pkl" for kind in KINDS]


def quiet(line):
    del line


def tiny_log(seed=1, users=9, items=13):
    """(user, item, rating, time) rows in no order, with ties in time and repetitions."""
    state = np.random.RandomState(seed)
    rows = []
    for user in range(users):
        for item in state.permutation(items)[: 4 + user % 8]:
            # Items called as labels are: the released item vocabulary takes them for one another.
            name = ["1", "0"][item] if item < 2 else f"i{item}"
            rating = 5 if user < 2 else int(state.randint(1, 6))
            rows.append((f"u{user}", name, rating, int(86400 * state.randint(1, 6))))
    rows = [rows[k] for k in state.permutation(len(rows))]
    return [*rows, (*rows[3][:2], 1, 86400), rows[7]]


def write_log(rows, path):
    path.write_text("".join(f"{u},{i},{float(r)},{t}\n" for u, i, r, t in rows), encoding="utf-8")
    return str(path)


def keys(folder, **overrides):
    given = {
        "candidate_sampling": "released",
        "candidate_seed": 3,
        "min_item_records": 2,
        "min_user_records": 3,
        "valid_num_ngs": 4,
        "test_num_ngs": 4,
        "cache_dir": str(folder),
    }
    return merge_hparams(**{**given, **overrides}).data


def prepared(tmp_path, rows=None, **overrides):
    path = write_log(tiny_log() if rows is None else rows, tmp_path / "ratings.csv")
    return prepare(path, keys(tmp_path / "cache", **overrides), say=quiet)


@pytest.fixture
def files(tmp_path):
    """A tiny released folder; returns a function that changes one line of it."""
    export_released(prepared(tmp_path), str(tmp_path / "out"), quiet)

    def change(name=None, line=None, old="", new=""):
        if name:
            path = tmp_path / "out" / name
            lines = path.read_text(encoding="utf-8").split("\n")
            assert old in lines[line - 1]
            lines[line - 1] = lines[line - 1].replace(old, new, 1)
            path.write_text("\n".join(lines), encoding="utf-8")
        return str(tmp_path / "out")

    return change
