"""run.sh: which Python, TensorFlow, GPU packages or conda environment it chooses."""

import pytest


@pytest.mark.parametrize(
    "versions, expected",
    [
        (["3.7.16", "3.11.7"], "tf1.15-py3.7"),
        (["3.9.18", "3.10.13", "3.11.7"], "tf2.15-py3.11"),
        (["3.9.18", "3.10.13", "3.12.1"], "tf2.15-py3.10"),
        (["3.8.18", "3.9.18", "2.7.18"], "tf2.15-py3.9"),
    ],
)
def test_the_best_python_is_chosen(box, versions, expected):
    for version in versions:
        box.python(version)
    status, out, err = box.run("amazon")
    assert (status, out) == (0, "")
    assert box.used() == expected
    assert f"Making the environment .envs/{expected}" in err


def test_a_python_without_version_in_its_name_counts(box):
    box.python("3.8.2", box.bin / "python")
    box.python("3.10.4", box.bin / "python3")
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf2.15-py3.10"


@pytest.mark.parametrize(
    "place",
    [
        "home of me/.pyenv/versions/3.11.7/bin/python",
        "home of me/.asdf/installs/python/3.11.2/bin/python",
        "home of me/.local/share/mise/installs/python/3.11.2/bin/python",
        "home of me/.local/share/uv/python/cpython-3.11.9-linux-x86_64-gnu/bin/python3",
        "home of me/.rye/py/cpython@3.11.3/bin/python3",
        "home of me/.local/bin/python3.11",
        "system/opt/homebrew/opt/python@3.11/bin/python3.11",
        "system/usr/local/bin/python3.11",
        "system/usr/bin/python3.11",
        "system/opt/python/cp311-cp311/bin/python",
        "system/opt/hostedtoolcache/Python/3.11.9/x64/bin/python",
    ],
)
def test_version_managers_folders_are_searched(box, place):
    box.python("3.11.7", box.folder / place)
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf2.15-py3.11"


def test_a_shim_that_refuses_does_not_count(box):
    box.python("3.7.16", behaviour="refuses")
    box.python("3.7.16", box.home / ".pyenv/versions/3.7.16/bin/python")
    assert box.run("amazon")[0] == 0
    assert box.calls("shim")
    stamp = box.checkout / ".envs/tf1.15-py3.7/.made-from"
    assert "versions/3.7.16/bin/python" in stamp.read_text().splitlines()[0]


def test_a_python_that_cannot_make_environments_does_not_count(box):
    box.python("3.7.16", behaviour="no-venv")
    box.python("3.9.18")
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf2.15-py3.9"


def test_without_any_python_it_says_what_to_install(box):
    box.python("3.12.1")
    box.python("3.11.2", behaviour="no-venv")
    box.python("3.7.16", behaviour="refuses")
    status, out, err = box.run("amazon")
    assert status == 3 and out == ""
    assert "error: found no Python" in err
    assert "Python 3.7 for TensorFlow 1.15.0" in err and "Python 3.11, 3.10 or 3.9" in err
    assert "pyenv install 3.11" in err and "conda" in err and "DFAR_PYTHON=" in err
    assert "apt install python3.11-venv" in err
    assert "python3.7: does not run" in err
    assert "3.12" not in err
    assert box.environments() == []


@pytest.mark.parametrize("wish, expected", [("1.15", "tf1.15-py3.7"), ("2.15", "tf2.15-py3.11")])
def test_dfar_tf_chooses(box, wish, expected):
    box.python("3.7.16")
    box.python("3.11.7")
    assert box.run("amazon", DFAR_TF=wish)[0] == 0
    assert box.used() == expected
    # ... and leaves the choice without it as it was.
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf1.15-py3.7"


def test_dfar_tf_needs_its_python(box):
    box.python("3.11.7")
    status, _, err = box.run("amazon", DFAR_TF="1.15")
    assert status == 3 and "Python 3.7" in err and "3.11, 3.10" not in err
    status, _, err = box.run("amazon", DFAR_TF="2.16")
    assert status == 1 and err == "error: DFAR_TF=2.16: expected 1.15 or 2.15\n"


