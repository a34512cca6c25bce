"""Fixtures that several test files share."""

import contextlib
import os
import pathlib

import pytest
from places import CHECKOUT
from plain_graphs import FOLDERS, plain_graphs
from run_sh_box import BASH, Box


@pytest.fixture(scope="session")
def shared():
    """The development folder with recorded inputs and outputs; the tests pass without it."""
    folder = pathlib.Path(os.environ.get("DFAR_SHARED") or CHECKOUT.parent / "shared")
    if not (folder / "golden").is_dir():
        pytest.skip(
            "no development folder: neither $DFAR_SHARED nor ../shared has a folder 'golden'"
        )
    return folder


@pytest.fixture()
def box(tmp_path):
    """A copy of the checkout on a machine of stand-ins, in a folder whose name has spaces."""
    if BASH is None or os.name != "posix":
        pytest.skip("run.sh needs bash")
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Box(folder)


@pytest.fixture(scope="module", autouse=True)
def graphs(request):
    """TensorFlow optimises no graph of this process in the folders where that changes no outcome."""
    folder = pathlib.Path(str(request.fspath)).parent.name
    with plain_graphs() if folder in FOLDERS else contextlib.nullcontext():
        yield
