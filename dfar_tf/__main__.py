"""``python -m dfar_tf COMMAND --flag=value ...``."""

import sys

from dfar_tf.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
