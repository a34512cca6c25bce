"""What the estimator logs while it works, for whoever listens.

Its modules log to ``logging.getLogger("dfar_tf.estimator...")``, each line as it is to be read. A run
listens with ``heard``; anybody else may with the usual means of ``logging``.
"""

import contextlib
import logging

ESTIMATOR = "dfar_tf.estimator"


@contextlib.contextmanager
def heard(say):
    """Hands each line that the estimator logs within the block to ``say``, such as ``print``.

    Args:
      say: called with each line.
    """
    logger, handler = logging.getLogger(ESTIMATOR), _Handler(say)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Handler(logging.Handler):
    def __init__(self, say):
        super().__init__()
        self._say = say

    def emit(self, record):
        # Not logging's habit of passing over errors: a full disk under run.log ends the run.
        self._say(record.getMessage())
