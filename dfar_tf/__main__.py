"""``python -m dfar_tf COMMAND --flag=value ...``."""

import os
import sys

from dfar_tf.cli import INTERRUPTED, main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status == INTERRUPTED:
        # The input pipeline's threads may still be calling Python; finalising it under them crashes.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
