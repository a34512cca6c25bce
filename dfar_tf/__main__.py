"""``python -m dfar_tf COMMAND --flag=value ...``, and the command ``dfar`` of the installed package."""

import os
import sys

from dfar_tf.cli import INTERRUPTED, main
from dfar_tf.commands import listing


def console():
    """Runs the command that the process was started with, or lists all; returns the exit status."""
    command, *rest = sys.argv[1:] or [""]
    if command in ("", "help", "-h", "--help"):
        print(listing())
        return 0
    status = main([command.replace("_", "-"), *rest])
    if status == INTERRUPTED:
        # The input pipeline's threads may still be calling Python; finalising it under them crashes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(console())
