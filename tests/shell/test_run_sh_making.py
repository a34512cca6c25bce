"""run.sh: an environment is made once, whole or not at all."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from run_sh_box import BASH


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


@pytest.mark.parametrize("flock", [True, False])
def test_of_two_runs_at_once_one_makes_the_environment(box, flock):
    if not flock:
        without_flock(box)
    elif not shutil.which("flock"):
        pytest.skip("this machine has no flock")
    box.python("3.7.16")
    (box.folder / "pip-is-slow").write_text("")
    processes = [box.start("amazon") for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(box.calls("venv")) == 1 and len(box.calls("run")) == 2
    assert sum("waiting for it" in error for error in errors) == 1
    assert not (box.checkout / ".envs/lock.d").exists()


def without_flock(box):
    (box.tools / "flock").unlink() if (box.tools / "flock").exists() else None


def test_the_lock_of_a_dead_run_is_taken_over(box):
    without_flock(box)
    box.python("3.7.16")
    dead = subprocess.Popen([BASH, "-c", "exit"])
    dead.wait()
    lock = box.checkout / ".envs/lock.d"
    lock.mkdir(parents=True)
    (lock / "pid").write_text(str(dead.pid))
    assert box.run("amazon")[0] == 0
    assert not lock.exists()
