"""TensorBoard events on a full disk: training continues without them and reports it once."""

import logging

logger = logging.getLogger(__name__)


def outlive_full_disk(writer):
    """Makes an event writer stop at the first error of its file instead of raising it.

    TensorFlow writes events in a thread of its own, where an error ends in a traceback that no
    caller can catch. If TensorFlow keeps that thread elsewhere, nothing changes.

    Args:
      writer: a ``tf.summary.FileWriter``.
    """
    events = getattr(writer, "event_writer", None)
    shared = None
    for holder in (events, getattr(events, "_worker", None)):
        file = getattr(holder, "_ev_writer", None)
        if file is None or isinstance(file, _Lenient):
            continue
        shared = shared or _Lenient(file)
        holder._ev_writer = shared


class _Lenient:
    """A file of events whose methods return instead of raising, and do nothing after an error."""

    def __init__(self, file):
        self._file, self._broken = file, False

    def __getattr__(self, name):
        method = getattr(self._file, name)

        def call(*arguments):
            if self._broken:
                return True
            try:
                return method(*arguments)
            except Exception as error:  # one kind for each way a file can fail
                self._broken = True
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                logger.warning(
                    f"TensorBoard events cannot be written; training continues without them: {reason}"
                )
                return True

        return call
