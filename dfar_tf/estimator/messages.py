"""What the estimator logs while it works, for whoever listens.

Its modules log to ``logging.getLogger("dfar_tf.estimator...")``, each line as it is to be read, details
at the level DEBUG. A run listens with ``heard``; anybody else may with the usual means of ``logging``.
"""

import contextlib
import logging

ESTIMATOR = "dfar_tf.estimator"
WIDTH = 80  # characters of an epoch's line


@contextlib.contextmanager
def heard(say, note=None):
    """Hands each line that the estimator logs within the block to ``say``, such as ``print``.

    Args:
      say: called with each line.
      note: called with each line of detail, which is left out if None.
    """
    logger, handler = logging.getLogger(ESTIMATOR), _Handler(say, note)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Handler(logging.Handler):
    def __init__(self, say, note):
        super().__init__()
        self._say, self._note = say, note

    def emit(self, record):
        # Not logging's habit of passing over errors: a full disk under run.log ends the run.
        told = self._say if record.levelno >= logging.INFO else self._note
        if told is not None:
            told(record.getMessage())


def epoch_lines(record, epochs, first, left=None, best=False):
    """An epoch as a line of at most ``WIDTH`` characters, and as one with all there is.

    Args:
      record: the epoch, as the state keeps it.
      epochs: maximum number of epochs, or None.
      first: the metric that is shown in any case; others follow as far as there is room.
      left: seconds that the run may still take at most, or None.
      best: whether it is the best so far.
    """
    of = f" of {epochs}" if epochs else ""
    head = f"epoch {record['epoch']:>2}{of}  loss {record['train_loss']:.4f}"
    tail = f"  {duration(record['seconds'])}"
    tail += f", <{duration(left)} left" if left else ""
    tail += "  best" * best
    metrics = record["validation"]
    shown = {name: f"  {name} {value:.4f}" for name, value in metrics.items()}
    line = head + shown.pop(first, "")
    for text in shown.values():
        if len(line + text + tail) <= WIDTH:
            line += text
    every = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    detail = f"epoch {record['epoch']} in full: step {record['step']}, validation {every}, "
    detail += f"{record['seconds']:.2f} s, {record['targets_per_second']:.0f} targets/s"
    return line + tail, detail


def duration(seconds):
    """``8.5 s``, ``45 s``, ``4 min`` or ``2.1 h``."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{seconds / 3600:.1f} h"
