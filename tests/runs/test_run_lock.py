"""One process a run: a second one is refused while the first lives, and not longer."""

import shutil
import signal
import subprocess
import sys

import pytest
from small import call, learnt_run, tree

from dfar_tf import paths
from dfar_tf.runs.folder import RunFolder
from recommenders_utils import files
from recommenders_utils.errors import UserError

HOLD = """
import sys, time
from dfar_tf.runs.folder import RunFolder
with RunFolder(sys.argv[1]).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def copy(tmp_path, tmp_path_factory):
    folder = tmp_path / "a run"
    shutil.copytree(str(learnt_run(tmp_path_factory).folder), str(folder))
    return folder


@pytest.mark.skipif(files.fcntl is None, reason="this system has no such locks")
def test_a_second_process_is_refused_until_the_first_is_gone(copy, tmp_path_factory):
    arguments = [a for a in learnt_run(tmp_path_factory).arguments if "--run_dir" not in a]
    arguments += [f"--run_dir={copy}", "--resume"]
    first = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(copy)], stdout=subprocess.PIPE, cwd=paths.ROOT
    )
    try:
        assert first.stdout.readline() == b"held\n"
        before = tree(copy)
        second = call(*arguments)
        assert second.status == 2 and "another process is training this run" in second.err
        changed = {k for k in tree(copy) if tree(copy)[k] != before.get(k)}
        assert not changed
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
    assert call(*arguments).status == 0


def test_a_lock_ends_with_its_block(copy):
    for _ in range(2):
        with RunFolder(str(copy)).held():
            if files.fcntl is not None:
                with pytest.raises(UserError, match="another process"), RunFolder(str(copy)).held():
                    pass
