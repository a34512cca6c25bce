"""Where things are: hyper-parameter files, and the folder that data, runs and results are kept in.

In a checkout both are the checkout. An installed package carries its hyper-parameter files inside
itself, and keeps the rest in the current folder.
"""

import os

PACKAGE = os.path.dirname(os.path.abspath(__file__))
_BESIDE = os.path.dirname(PACKAGE)
# Both files, since beside an installed package is site-packages, where "hparams" may be anyone's.
IN_CHECKOUT = all(
    os.path.isfile(os.path.join(_BESIDE, name)) for name in ("run.sh", "hparams/base.yaml")
)
# "." follows a notebook that changes its folder.
ROOT = _BESIDE if IN_CHECKOUT else os.curdir
HPARAMS = os.path.join(_BESIDE if IN_CHECKOUT else PACKAGE, "hparams")
ADAPTERS = os.path.join(HPARAMS, "adapters")
PROGRAM = "bash run.sh" if IN_CHECKOUT else "dfar"  # what the user types before a command


def in_checkout(path):
    """An absolute path; a relative one is taken from ``ROOT``."""
    return os.path.abspath(os.path.join(ROOT, path))


def shown(path):
    """A path to be read: relative to the current folder where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path


def typed(words):
    """A command as the user types it: ``bash run.sh WORDS``, or ``dfar WORDS`` if installed."""
    return f"{PROGRAM} {words}"
