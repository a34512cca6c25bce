"""A full disk under ``export`` and the tables: a message, and all files or none."""

import os
import subprocess
import sys

import pytest
from small import cache_dir, call, learnt_run, ratings_file, tree

from dfar_tf import paths
from recommenders_utils.files import atomic_write, together

# No file may grow beyond a size, as on a disk with so much left.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from dfar_tf.cli import main
sys.exit(main(sys.argv[2:]))
"""


def limited(size, *arguments):
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)],
        env=dict(os.environ, PYTHONPATH=paths.ROOT),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("size", [600, 40000])
def test_an_export_leaves_nothing(tmp_path, tmp_path_factory, size):
    run = learnt_run(tmp_path_factory).folder
    before = tree(run)
    done = limited(size, "export", f"--run_dir={run}", f"--output={tmp_path}/made")
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert f"error: {tmp_path}/made: " in done.stderr and "ree space" in done.stderr
    assert os.listdir(str(tmp_path)) == [] and tree(run) == before


def test_curves_are_written_whole_or_not_at_all(tmp_path, tmp_path_factory):
    run = learnt_run(tmp_path_factory).folder
    words = ("curves", f"--run_dir={run}", f"--output={tmp_path}")
    assert call(*words).status == 0
    sizes = {name: os.path.getsize(str(tmp_path / name)) for name in os.listdir(str(tmp_path))}
    assert len({name.rsplit(".", 1)[1] for name in sizes}) == 5
    for name in sizes:
        (tmp_path / name).unlink()
    for size in (max(sizes.values()) - 1, min(sizes.values()) - 1):
        done = limited(size, *words)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert f"error: {tmp_path}" in done.stderr
        assert os.listdir(str(tmp_path)) == []


def test_a_table_is_written_whole_or_not_at_all(tmp_path, tmp_path_factory):
    data = (
        f"--ratings={ratings_file(tmp_path_factory)}",
        f"--cache_dir={cache_dir(tmp_path_factory)}",
    )
    words = ("table1", *data, f"--output={tmp_path}")
    assert call(*words).status == 0
    files = [path for path in tmp_path.iterdir() if not path.is_symlink()]
    sizes = [path.stat().st_size for path in files]
    assert {path.suffix for path in files} >= {".csv", ".json", ".md"}
    for path in tmp_path.iterdir():
        path.unlink()
    for size in (max(sizes) - 1, min(sizes) - 1):
        done = limited(size, *words)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert f"error: {tmp_path}" in done.stderr
        assert os.listdir(str(tmp_path)) == []


def test_files_written_together(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError), together():
        for name in "ab":
            with atomic_write(str(tmp_path / name)) as stream:
                stream.write("new")
        raise KeyError
    assert (tmp_path / "a").read_text() == "old" and os.listdir(str(tmp_path)) == ["a"]
    with together():
        for name in "ab":
            with atomic_write(str(tmp_path / name)) as stream:
                stream.write("new")
        assert (tmp_path / "a").read_text() == "old"
    assert sorted(os.listdir(str(tmp_path))) == ["a", "b"]
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "new"