def test_dfar_python_chooses(box):
    box.python("3.7.16")
    box.python("3.11.7")
    box.conda()
    mine = box.python("3.10.13", box.elsewhere / "my python")
    for name in [str(mine), "./my python"]:
        assert box.run("amazon", DFAR_PYTHON=name)[0] == 0
        assert box.used() == "tf2.15-py3.10"
    assert box.run("amazon", DFAR_PYTHON="python3.11")[0] == 0
    assert box.used() == "tf2.15-py3.11"
    assert not box.calls("conda")


@pytest.mark.parametrize(
    "version, behaviour, wish, message",
    [
        ("3.8.18", "works", "", "is Python 3.8.18: TensorFlow 1.15.0 needs Python 3.7"),
        ("3.12.1", "works", "", "is Python 3.12.1"),
        ("3.11.7", "works", "1.15", "is Python 3.11.7, and DFAR_TF=1.15"),
        ("3.7.16", "works", "2.15", "is Python 3.7.16, and DFAR_TF=2.15"),
        ("3.11.7", "refuses", "", "does not run"),
        ("3.11.7", "no-venv", "", "apt install python3.11-venv"),
    ],
)
def test_dfar_python_of_the_wrong_kind_is_refused(box, version, behaviour, wish, message):
    mine = box.python(version, box.elsewhere / "mine", behaviour)
    status, _, err = box.run("amazon", DFAR_PYTHON=str(mine), DFAR_TF=wish)
    assert status == 1 and err.startswith("error: DFAR_PYTHON=") and message in err
    assert box.environments() == []


def test_dfar_python_that_is_not_there_is_refused(box):
    box.python("3.11.7")
    status, _, err = box.run("amazon", DFAR_PYTHON="python3.99")
    assert (status, err) == (1, "error: DFAR_PYTHON=python3.99: no such program\n")


def test_tensorflow_1_is_for_one_kind_of_processor(box):
    box.script(box.bin / "uname", "echo aarch64")
    box.python("3.7.16")
    box.python("3.11.7")
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf2.15-py3.11"
    status, _, err = box.run("amazon", DFAR_TF="1.15")
    assert status == 3 and "x86-64 processors only, not for aarch64" in err


# GPUs


@pytest.mark.parametrize(
    "capabilities, wish, expected",
    [
        (["8.6"], "", "tf2.15-py3.11-cuda"),
        (["12.0"], "", "tf2.15-py3.11-cuda"),
        (["7.5", "12.0", "7.0"], "", "tf2.15-py3.11-cuda"),
        (["7.5"], "", "tf1.15-py3.7"),
        (["7.5"], "2.15", "tf2.15-py3.11-cuda"),
        (["8.0"], "1.15", "tf1.15-py3.7"),
        ([], "", "tf1.15-py3.7"),
    ],
)
def test_a_gpu_decides(box, capabilities, wish, expected):
    box.python("3.7.16")
    box.python("3.11.7")
    if capabilities:
        box.gpu(*capabilities)
    for _ in range(2):
        status, _, err = box.run("amazon", DFAR_TF=wish)
        assert status == 0 and box.used() == expected
        assert ("does not support compute capability 8.0" in err) == (capabilities == ["8.0"])
    with_cuda = [call for call in box.calls("pip") if "tf2.15-cuda.txt" in call]
    assert len(with_cuda) == expected.endswith("cuda")


def test_a_new_gpu_without_a_python_for_it_falls_back_and_says_so(box):
    box.python("3.7.16")
    box.gpu("9.0")
    status, _, err = box.run("amazon")
    assert status == 0 and box.used() == "tf1.15-py3.7"
    assert "it needs a Python 3.9, 3.10 or 3.11" in err


def test_a_driver_that_does_not_work_is_no_gpu(box):
    box.python("3.11.7")
    box.script(box.bin / "nvidia-smi", "echo 'couldn not communicate with the driver'; exit 9")
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf2.15-py3.11"


def test_a_driver_too_old_to_tell_is_an_old_gpu(box):
    box.python("3.7.16")
    box.python("3.11.7")
    box.script(box.bin / "nvidia-smi", '[ "$1" = -L ]')
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf1.15-py3.7"
    assert box.run("amazon", DFAR_TF="2.15")[0] == 0
    assert box.used() == "tf2.15-py3.11-cuda"


def test_a_gpu_that_comes_later_changes_the_choice(box):
    box.python("3.7.16")
    box.python("3.11.7")
    assert box.run("amazon")[0] == 0
    box.gpu("8.6")
    assert box.run("amazon")[0] == 0
    assert box.used() == "tf2.15-py3.11-cuda"
