"""Runs a command, or the tests, in an environment that is chosen or made for it.

    python start.py COMMAND [arguments]

run.sh starts this with the first Python from 3.7 on that it finds, so it needs the standard library alone.
"""

import os
import signal
import sys

import suites
from environment import environment_python, variables, wanted_tf
from machine import Failure, say
from making import ROOT

INTERRUPTED, TERMINATED, READER_LEFT = 130, 143, 141  # exit statuses
# `python -m dfar_tf`, except that the caller's folder is no place to import from: it may be another
# checkout, or hold a file named like one of Python's modules.
MODULE = """
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import runpy
runpy.run_module("dfar_tf", run_name="__main__", alter_sys=True)
"""


def main(command, *arguments):
    """Runs a command; returns the exit status, if at all."""
    sys.path.append(str(ROOT))
    from dfar_tf import manual

    status = manual.answer([command, *arguments])
    if status is not None:
        return status
    if command == "test":
        return suites.run(wanted_tf(), arguments)
    python = environment_python(wanted_tf(), "run")
    for name in ("SIGPIPE", "SIGXFSZ"):  # Python ignores them, and what is ignored stays so
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execve(python, [python, "-c", MODULE, command, *arguments], variables(python))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    try:
        sys.exit(main(*sys.argv[1:]))
    except Failure as failure:
        if str(failure):
            say(f"error: {failure}")
        sys.exit(failure.status)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `| head`; Python would say so once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_LEFT)
