"""Where things are: the checkout, its hyper-parameter files, its data and run folders."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HPARAMS = os.path.join(ROOT, "hparams")
ADAPTERS = os.path.join(HPARAMS, "adapters")


def in_checkout(path):
    """An absolute path; a relative one is taken from the checkout, not the current directory."""
    return os.path.normpath(os.path.join(ROOT, path))


def shown(path):
    """A path as a person reads it: relative to the current directory where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path
