"""A cell's digest of code follows what can change its numbers, and nothing else."""

import shutil

import pytest
from places import CHECKOUT

from dfar_tf.experiments.book.code import code_digest, commit, modules_of


@pytest.fixture
def tree(tmp_path):
    """A copy of the sources, to be changed."""
    for package in ("dfar_tf", "recommenders_utils"):
        shutil.copytree(str(CHECKOUT / package), str(tmp_path / package))
    return tmp_path


CHANGES = [
    ("dfar_tf/models/dfar.py", "\nFURTHER = 1\n", {"dfar"}),
    ("dfar_tf/models/base.py", "\nFURTHER = 1\n", {"dfar", "gru4rec"}),
    ("dfar_tf/models/baseline.py", "\nFURTHER = 1\n", {"gru4rec"}),
    ("dfar_tf/layers/shared_candidates.py", "\nFURTHER = 1\n", {"dfar"}),
    ("dfar_tf/estimator/epochs.py", "\nFURTHER = 1\n", {"dfar", "gru4rec"}),
    ("recommenders_utils/evaluation/rows.py", "\nFURTHER = 1\n", {"dfar", "gru4rec", "itemknn"}),
    ("recommenders_utils/untrained/itemknn.py", "\nFURTHER = 1\n", {"itemknn"}),
    ("dfar_tf/models/dfar.py", "\n# a remark\n\n\n", set()),
    ("dfar_tf/experiments/report.py", "\nFURTHER = 1\n", set()),
    ("dfar_tf/commands/table2.py", "\nFURTHER = 1\n", set()),
]


def test_a_change_of_the_code_is_another_digest(tree):
    """One copy for all: each change is undone before the next."""
    models = ("dfar", "gru4rec", "itemknn")
    from dfar_tf.experiments.book import code

    def digests():
        code._digest.cache_clear()
        return {model: code_digest(model, str(tree)) for model in models}

    before = digests()
    assert before == {model: code_digest(model) for model in models}
    assert len(set(before.values())) == len(models)
    for name, more, expected in CHANGES:
        path = tree / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text + more, encoding="utf-8")
        after = digests()
        assert {model for model in models if after[model] != before[model]} == expected, name
        path.write_text(text, encoding="utf-8")
    # A docstring, and an indentation that is a meaning.
    path = tree / "dfar_tf/models/gru4rec.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"""', '"""Further. ', 1), encoding="utf-8")
    assert digests() == before
    path.write_text(
        text + "\n\ndef f(x):\n    if x:\n        x = 1\n        x = 2\n", encoding="utf-8"
    )
    one = digests()["gru4rec"]
    path.write_text(text + "\n\ndef f(x):\n    if x:\n        x = 1\n    x = 2\n", encoding="utf-8")
    assert len({one, digests()["gru4rec"], before["gru4rec"]}) == 3


def test_what_is_counted():
    ours = modules_of("dfar")
    assert {"dfar_tf.models.dfar", "dfar_tf.models.base", "dfar_tf.losses"} <= ours
    assert "dfar_tf.models.gru4rec" not in ours and "dfar_tf.cli" not in ours
    assert "recommenders_utils.io.sequential_iterator" in ours
    assert "recommenders_utils.dataset.training" in ours
    counted = modules_of("itemknn")
    assert "recommenders_utils.untrained.itemknn" in counted
    assert not [name for name in counted if name.startswith("dfar_tf.models.")]


def test_the_commit_is_one_or_none():
    said = commit()
    assert said is None or len(said.rstrip("+")) == 12
