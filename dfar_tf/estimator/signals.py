"""Ctrl-C and SIGTERM during training: the current step is finished and saved first."""

import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Delays an interrupt until a step is done; a second one takes effect at once.

    A context manager: handles the signals inside it; previous handlers are restored on exit.
    Outside the main thread, where Python delivers no signals, it does nothing.

    Attributes:
      asked: whether an interrupt is pending.
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
        """Delays interrupts from now on."""
        self._stepping = True

    def end_step(self):
        """Lets interrupts take effect at once from now on."""
        self._stepping = False

    def _on_signal(self, *_):
        if not self._stepping or self.asked:
            raise KeyboardInterrupt
        self.asked = True
