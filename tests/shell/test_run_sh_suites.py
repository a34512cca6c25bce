"""run.sh test and .ci/run: every suite runs, and ends with its summary."""

import os
import signal
import sys
import time

import pytest
from run_sh_box import CHECKOUT

sys.path.append(str(CHECKOUT / "requirements"))
import suites


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_suite_runs_on_every_tensorflow(box, jobs):
    box.python("3.7.16")
    box.python("3.10.13")
    status, out, _ = box.run("test", "-m", "slow or fast", "tests/a b.py", DFAR_TEST_JOBS=jobs)
    assert status == 0
    assert out.endswith(
        "\n\nTensorFlow 1.15.0, Python 3.7.16: 3 passed, 1 skipped in 0.12s\n"
        "TensorFlow 2.15.1, Python 3.10.13: 3 passed, 1 skipped in 0.12s\n"
    )
    assert out.count("3 passed") == 4  # pytest's own lines are there too
    expected = "pytest {} in {}: -m slow or fast tests/a b.py"
    calls = box.calls("pytest")
    assert (sorted(calls, reverse=True) if jobs == "2" else calls) == [
        expected.format(version, box.checkout) for version in ["3.7.16", "3.10.13"]
    ]
    installs = " ".join(box.calls("pip"))
    assert "test-tf1.15.txt" in installs and "test-tf2.15.txt" in installs
    for family in ("1.15", "2.15"):
        assert f"--no-deps -r {box.checkout}/requirements/test-tf{family}-nodeps.txt" in installs
    assert not list(box.folder.glob("dfar-test*"))


# A suite that ends only if the other runs at the same time, or when it is interrupted.
MEETING = """
import pathlib, sys, time
box, version = pathlib.Path(__file__).parent, sys.argv[1]
others = (box / "pytests-meet").read_text().split()
print("start of", version, flush=True)
try:
    (box / ("met-" + version)).write_text("")
    while not all((box / ("met-" + other)).exists() for other in others):
        time.sleep(0.05)
    print("end of", version)
except KeyboardInterrupt:
    (box / ("interrupted-" + version)).write_text("")
"""


def meeting(box, *more):
    versions = ["3.11.7", "3.7.16"]
    for version in versions:
        box.python(version)
    (box.folder / "meeting.py").write_text(MEETING)
    (box.folder / "pytests-meet").write_text(" ".join([*versions, *more]))


def test_suites_run_side_by_side_and_are_shown_one_after_the_other(box):
    meeting(box)
    status, out, err = box.run("test", DFAR_TEST_JOBS="2")
    assert status == 0
    lines = [line for line in out.splitlines() if "=" in line or " of " in line]
    assert lines == [
        *("===== TensorFlow 1.15.0, Python 3.7.16", "start of 3.7.16", "end of 3.7.16"),
        *("===== TensorFlow 2.15.1, Python 3.11.7", "start of 3.11.7", "end of 3.11.7"),
    ]
    assert "TensorFlow 2.15.1, Python 3.11.7 runs at the same time; its output follows." in err


@pytest.mark.parametrize(
    "number, to_all, status",
    [
        (signal.SIGINT, True, 130),
        (signal.SIGTERM, True, 143),
        (signal.SIGTERM, False, 143),
        pytest.param(signal.SIGINT, False, 130, marks=pytest.mark.slow),  # waits 10 s
    ],
)
def test_an_interruption_ends_both_suites(box, number, to_all, status):
    """At a terminal Ctrl-C goes to all; a signal may go to run.sh alone."""
    meeting(box, "one that never comes")
    process = box.start("test", DFAR_TEST_JOBS="2")
    started = time.time()
    while len(list(box.folder.glob("met-*"))) < 2:
        assert time.time() < started + 20
        time.sleep(0.05)
    os.killpg(process.pid, number) if to_all else process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == status
    if not (to_all and number == signal.SIGTERM):  # which ends them at once
        assert len(list(box.folder.glob("interrupted-*"))) == 2
    with pytest.raises(ProcessLookupError):  # nobody is left of the group
        for _ in range(200):
            os.killpg(process.pid, 0)
            time.sleep(0.05)
    assert not list(box.folder.glob("dfar-test*"))


def test_a_wrong_number_of_suites_is_refused(box):
    box.python("3.7.16")
    box.python("3.11.7")
    status, _, err = box.run("test", DFAR_TEST_JOBS="3")
    assert status == 1 and err.splitlines()[-1] == "error: DFAR_TEST_JOBS=3: expected 1 or 2"


GIB = 1 << 20  # in the kB of meminfo


