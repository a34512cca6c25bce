"""run.sh: its list of commands, and what it passes on to one."""

import shutil
import subprocess
import sys

import pytest
from run_sh_box import BASH, CHECKOUT

from dfar_tf import manual


@pytest.mark.parametrize("arguments", [[], ["help"], ["-h"], ["--help"]])
def test_commands_are_listed_without_any_python(box, arguments):
    status, out, err = box.run(*arguments)
    assert (status, err) == (0, "")
    lines = [line.split(None, 1) for line in out.splitlines() if line.startswith("  ")]
    assert lines[:2] == [["amazon", "Train on a ratings file."], ["make-table", "Make a table."]]
    assert [name for name, _ in lines] == ["amazon", "make-table", "test"]


@pytest.mark.parametrize(
    "word", ["amazn", "__init__", "_tools", "../amazon", "a b", "", "*", "--x"]
)
def test_an_unknown_command_is_told_with_the_nearest_and_fails(box, word):
    box.python("3.7.16")
    status, out, err = box.run(word)
    if word == "":  # an empty word is no word
        assert status == 0 and "amazon" in out
        return
    assert (status, out) == (2, "")
    assert err.startswith(f"error: unknown command {word.replace('_', '-')!r}; ")
    assert "amazon" in err
    assert not (box.checkout / ".envs").exists()


@pytest.mark.parametrize("word", ["make-table", "test"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_installs_and_changes_nothing(box, word, flag):
    box.python("3.7.16")
    before = sorted(box.checkout.rglob("*"))
    status, out, err = box.run(word, flag)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] in ("Make a table.", manual.TESTS.splitlines()[0])
    assert sorted(box.checkout.rglob("*")) == before
    assert box.calls("pip") == box.calls("venv") == box.calls("run") == []


@pytest.mark.parametrize("arguments", [["make-table", "--help"], ["--version"], ["tabel"]])
def test_a_question_makes_no_python(box, arguments):
    box.conda("micromamba")
    status, out, _ = box.run(*arguments)
    assert status == 2 and "make-table" in out
    assert box.calls("create") == [] and not (box.checkout / ".envs").exists()


@pytest.mark.parametrize("word", ["make-table", "make_table"])
def test_arguments_folder_and_status_are_passed_on(box, word):
    box.python("3.7.16")
    given = ["--ratings=my file.csv", "--empty=", "", "*", "$HOME", "a'b\"c", "--", "-x"]
    status, _, _ = box.run(word, *given, STUB_STATUS="7", PYTHONPATH="/of/mine")
    values, arguments = box.ran()
    assert status == 7
    assert arguments == ["make-table", *given]
    assert values["folder"] == str(box.elsewhere)
    assert values["PYTHONPATH"] == values["DFAR_ROOT"] == str(box.checkout)


def test_it_is_found_by_a_relative_path(box):
    box.python("3.7.16")
    command = [BASH, "../my checkout/run.sh", "amazon"]
    environment = dict(box.environment, CDPATH=str(box.folder))
    subprocess.run(command, cwd=str(box.elsewhere), env=environment, check=True, stderr=-1)
    assert box.ran()[0]["DFAR_ROOT"] == str(box.checkout)


def test_the_callers_folder_is_not_imported_from(box):
    """It may be another checkout, or hold files named like Python's own modules."""
    box.python("3.7.16")
    text = "import os, sys\nprint(__file__, sys.argv[1:], os.getcwd(), sep='|')\n"
    for root, module in [(box.checkout, text), (box.elsewhere, "raise SystemExit('wrong one')\n")]:
        (root / "dfar_tf").mkdir(exist_ok=True)
        (root / "dfar_tf" / "__main__.py").write_text(module)
    (box.elsewhere / "runpy.py").write_text("raise SystemExit('shadowed')\n")
    status, out, err = box.run("amazon", "--a=b c", REAL_PYTHON=sys.executable)
    assert status == 0, err
    main = box.checkout / "dfar_tf" / "__main__.py"
    assert out == f"{main}|['amazon', '--a=b c']|{box.elsewhere}\n"


def test_shellcheck_is_content():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    command = ["shellcheck", "-x", "run.sh", ".ci/run"]
    done = subprocess.run(command, cwd=str(CHECKOUT), stdout=-1, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
