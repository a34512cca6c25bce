"""Where things are: hyper-parameter files, and the folder that data, runs and results are kept in.

In a checkout both are the checkout. An installed package carries its hyper-parameter files inside
itself, and keeps the rest in the current folder.
"""

import contextlib
import os
import shlex

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
_typed = {}  # absolute path -> as the user wrote it


def program():
    """What the user types before a command in the current folder, such as ``bash run.sh``."""
    if not IN_CHECKOUT:
        return "dfar"
    script = os.path.join(_BESIDE, "run.sh")
    with contextlib.suppress(OSError):  # the current folder is gone
        script = min(os.path.relpath(script), script, key=len)
    return f"bash {shlex.quote(script)}"


PROGRAM = program()


def in_checkout(path):
    """An absolute path; a relative one is taken from ``ROOT``."""
    return os.path.abspath(os.path.join(ROOT, path))


def taken(text):
    """The absolute path of one that the user wrote; ``shown`` gives it back as written."""
    path = os.path.abspath(os.path.expanduser(text))
    _typed[path] = text
    return path


def listed(text):
    """The paths of a list with commas between; one path if there is a file of the whole name."""
    if "," not in text or os.path.exists(os.path.expanduser(text)):
        return [text]
    return [part.strip() for part in text.split(",") if part.strip()] or [text]


def shown(path):
    """A path to be read: as the user wrote it or its folder, else relative if in the current folder."""
    path, rest = os.path.abspath(path), ""
    if path in _typed:
        return _typed[path]
    relative = os.path.relpath(path)
    if relative.split(os.sep)[0] != os.pardir:
        return relative
    folder = path
    while folder != os.path.dirname(folder):
        folder, last = os.path.split(folder)
        rest = os.path.join(last, rest) if rest else last
        if folder in _typed:
            return os.path.join(_typed[folder], rest)
    return path


def resuming(command, run_dir):
    """A command line that resumes the run in a folder: the command's own flags, each once."""
    words, skip = [], False
    for word in shlex.split(command):
        if skip:
            skip = False
        elif word in ("--run_dir", "-run_dir"):
            skip = True
        elif not word.lstrip("-").startswith("run_dir=") and word not in ("--resume", "-resume"):
            words.append(shlex.quote(word))
    return f"{' '.join(words)} --run_dir={shlex.quote(shown(run_dir))} --resume"


def typed(words):
    """A command as the user types it: ``bash run.sh WORDS``, or ``dfar WORDS`` if installed."""
    return f"{PROGRAM} {words}"
