"""run.sh test and .ci/run: every suite runs, and ends with its summary."""

import pytest
from run_sh_box import CHECKOUT


def test_the_suite_runs_on_every_tensorflow(box):
    box.python("3.7.16")
    box.python("3.10.13")
    status, out, _ = box.run("test", "-m", "slow or fast", "tests/a b.py")
    assert status == 0
    assert out.endswith(
        "\n\nTensorFlow 1.15.0, Python 3.7.16: 3 passed, 1 skipped in 0.12s\n"
        "TensorFlow 2.15.1, Python 3.10.13: 3 passed, 1 skipped in 0.12s\n"
    )
    assert out.count("3 passed") == 4  # pytest's own lines are there too
    expected = "pytest {} in {}: -m slow or fast tests/a b.py"
    assert box.calls("pytest") == [
        expected.format(version, box.checkout) for version in ["3.7.16", "3.10.13"]
    ]
    installs = " ".join(box.calls("pip"))
    assert "test-tf1.15.txt" in installs and "test-tf2.15.txt" in installs
    for family in ("1.15", "2.15"):
        assert f"--no-deps -r {box.checkout}/requirements/test-tf{family}-nodeps.txt" in installs
    assert not list(box.folder.glob("dfar-test*"))


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