@pytest.mark.parametrize(
    "cores, available, gpu, arguments, expected",
    [
        (2, 9 * GIB, "", [], True),
        (1, 9 * GIB, "", [], False),
        (2, 7 * GIB, "", [], False),
        (2, 9 * GIB, "7.5", [], False),
        (2, 9 * GIB, "", ["-x", "--pdb"], False),
    ],
)
def test_suites_run_side_by_side_where_there_is_room(
    tmp_path, monkeypatch, cores, available, gpu, arguments, expected
):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 99 kB\nMemAvailable:   {available} kB\nBuffers: 1 kB\n")
    free = suites.free_bytes(str(meminfo), str(tmp_path))
    assert free == available << 10
    monkeypatch.delenv("DFAR_TEST_JOBS", raising=False)
    monkeypatch.setattr(suites, "usable_cores", lambda: cores)
    monkeypatch.setattr(suites, "free_bytes", lambda: free)
    monkeypatch.setattr(suites, "find_gpu", lambda: gpu)
    assert suites.side_by_side(arguments) == expected


def test_a_control_groups_limits_count(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemAvailable: {20 * GIB} kB\n")
    for name, text in [("memory.max", "max"), ("memory.current", "500"), ("cpu.max", "max 100000")]:
        (tmp_path / name).write_text(text + "\n")
    assert suites.free_bytes(str(meminfo), str(tmp_path)) == 20 << 30
    cores = suites.usable_cores(str(tmp_path))
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert suites.free_bytes(str(meminfo), str(tmp_path)) == 1000 - 500 + 200
    assert suites.usable_cores(str(tmp_path)) == min(cores, 1.5)
    assert suites.free_bytes(str(tmp_path / "absent"), str(tmp_path)) == 0


def test_a_failing_suite_fails_after_the_others_have_run(box):
    box.python("3.7.16")
    box.python("3.11.7")
    (box.folder / "pytest-3.7.16").write_text("== 2 failed, 1 passed, 4 warnings in 1.50s ==\n")
    status, out, _ = box.run("test")
    assert status == 1
    assert out.splitlines()[-2:] == [
        "TensorFlow 1.15.0, Python 3.7.16: FAILED, 2 failed, 1 passed, 4 warnings in 1.50s",
        "TensorFlow 2.15.1, Python 3.11.7: 3 passed, 1 skipped in 0.12s",
    ]


def test_a_suite_that_crashes_fails(box):
    box.python("3.11.7")
    (box.folder / "pytest-3.11.7").write_text("Segmentation fault\n")
    status, out, _ = box.run("test")
    assert status == 1
    assert out.splitlines()[-1].endswith("FAILED, pytest ended with status 1 and no summary")


def test_a_tensorflow_without_a_python_is_named(box):
    box.python("3.11.7")
    status, out, err = box.run("test")
    assert status == 0
    assert "TensorFlow 1.15.0 was found" in err and "pyenv install 3.7" in err
    assert "error" not in err
    assert out.splitlines()[-2].startswith("TensorFlow 1.15: not run, no Python for it was found")


def test_an_environment_that_cannot_be_made_fails_that_suite_alone(box):
    box.python("3.7.16")
    box.python("3.11.7")
    (box.folder / "pip-fails").write_text("test-tf1.15.txt")
    status, out, err = box.run("test")
    assert status == 1
    assert "the tests' packages could not be added" in err
    assert "TensorFlow 1.15: FAILED" in out.splitlines()[-2]
    assert "3 passed" in out.splitlines()[-1]


def test_no_python_at_all_is_a_failure(box):
    status, out, _ = box.run("test")
    assert status == 1 and out.count("not run") == 2


@pytest.mark.parametrize("variables", [{"DFAR_TF": "2.15"}, {"DFAR_PYTHON": "python3.11"}])
def test_the_suites_can_be_limited(box, variables):
    box.python("3.7.16")
    box.python("3.11.7")
    status, out, _ = box.run("test", **variables)
    assert status == 0
    assert [call.split()[1] for call in box.calls("pytest")] == ["3.11.7"]
    assert "TensorFlow 2.15.1, Python 3.11.7: 3 passed" in out.splitlines()[-1]


def test_ci_runs_exactly_that(box):
    box.python("3.7.16")
    status, _, _ = box.run(program=".ci/run", folder=box.folder)
    assert status == 0
    assert box.calls("pytest") == [f"pytest 3.7.16 in {box.checkout}: "]
    text = (CHECKOUT / ".ci/run").read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert commands[-1] == "exec bash run.sh test"
