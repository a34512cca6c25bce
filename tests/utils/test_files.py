"""One lock and one slug: who is kept out, and what names of files become."""

import subprocess
import sys

import pytest

from recommenders_utils import files
from recommenders_utils.errors import UserError
from recommenders_utils.files import locked, slug


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
