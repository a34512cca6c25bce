"""Bad input of every kind ends with status 2, one message and nothing half-written."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import types

import pytest
from loopback_server import Server
from small import MODEL, SHAPE, call, learnt_run, other_run, ratings_file, tree

from dfar_tf import paths
from dfar_tf.runs import steps
from recommenders_utils.dataset import download
from recommenders_utils.files import read_json
from recommenders_utils.synthetic.ratings import generate_ratings

WHOLE = ("--min_item_records=0", "--min_user_records=0")
GOOD = [
    f"u{user},i{(user + 3 * record) % 11},{1 + (user * (record + 1)) % 5},{1400000000 + 90000 * record}"
    for user in range(12)
    for record in range(6)
]


def refused(outcome, *signs):
    """One message on stderr that shows all the signs; the status of bad input."""
    assert outcome.status == 2, outcome
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in outcome.out + outcome.err
    for sign in signs:
        assert sign in lines[0]


@contextlib.contextmanager
def nothing_written(folder):
    """Asserts that a folder holds what it held."""
    before = tree(folder)
    yield
    assert tree(folder) == before


def changed(line, text):
    """The good log with line ``line`` (from 1) replaced."""
    return [*GOOD[: line - 1], text, *GOOD[line:]]


BAD_FILES = {
    "empty": ([], (), ("log.csv", "empty")),
    "blank": (["", "  ", ""], (), ("log.csv", "expected")),
    "header only": (["user_id,item_id,rating,timestamp"], (), ("log.csv", "no record")),
    "unknown columns": (
        ["colour,size,weight,age", *GOOD],
        (),
        ("log.csv:1", "colour", "user_id", "timestamp"),
    ),
    "too few columns": (["u1,i1,5", *(",".join(r.split(",")[:3]) for r in GOOD)], (), ("log.csv",)),
    "rating not a number": (
        changed(7, "u1,i1,good,1400000000"),
        (),
        ("log.csv:7", "'good'", "max_malformed"),
    ),
    "no time": (
        changed(9, "u1,i1,5,NaN"),
        (),
        ("log.csv:9", "'NaN'", "expected unix seconds", "max_malformed"),
    ),
    "seconds and milliseconds": (
        changed(5, "u1,i1,5,1400000000123"),
        (),
        ("log.csv:5", "seconds", "milliseconds", "line 1 ", "write all times in one unit"),
    ),
    "outside the scale": (
        changed(3, "u1,i1,9,1400000000"),
        (),
        ("log.csv:3", "9", "1 to 5", "rating_max"),
    ),
    "every user with one record": (
        [f"u{k},i{k % 11},5,1400000000" for k in range(40)],
        (),
        ("each of the 40 users has one record", "check"),
    ),
    "a filter that leaves nothing": (
        GOOD,
        ("--min_user_records=1000",),
        ("min_user_records=1000", "lower"),
    ),
    "one label for all": (GOOD, ("--rating_threshold=5",), ("rating_threshold", "between")),
    "more candidates than items": (GOOD, ("--test_num_ngs=11",), ("11 items", "test_num_ngs")),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_ratings(name, tmp_path):
    lines, flags, signs = BAD_FILES[name]
    (tmp_path / "log.csv").write_text("".join(line + "\n" for line in lines))
    common = (f"--ratings={tmp_path}/log.csv", f"--cache_dir={tmp_path}/cache", *WHOLE, *flags)
    with nothing_written(tmp_path):
        refused(call("prepare", *common), *signs)
    if name in ("empty", "outside the scale"):  # the same through the command that trains
        with nothing_written(tmp_path):
            refused(call("amazon", *common, f"--run_dir={tmp_path}/run"), *signs)


def test_malformed_rows_below_the_fraction_are_counted_and_told(tmp_path):
    (tmp_path / "log.csv").write_text("\n".join(changed(7, "u1,i1,good,1400000000")) + "\n")
    outcome = call(
        "prepare", f"--ratings={tmp_path}/log.csv", f"--cache_dir={tmp_path}/c", *WHOLE,
        "--max_malformed=0.05",
    )  # fmt: skip
    assert outcome.status == 0
    assert "dropped 1 malformed rows: rating is not a number (first on line 7)" in outcome.out


def test_the_good_log_is_good(tmp_path):
    """So that what is refused above is refused for the one thing that was changed."""
    (tmp_path / "log.csv").write_text("\n".join(GOOD) + "\n")
    outcome = call("prepare", f"--ratings={tmp_path}/log.csv", f"--cache_dir={tmp_path}/c", *WHOLE)
    assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.parametrize(
    "flags, signs",
    [
        (["--ratings={tmp}/nix.csv"], ["nix.csv", "does not exist", "expected a CSV or TSV"]),
        (["--ratings={tmp}"], ["is a folder, not a file"]),
        (["--prepared={tmp}/nix"], ["nix", "not usable prepared data"]),
        (["--model=dfra"], ["model_type", "'dfra'", "did you mean dfar", "`models` lists them"]),
        (["--hiden_size=8"], ["hiden_size", "--hidden_size"]),
        (["--num_heads=3", "--hidden_size=16"], ["num_heads: 3", "hidden_size 16", "divisor"]),
        (["--num_heads=3", "--hidden_size=9"], ["num_heads: 3 is odd", "--ablation=mo"]),
        (["--metrics=auc,auk"], ["unknown metric 'auk'", "did you mean auc"]),
        (["--device=gpu:7"], ["device", "--device=cpu"]),
        (["--device=tpu"], ["device", "'tpu'", "cpu"]),
        (["--resume"], ["--resume", "--run_dir"]),
    ],
)
def test_bad_flags_are_refused_before_anything_is_made(flags, signs, tmp_path):
    (tmp_path / "log.csv").write_text("\n".join(GOOD) + "\n")
    arguments = [f"--ratings={tmp_path}/log.csv", f"--cache_dir={tmp_path}/cache", *WHOLE]
    if "--resume" not in flags:
        arguments.append(f"--run_dir={tmp_path}/run")
    arguments += [flag.format(tmp=tmp_path) for flag in flags]
    with nothing_written(tmp_path):
        refused(call("amazon", *arguments), *signs)


@pytest.mark.parametrize(
    "arguments, signs",
    [
        (["evaluate"], ["--run_dir is needed"]),
        (["evaluate", "--run_dir={tmp}"], ["no finished run", "hparams.yaml", "--resume"]),
        (["metrics"], ["--predictions is needed"]),
        (["metrics", "--predictions={tmp}/nix.csv"], ["nix.csv", "no such file"]),
        (["metrics", "--predictions={tmp}/log.csv"], ["log.csv", "no column instance"]),
        (["import-released", "--output={tmp}/o"], ["--released is needed"]),
        (["import-released", "--released={tmp}", "--output={tmp}/o"], ["train_dataA"]),
        (["bench", "--steps=few"], ["--steps", "'few'", "whole number"]),
    ],
)
def test_bad_use_of_the_other_commands(arguments, signs, tmp_path):
    (tmp_path / "log.csv").write_text("\n".join(GOOD) + "\n")
    with nothing_written(tmp_path):
        refused(call(*(argument.format(tmp=tmp_path) for argument in arguments)), *signs)


def test_a_true_process_says_it_in_one_line_too(tmp_path):
    with nothing_written(tmp_path):
        command = [sys.executable, "-m", "dfar_tf", "prepare", f"--ratings={tmp_path}/nix.csv"]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True)
    text = done.stderr.decode()
    refused(types.SimpleNamespace(status=done.returncode, out="", err=text), "does not exist")


# Runs that are not what they are taken for.


@pytest.fixture
def copy(tmp_path, tmp_path_factory):
    """A copy of a finished run, to be spoilt."""
    folder = tmp_path / "copy"
    shutil.copytree(str(learnt_run(tmp_path_factory).folder), str(folder))
    return folder


def again(tmp_path_factory, folder, *flags):
    """The learnt run's command in another folder."""
    arguments = [
        argument
        for argument in learnt_run(tmp_path_factory).arguments
        if not argument.startswith("--run_dir=")
    ]
    return call(*arguments, f"--run_dir={folder}", *flags)


