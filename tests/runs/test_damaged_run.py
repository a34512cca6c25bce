"""Every file of a run, damaged in every way, under every command that reads it: named, never a traceback."""

import json
import os
import shutil

import pytest
from small import call, learnt_run, once, tree

from recommenders_utils.checksums import DamagedFile, check, checked_write, write_checked_json

BEST, STATE = "best/model.ckpt", "checkpoints/training_state.json"
RECORD = ("run.json", "hparams.yaml", "checksums.json")
WEIGHTS = (f"{BEST}.index", f"{BEST}.data", "best/checkpoint", "best/checksums.json")
# Command -> the files that it reads.
READS = {
    "recommend": (*RECORD, *WEIGHTS),
    "export": (*RECORD, *WEIGHTS),
    "evaluate": (*RECORD, "results.json", *WEIGHTS),
    "curves": (*RECORD, STATE),
    "resume": (*RECORD, STATE, *WEIGHTS[:2]),
    "metrics": ("checksums.json", "predictions_test.csv"),
    "slices": ("run.json", "checksums.json", "slices.csv"),
}
ADVICE = ("restore a copy", "score the run again", "delete it to go on without checks")
DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "flipped": lambda content: _flipped(content, len(content) // 3),
    "flipped last": lambda content: _flipped(content, len(content) - 2),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "empty": lambda content: b"",
    "null": lambda content: b"null",
    "a list": lambda content: b"[1, 2]",
    "nested": lambda content: b"[" * 100000,
    "another": lambda content: json.dumps({"epochs": [], "data_fingerprint": "x"}).encode(),
}


FEW, ALIKE = (
    ("truncated", "flipped", "null"),
    ("export", "evaluate"),
)  # which open it as recommend does


def _flipped(content, at):
    return content[:at] + bytes([content[at] ^ 0x15]) + content[at + 1 :]


@once
def copied(factory):
    """A copy of the learnt run that the tests damage and repair."""
    folder = factory.mktemp("damaged") / "the run"
    shutil.copytree(str(learnt_run(factory).folder), str(folder))
    return folder


def file_of(folder, name):
    """Path of a file of the run; of a checkpoint's, by the beginning of its name."""
    if not name.startswith(BEST):
        return folder / name
    with open(str(folder / "best" / "checkpoint")) as stream:
        best = stream.readline().split('"')[1]
    (found,) = (folder / "best").glob(best + name[len(BEST) :] + "*")
    return found


def files_in(folder):
    """What a refused command leaves as it was: all files with their sizes, but the log."""
    return {name: size for name, size in tree(folder.parent).items() if "run.log" not in name}


def run(command, folder, factory):
    """Runs a command on the run; returns its Outcome."""
    given = [f"--run_dir={folder}"]
    if command == "resume":
        words = [a for a in learnt_run(factory).arguments if not a.startswith("--run_dir")]
        return call(*words, *given, "--resume")
    if command == "metrics":
        return call(command, f"--predictions={folder}/predictions_test.csv")
    given += {
        "recommend": ["--history=SYNI1:1", "--k=2"],
        "export": [f"--output={folder.parent}/export"],
        "curves": [f"--output={folder.parent}/results"],
        "slices": [f"--output={folder.parent}/results"],
    }.get(command, [])
    return call(command, *given)


@pytest.mark.parametrize("command", READS)
def test_a_damaged_file_is_named_with_what_to_do(command, tmp_path_factory):
    folder = copied(tmp_path_factory)
    for name in READS[command]:
        path = file_of(folder, name)
        sound = path.read_bytes()
        for damage in FEW if command in ALIKE and name != "results.json" else DAMAGES:
            path.write_bytes(DAMAGES[damage](sound))
            before = files_in(folder)
            try:
                outcome = run(command, folder, tmp_path_factory)
            finally:
                after = files_in(folder)
                path.write_bytes(sound)
            case = (command, name, damage, outcome.err)
            assert outcome.status == 2, case
            assert os.path.basename(str(path)) in outcome.err, case
            assert any(advice in outcome.err.lower() for advice in ADVICE), case
            assert len(outcome.err) < 2000, case
            assert after == before, case


@pytest.mark.parametrize(
    ("command", "name"),
    [("recommend", "results.json"), ("resume", "results.json"), ("resume", "best/checkpoint")],
)
def test_what_is_not_read_or_is_written_again_does_no_harm(command, name, tmp_path_factory):
    folder = copied(tmp_path_factory)
    sound = (folder / name).read_bytes()
    (folder / name).write_bytes(b"null")
    assert run(command, folder, tmp_path_factory).status == 0
    if command == "resume":
        if name == "results.json":
            found, expected = json.loads((folder / name).read_text()), json.loads(sound.decode())
            assert found["test"] == expected["test"] and found["epochs"] == expected["epochs"]
        else:
            assert (folder / name).read_bytes() == sound
    (folder / name).write_bytes(sound)


def test_every_file_of_a_run_has_a_checksum(tmp_path_factory):
    folder = learnt_run(tmp_path_factory).folder
    for part, unlisted in (("", {"run.log"}), ("best", set())):
        listed = json.loads((folder / part / "checksums.json").read_text())["files"]
        there = {each.name for each in (folder / part).iterdir() if each.is_file()}
        assert there - {"checksums.json"} - unlisted == set(listed)
        for name in listed:
            check(str(folder / part / name), "")
    check(str(folder / STATE), "")
    listed = json.loads((folder / "checkpoints" / "checksums.json").read_text())["files"]
    assert list(listed) == ["training_state.json"]


@pytest.mark.parametrize(
    "name", ["run.json", "hparams.yaml", STATE, f"{BEST}.data", f"{BEST}.index"]
)
def test_a_run_without_checksums_is_read_and_its_damage_told(name, tmp_path, tmp_path_factory):
    folder = tmp_path / "old run"
    shutil.copytree(str(learnt_run(tmp_path_factory).folder), str(folder))
    for part in ("", "best", "checkpoints"):
        (folder / part / "checksums.json").unlink()
    command = "curves" if name == STATE else "recommend"
    assert run(command, folder, tmp_path_factory).status == 0
    path = file_of(folder, name)
    sound = path.read_bytes()
    for damage in ("truncated", "not UTF-8", "empty", "null", "a list", "nested"):
        path.write_bytes(DAMAGES[damage](sound))
        outcome = run(command, folder, tmp_path_factory)
        shown = path.name.split(".data")[0].split(".index")[0]
        assert outcome.status == 2 and shown in outcome.err, (name, damage, outcome.err)


def test_a_kill_between_checksum_and_file_leaves_both_readable(tmp_path, monkeypatch):
    path = str(tmp_path / "a.json")
    write_checked_json(path, {"a": 1})
    with pytest.raises(KeyboardInterrupt), checked_write(path) as stream:
        monkeypatch.setattr(os, "replace", _killed(os.replace, "a.json"))
        stream.write("{}")
    monkeypatch.undo()
    check(path, "")  # the old file, with the new one's checksum beside its own
    write_checked_json(path, {"a": 2})
    check(path, "")
    with open(path, "a") as stream:
        stream.write(" ")
    with pytest.raises(DamagedFile, match="differs from its checksum"):
        check(path, "Do this.")


def _killed(replace, name):
    def act(one, other):
        if os.path.basename(other) == name:
            raise KeyboardInterrupt
        replace(one, other)

    return act
