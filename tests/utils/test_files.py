"""Locks, slugs and JSON: who is kept out, what names of files become, which text is no JSON."""

import subprocess
import sys
import threading

import pytest

from recommenders_utils import files
from recommenders_utils.errors import UserError
from recommenders_utils.files import locked, read_json, slug, write_json


@pytest.mark.parametrize(
    ("text", "keep", "expected"),
    [
        ("Toys 5-core, users >= 10", "", "toys-5-core-users-10"),
        ("SYNTHETIC_small.x y", "", "synthetic-small-x-y"),
        ("SYNTHETIC_small.x y", "_.", "synthetic_small.x-y"),
        ("..a -- b..", "_.", "a-b"),
        ("日本 log", "", "日本-log"),
        ("--", "", ""),
    ],
)
def test_slug(text, keep, expected):
    assert slug(text, keep) == expected


@pytest.mark.parametrize("text", ["", "{", "[1, ]", "[" * 100000, '{"a":' * 100000])
def test_what_is_no_json_is_a_value_error(tmp_path, text):
    path = str(tmp_path / "a.json")
    write_json(path, {"a": [1, None]})
    assert read_json(path) == {"a": [1, None]}
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError):
        read_json(path)


@pytest.mark.skipif(files.fcntl is None, reason="this system has no such locks")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_another_process_is_kept_out_until_the_block_ends(tmp_path, what):
    path = tmp_path
    if what == "file":
        path = tmp_path / "run.json"
        path.write_text("{}")
    program = (
        "import sys; from recommenders_utils.files import locked\n"
        "with locked(sys.argv[1], 'taken'): pass"
    )
    enter = [sys.executable, "-c", program, str(path)]
    with locked(str(path), "mine"):
        refused = subprocess.run(enter, stderr=subprocess.PIPE, check=False)
        assert refused.returncode == 1
        assert b"UserError: taken" in refused.stderr
        with pytest.raises(UserError, match="again"), locked(str(path), "again"):
            pass
    assert subprocess.run(enter, check=False).returncode == 0


@pytest.mark.skipif(files.fcntl is None, reason="this system has no such locks")
def test_those_that_share_enter_together_and_no_other(tmp_path):
    path = str(tmp_path)
    with locked(path, "taken", shared=True):
        with locked(path, "taken", shared=True):
            pass
        with pytest.raises(UserError, match="taken"), locked(path, "taken"):
            pass
    with locked(path), pytest.raises(UserError, match="taken"), locked(path, "taken", shared=True):
        pass


@pytest.mark.skipif(files.fcntl is None, reason="this system has no such locks")
def test_whoever_waits_enters_afterwards(tmp_path):
    order = []

    def enter():
        with locked(str(tmp_path), wait=True):
            order.append("second")

    with locked(str(tmp_path)):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