def test_a_folder_that_holds_a_run_is_not_overwritten(copy, tmp_path_factory):
    with nothing_written(copy):
        refused(again(tmp_path_factory, copy), str(copy), "holds a run already", "--resume")


def test_another_run_is_not_resumed(copy, tmp_path_factory):
    with nothing_written(copy):
        outcome = again(tmp_path_factory, copy, "--resume", "--hidden_size=8", "--seed=4")
    refused(outcome, "hidden_size was 16, is now 8", "seed was 1, is now 4", "same flags")


def test_a_run_on_other_data_is_not_resumed(copy, tmp_path, tmp_path_factory):
    # The same name and flags, other content.
    generate_ratings(str(tmp_path / "SYNTHETIC_small.csv"), seed=5, **SHAPE)
    with nothing_written(copy):
        outcome = again(
            tmp_path_factory, copy, "--resume", f"--ratings={tmp_path}/SYNTHETIC_small.csv",
            f"--cache_dir={tmp_path}/cache",
        )  # fmt: skip
    refused(outcome, "other data", "same ratings")


def test_there_is_no_run_to_resume(tmp_path, tmp_path_factory):
    with nothing_written(tmp_path):
        outcome = again(tmp_path_factory, tmp_path / "new", "--resume")
    refused(outcome, str(tmp_path / "new"), "no run to resume", "hparams.yaml")


