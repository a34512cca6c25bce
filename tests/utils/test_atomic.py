"""Files and folders that are complete or absent: whatever is at their place, and whenever a process dies."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from dfar_tf import paths
from recommenders_utils import temporaries
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_directory, atomic_write

needs_locks = pytest.mark.skipif(temporaries.fcntl is None, reason="this system has no such locks")
# Dies, or waits to be killed, where a test says.
DRIVE = """
import os, signal, sys, time
from recommenders_utils import files, temporaries
what, path = sys.argv[1:]
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
if what == "file":
    with files.atomic_write(path) as stream:
        stream.write("half"); stream.flush(); print("ready", flush=True); time.sleep(600)
if what == "folder":
    with files.atomic_directory(path) as folder:
        open(folder + "/half", "w"); print("ready", flush=True); time.sleep(600)
if what == "exchanged":
    temporaries.shutil.rmtree = die
else:
    temporaries.exchange = lambda one, other: False
    rename, done = os.rename, []
    def rename_once(one, other):
        if "/.old-" in one or "/.old-" in other:
            rename(one, other); die()
        rename(one, other)
    os.rename = rename_once
with files.atomic_directory(path) as folder:
    open(folder + "/new", "w").close()
"""


def start(what, path):
    return subprocess.Popen(
        [sys.executable, "-c", DRIVE, what, str(path)],
        env=dict(os.environ, PYTHONPATH=paths.ROOT),
        stdout=subprocess.PIPE,
    )


def write(path, text="new"):
    with atomic_write(str(path)) as stream:
        stream.write(text)


def test_a_device_and_a_pipe_stay_what_they_are(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(str(pipe))
    for path in (pipe, os.devnull):
        before = os.stat(str(path))
        with pytest.raises(UserError, match="a device or a pipe"):
            write(path)
        assert stat.S_IFMT(os.stat(str(path)).st_mode) == stat.S_IFMT(before.st_mode)
    with pytest.raises(UserError, match="is a folder"):
        write(tmp_path)
    with pytest.raises(UserError, match="is a file"), atomic_directory(str(pipe)):
        pass


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    for name in ("link", "dangling"):
        (tmp_path / name).symlink_to(tmp_path / "there" / name)
    (tmp_path / "there" / "link").write_text("old")
    for name in ("link", "dangling"):
        write(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "there" / name).read_text() == "new"
    (tmp_path / "folder").symlink_to(tmp_path / "there")
    with atomic_directory(str(tmp_path / "folder")) as made:
        open(os.path.join(made, "inside"), "w").close()
    assert (tmp_path / "folder").is_symlink()
    assert os.listdir(str(tmp_path / "there")) == ["inside"]


@pytest.mark.parametrize("name", ["a\0b", "/proc/x.csv", "/proc/none/x.csv"])
def test_a_place_where_nothing_can_be_is_named(name):
    with pytest.raises(UserError) as caught:
        write(name)
    assert name.replace("\0", "\\0") in str(caught.value)


def test_a_mount_point_is_refused():
    with pytest.raises(UserError, match="mount point"), atomic_directory("/proc"):
        pass


def test_a_full_disk_names_the_file_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(OSError) as caught, atomic_write(str(path)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(path)
    with pytest.raises(OSError) as caught, atomic_directory(str(tmp_path / "new")) as folder:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.path.join(folder, "a.npy"))
    assert caught.value.filename == str(tmp_path / "new")
    assert os.listdir(str(tmp_path)) == ["a.csv"] and path.read_text() == "old"


def test_all_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done = []
    named = lambda handle: os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(named(handle)))
    for name in ("rename", "replace"):
        act = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda a, b, act=act: (done.append(os.path.basename(b)), act(a, b))
        )
    write(tmp_path / "a.csv")
    assert done[0].endswith("-a.csv") and done[1] == "a.csv"
    del done[:]
    with atomic_directory(str(tmp_path / "folder")) as folder:
        open(os.path.join(folder, "inside"), "w").close()
    assert done[0] == "inside" and done[1].endswith("-folder") and done[2] == "folder"


@needs_locks
@pytest.mark.parametrize("what", ["file", "folder"])
def test_temporaries_go_when_their_process_is_gone_and_not_before(tmp_path, what):
    path = tmp_path / "made"
    process = start(what, path)
    try:
        assert process.stdout.readline() == b"ready\n"
        temporaries.sweep(str(tmp_path))
        assert len(os.listdir(str(tmp_path))) == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert len(os.listdir(str(tmp_path))) == 1
    write(tmp_path / "another")  # whose temporaries are others
    assert len(os.listdir(str(tmp_path))) == 2
    if what == "file":
        write(path)
    else:
        with atomic_directory(str(path)):
            pass
    assert sorted(os.listdir(str(tmp_path))) == ["another", "made"]


@needs_locks
@pytest.mark.parametrize(("what", "then"), [("exchanged", "new"), ("renamed", "old")])
def test_a_folder_survives_a_kill_while_it_is_replaced(tmp_path, what, then):
    path = tmp_path / "made"
    path.mkdir()
    (path / "old").write_text("")
    process = start(what, path)
    assert process.wait(60) == -signal.SIGKILL
    process.stdout.close()
    temporaries.restore(str(path))
    assert os.listdir(str(path)) == [then]
    with atomic_directory(str(path)) as folder:
        open(os.path.join(folder, "newer"), "w").close()
    assert os.listdir(str(tmp_path)) == ["made"] and os.listdir(str(path)) == ["newer"]
