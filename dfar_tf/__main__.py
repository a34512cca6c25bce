"""``python -m dfar_tf COMMAND --flag=value ...``, and the command ``dfar`` of the installed package."""

import os
import sys

from dfar_tf.cli import INTERRUPTED, READER_LEFT, main
from dfar_tf.commands import listing


def console():
    """Runs the command that the process was started with, or lists all; returns the exit status."""
    command, *rest = sys.argv[1:] or [""]
    if command in ("", "help", "-h", "--help"):
        return _list()
    status = main([command.replace("_", "-"), *rest])
    if status == INTERRUPTED:
        # The input pipeline's threads may still be calling Python; finalising it under them crashes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _list():
    try:
        print(listing(), flush=True)
    except BrokenPipeError:  # `| head`; Python would say so once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    return 0


if __name__ == "__main__":
    sys.exit(console())
