"""Modules of DeepCTR, an oracle of some tests, without the package's look for a newer version."""

import importlib
import sys
import types

import pytest


def deepctr(name):
    """The module ``deepctr.<name>``; skips where DeepCTR is not installed.

    Importing the package itself asks its publisher for the newest version, in a thread; a test may not.
    """
    found = importlib.util.find_spec("deepctr") if "deepctr" not in sys.modules else True
    if found is None:
        pytest.skip("DeepCTR (installed with --no-deps) is not installed")
    if found is not True:
        package = types.ModuleType("deepctr")
        package.__path__ = list(found.submodule_search_locations)
        sys.modules["deepctr"] = package
    return importlib.import_module("deepctr." + name)
