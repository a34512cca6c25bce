"""Two processes that start a run in one folder at the same moment: one of them gets it."""

import errno
import json
import os
import subprocess
import sys
import types

import pytest

from dfar_tf import paths

# Pairs of processes meet at a barrier, then open the same new folder with different seeds.
PAIRS = """
import json, multiprocessing, sys, time, types
from dfar_tf.runs.folder import RunFolder
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError
context = multiprocessing.get_context("fork")
meta = {"synthetic": False, "name": "a", "fingerprint": "f"}
store = types.SimpleNamespace(meta=meta, named_arrays=dict)
gate, out = context.Barrier(2), context.Queue()

def start(seed, folders):
    hparams, told = merge_hparams(None, model_type="itemknn", seed=str(seed)), []
    for path in folders:
        folder = RunFolder(path)
        gate.wait(30)
        try:
            folder.open(hparams, store, "")
            with folder.held():
                gate.wait(30)
            told.append([seed, folder.path])
        except UserError as error:
            gate.wait(30)
            told.append([seed, str(error)])
    out.put(told)

folders = json.loads(sys.argv[1])
started = [context.Process(target=start, args=(seed, folders)) for seed in (1, 2)]
for each in started: each.start()
print(json.dumps([out.get(), out.get()]))
for each in started: each.join()
"""


def started_at_once(folders, where):
    """[(seed, folder or error) per folder] of each of the two processes."""
    done = subprocess.run(
        [sys.executable, "-c", PAIRS, json.dumps(folders)],
        cwd=where,
        env=dict(os.environ, PYTHONPATH=paths.ROOT),
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    return json.loads(done.stdout.decode())


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_one_of_two_gets_the_folder_and_all_in_it_is_its_own(tmp_path, there):
    folders = [str(tmp_path / f"run {number}") for number in range(12)]
    for path in folders if there else ():
        os.mkdir(path)
    one, two = started_at_once(folders, paths.ROOT)
    for path, ours, theirs in zip(folders, one, two):
        holders = [seed for seed, told in (ours, theirs) if told == path]
        assert len(holders) == 1, (ours, theirs)
        (refusal,) = [told for _, told in (ours, theirs) if told != path]
        assert "holds a run already" in refusal or "holds no run" in refusal
        with open(os.path.join(path, "run.json")) as stream:
            assert json.load(stream)["seed"] == holders[0]
        with open(os.path.join(path, "hparams.yaml")) as stream:
            assert f"\n  seed: {holders[0]} " in stream.read()
        assert not [name for name in os.listdir(path) if name.startswith(".")]
    assert not [name for name in os.listdir(str(tmp_path)) if name.startswith(".")]


def test_default_names_carry_the_seed_and_never_collide(tmp_path, monkeypatch):
    from dfar_tf.runs import folder as module
    from dfar_tf.settings import merge_hparams

    monkeypatch.setattr(module, "in_checkout", lambda path: str(tmp_path / path))
    hparams = merge_hparams(None, model_type="itemknn", seed="7")
    store = types.SimpleNamespace(meta={"name": "a"}, named_arrays=dict)
    made = [module._make_new({"seed": 7}, hparams, store) for _ in range(3)]
    assert len(set(made)) == 3
    assert all("-seed7-" in os.path.basename(path) for path in made)
    assert all(os.path.exists(os.path.join(path, "hparams.yaml")) for path in made)


def test_an_empty_folder_that_cannot_be_filled_is_empty_again(tmp_path, monkeypatch):
    from dfar_tf.runs import folder as module
    from dfar_tf.settings import merge_hparams

    def full(folder):
        kept = ["data.npz", "hparams.yaml", "initial", "run.json"]
        assert sorted(os.listdir(folder)) == kept
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "seal", full)
    store = types.SimpleNamespace(meta={"name": "a"}, named_arrays=dict)
    hparams = merge_hparams(None, model_type="itemknn")
    start = types.SimpleNamespace(write=lambda folder: os.mkdir(os.path.join(folder, "initial")))
    with pytest.raises(OSError, match="No space left"):
        module._fill(str(tmp_path), {}, hparams, store, start)
    assert os.listdir(str(tmp_path)) == []
