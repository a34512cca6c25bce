"""The code is as ruff wants it; ruff is among the test packages of TensorFlow 2.15."""

import importlib.util
import subprocess
import sys

import pytest
from places import CHECKOUT


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check", "--diff"]])
def test_ruff_is_content(arguments):
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed in this environment")
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
    done = subprocess.run(
        command, cwd=str(CHECKOUT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout.decode()
