"""run.sh: an environment is made once, whole or not at all."""

import importlib
import os
import re
import signal
import time

import pytest
from places import CHECKOUT


def test_an_environment_is_made_once(box):
    box.python("3.7.16")
    _, _, err = box.run("amazon")
    assert len(err.splitlines()) == 1
    installs = [call.replace(str(box.checkout), "") for call in box.calls("pip")]
    assert installs[0].startswith("pip install pip==")
    assert installs[1:] == ["pip install -r /requirements/tf1.15.txt"]
    box.forget()
    status, out, err = box.run("amazon")
    assert (status, out, err) == (0, "", "")
    assert [call.split()[0] for call in box.calls()] == ["run"]


def test_changed_requirements_make_it_again(box):
    box.python("3.7.16")
    box.run("amazon")
    left_over = box.checkout / ".envs/tf1.15-py3.7/left-over"
    left_over.write_text("")
    requirements = box.checkout / "requirements/tf1.15.txt"
    requirements.write_text(requirements.read_text() + "another==1.0\n")
    box.forget()
    _, _, err = box.run("amazon")
    assert "Making the environment" in err and box.calls("venv") and not left_over.exists()
    assert box.environments() == ["tf1.15-py3.7"]


def test_changed_test_requirements_only_add(box):
    box.python("3.7.16")
    box.run("test", DFAR_TF="1.15")
    requirements = box.checkout / "requirements/test-tf1.15.txt"
    requirements.write_text(requirements.read_text() + "another==1.0\n")
    box.forget()
    assert "Adding" not in box.run("amazon", DFAR_TF="1.15")[2]
    assert box.calls("pip") == []
    assert "Adding the tests' packages" in box.run("test", DFAR_TF="1.15")[2]
    assert len(box.calls("pip")) == 2 and not box.calls("venv")


def test_an_environment_whose_python_is_gone_is_made_again(box):
    box.python("3.7.16")
    box.run("amazon")
    (box.checkout / ".envs/tf1.15-py3.7/bin/python").unlink()
    box.forget()
    assert box.run("amazon")[0] == 0
    assert box.calls("venv")


def test_another_python_of_the_same_version_makes_it_again(box):
    mine, other = (box.python("3.9.18", box.elsewhere / name) for name in ["mine", "other"])
    box.run("amazon", DFAR_PYTHON=str(mine))
    box.run("amazon", DFAR_PYTHON=str(mine))
    assert len(box.calls("venv")) == 1
    box.run("amazon", DFAR_PYTHON=str(other))
    assert len(box.calls("venv")) == 2


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_installation_is_made_again(box, number, status):
    box.python("3.7.16")
    (box.folder / "pip-waits").write_text("")
    process = box.start("amazon")
    wait_for(box.folder / "pip-is-waiting")
    os.killpg(process.pid, number)
    process.communicate(timeout=20)
    assert process.returncode == status
    assert box.environments() == [] and not box.calls("run")
    (box.folder / "pip-waits").unlink()
    box.forget()
    assert box.run("amazon")[0] == 0
    assert box.calls("venv") and box.environments() == ["tf1.15-py3.7"]


def wait_for(path):
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


@pytest.mark.parametrize("failing", ["pip==", "tf1.15.txt"])
def test_a_failing_installation_says_why_and_what_to_do(box, failing):
    box.python("3.7.16")
    (box.folder / "pip-fails").write_text(failing)
    status, out, err = box.run("amazon")
    assert status == 1 and out == ""
    assert "ERROR: No matching distribution found" in err
    last = err.splitlines()[-1]
    assert last.startswith("error: the environment for TensorFlow 1.15.0 could not be made")
    assert "network" in last and "DFAR_PYTHON" in last
    assert str(box.checkout / ".envs/tf1.15-py3.7.log") in err
    assert box.environments() == [] and not box.calls("run")
    (box.folder / "pip-fails").unlink()
    assert box.run("amazon")[0] == 0


def test_of_two_runs_at_once_one_makes_the_environment(box):
    box.python("3.7.16")
    (box.folder / "pip-is-slow").write_text("")
    processes = [box.start("amazon") for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(box.calls("venv")) == 1 and len(box.calls("run")) == 2
    assert sum("waiting for it" in error for error in errors) == 1


def test_the_lock_of_a_dead_run_is_taken_over(box):
    box.python("3.7.16")
    (box.folder / "pip-waits").write_text("")
    process = box.start("amazon")
    wait_for(box.folder / "pip-is-waiting")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    (box.folder / "pip-waits").unlink()
    status, _, err = box.run("amazon")
    assert status == 0 and "waiting" not in err
    assert box.environments() == ["tf1.15-py3.7"]


def test_what_a_dead_run_left_running_is_waited_for(box):
    """pip may go on after its run.sh was killed; nobody else may then change the environment."""
    box.python("3.7.16")
    (box.folder / "pip-waits").write_text("")
    dead = box.start("amazon")
    wait_for(box.folder / "pip-is-waiting")
    os.kill(dead.pid, signal.SIGKILL)
    dead.wait(timeout=20)
    (box.folder / "pip-waits").unlink()
    process = box.start("amazon")
    assert "waiting for it" in process.stderr.readline()
    assert process.poll() is None
    os.killpg(dead.pid, signal.SIGKILL)
    dead.communicate(timeout=20)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_an_unwritable_checkout_is_an_error(box):
    box.python("3.7.16")
    (box.checkout / ".envs").write_text("a file where a folder is wanted")
    status, _, err = box.run("amazon")
    assert status == 1 and "Make the checkout writable" in err.splitlines()[-1]


def test_progress_is_shown_while_packages_are_installed(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(CHECKOUT / "requirements"))
    making = importlib.import_module("making")
    monkeypatch.setattr(making, "ENVS", tmp_path)
    monkeypatch.setattr(making, "EVERY", 0.01)
    environment = making.Environment("tf2.15-py3.11")
    environment._lock = os.open(str(tmp_path), os.O_RDONLY)
    try:
        lines = (
            "Collecting numpy==1.0\\nCollecting scipy>=1\\n  Downloading numpy-1.0.whl (20 MB)\\n"
        )
        environment.logged("sh", "-c", f"printf '{lines}'; sleep 0.7")
    finally:
        os.close(environment._lock)
    err = capsys.readouterr().err
    assert re.search(r"0 min 00 s, [23] packages so far: Downloading numpy-1.0.whl", err)
    with pytest.raises(making.Broken):
        environment.logged("false")