def test_a_file_in_the_run_folders_place(tmp_path, tmp_path_factory):
    (tmp_path / "taken").write_text("mine")
    for place in ("taken", "taken/run"):
        with nothing_written(tmp_path):
            outcome = again(tmp_path_factory, tmp_path / place)
        refused(outcome, "taken", "choose a writable folder")


def test_a_checkpoint_of_another_shape(copy, tmp_path_factory):
    shutil.rmtree(str(copy / "best"))
    shutil.copytree(str(other_run(tmp_path_factory).folder / "best"), str(copy / "best"))
    results = read_json(str(copy / "results.json"))
    with nothing_written_but_the_log(copy):
        outcome = call("evaluate", f"--run_dir={copy}")
    refused(outcome, "checkpoint does not fit", "hyper-parameters and data it was trained with")
    assert read_json(str(copy / "results.json")) == results


def test_a_checkpoint_of_another_shape_is_not_gone_on_with(copy, tmp_path_factory):
    shutil.rmtree(str(copy / "checkpoints"))
    shutil.copytree(
        str(other_run(tmp_path_factory).folder / "checkpoints"), str(copy / "checkpoints")
    )
    results = read_json(str(copy / "results.json"))
    outcome = again(tmp_path_factory, copy, "--resume")
    refused(outcome, "checkpoint does not fit", "--run_dir")
    assert read_json(str(copy / "results.json")) == results


def test_a_finished_run_without_its_checkpoint(copy):
    shutil.rmtree(str(copy / "best"))
    with nothing_written_but_the_log(copy):
        refused(call("evaluate", f"--run_dir={copy}"), "no checkpoint in best/")


@contextlib.contextmanager
def nothing_written_but_the_log(folder):
    def rest():
        return {name: size for name, size in tree(folder).items() if name != "run.log"}

    before = rest()
    yield
    assert rest() == before


