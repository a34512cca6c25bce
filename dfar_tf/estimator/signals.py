"""Ctrl-C and a polite kill while training: the step in progress is finished and saved first."""

import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Holds an interrupt back until a step is done; a second one is not held back.

    A context: within it the signals are this object's, after it they are whose they were. Outside the main
    thread, where Python gives no signals, it does nothing.

    Attributes:
      asked: whether an interrupt waits.
    """

    def __init__(self):
        self.asked = False
        self._stepping = False
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def begin_step(self):
        """From now on an interrupt waits."""
        self._stepping = True

    def end_step(self):
        """From now on an interrupt is one at once."""
        self._stepping = False

    def _on_signal(self, *_):
        if not self._stepping or self.asked:
            raise KeyboardInterrupt
        self.asked = True
