"""``python -m dfar_tf COMMAND --flag=value ...``, and the command ``dfar`` of the installed package."""

import os
import sys

from dfar_tf import manual

INTERRUPTED = 130  # exit status


def console():
    """Does what the process was started with; returns the exit status."""
    status = run(sys.argv[1:])
    if status == INTERRUPTED:
        # The input pipeline's threads may still be calling Python; finalising it under them crashes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def run(arguments):
    """Answers a question about the program, or runs a command; returns the exit status."""
    status = manual.answer(arguments)
    if status is not None:
        return status
    from dfar_tf.cli import main  # needs packages, and time to import them

    return main([arguments[0].replace("_", "-"), *arguments[1:]])


if __name__ == "__main__":
    sys.exit(console())