# A download that stops half-way.


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_interrupted_download_leaves_a_part_that_the_next_run_finishes(
    server, tmp_path, monkeypatch
):
    generate_ratings(str(tmp_path / "body.csv"), seed=3, **SHAPE)
    server.body = (tmp_path / "body.csv").read_bytes()
    half = len(server.body) // 2
    server.faults = [("drop", half)] + [("drop", 0)] * 5
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(steps, "ROOT", str(checkout))
    monkeypatch.setattr(download, "time", types.SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("DFAR_RATINGS_URL", server.url)
    monkeypatch.setenv("no_proxy", "*")
    for name in ("DFAR_DATA", "DFAR_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    common = (f"--cache_dir={checkout}/data/prepared", f"--run_dir={tmp_path}/run", *MODEL)
    outcome = call("amazon", *common)
    refused(outcome, server.url, f"{half:,} bytes", "Run the same command again", "--ratings=FILE")
    left = set(tree(checkout))
    part = os.path.join("data", "ratings_Toys_and_Games.csv.part")
    assert left == {part, part + ".json"}  # under no name that a run would take
    assert not (tmp_path / "run").exists()
    outcome = call("prepare", f"--cache_dir={checkout}/data/prepared", *WHOLE)
    assert (outcome.status, outcome.err) == (0, "")
    assert server.seen[-1][0] == f"bytes={half}-"
    assert "read 6000 records" in outcome.out
    assert (checkout / "data" / "ratings_Toys_and_Games.csv").read_bytes() == server.body


# Disks that are full, or may not be written.


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of some size; skips where this process may not."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def mount(kibibytes):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)],
            capture_output=True,
        )
        if done.returncode:
            pytest.skip("no disk can be mounted here: " + done.stderr.decode().strip())
        mounted.append(folder)
        return folder

    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    yield mount
    for disk in mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def limited(size, *arguments):
    """Runs a command in a process that may write no file longer than ``size`` bytes."""
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "from dfar_tf.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    environment = dict(os.environ, PYTHONPATH=paths.ROOT, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True
    )
    texts = done.stdout.decode(), done.stderr.decode()
    return types.SimpleNamespace(status=done.returncode, out=texts[0], err=texts[1])


def test_prepare_on_a_full_disk(small_disk, tmp_path_factory):
    disk = small_disk(100)
    common = ("prepare", f"--ratings={ratings_file(tmp_path_factory)}", *WHOLE)
    refused(call(*common, f"--cache_dir={disk}/cache"), f"{disk}/cache", "free space", "cache_dir")
    assert [name for name in tree(disk) if name != "cache"] == []


def test_prepare_where_files_may_not_grow(tmp_path, tmp_path_factory):
    outcome = limited(
        20000, "prepare", f"--ratings={ratings_file(tmp_path_factory)}", *WHOLE,
        f"--cache_dir={tmp_path}/cache",
    )  # fmt: skip
    refused(outcome, f"{tmp_path}/cache", "free space", "cache_dir")
    assert [name for name in tree(tmp_path) if name != "cache"] == []


def test_a_run_folder_on_a_full_disk(small_disk, tmp_path_factory):
    disk = small_disk(16)
    (disk / "fill").write_bytes(b"0" * 12288)
    with nothing_written(disk):
        outcome = again(tmp_path_factory, disk / "run")
    refused(outcome, str(disk), "No space left", "Free space")


def test_a_checkpoint_on_a_full_disk(small_disk, tmp_path_factory):
    disk = small_disk(100)
    outcome = again(tmp_path_factory, disk / "run")
    refused(outcome, str(disk), "Free space")
    names = tree(disk / "run")
    assert {"hparams.yaml", "run.json"} <= set(names)
    assert not [name for name in names if name.startswith(("results", "predictions", ".tmp"))]


def test_a_checkpoint_where_files_may_not_grow(tmp_path, tmp_path_factory):
    arguments = [
        argument
        for argument in learnt_run(tmp_path_factory).arguments
        if not argument.startswith("--run_dir=")
    ]
    # TensorBoard's file of an epoch has 2.5 MB at most, the checkpoint 8 MB.
    wide = ("--tower_layers=512,512", "--epochs=1")
    outcome = limited(4 << 20, *arguments, *wide, f"--run_dir={tmp_path}/run")
    refused(outcome, str(tmp_path), "Free space", "--resume")
    assert not (tmp_path / "run" / "results.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path, tmp_path_factory):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o555)
    with nothing_written(tmp_path):
        outcome = again(tmp_path_factory, tmp_path / "mine" / "run")
    refused(outcome, str(tmp_path / "mine"), "Permission denied", "choose a writable folder")
