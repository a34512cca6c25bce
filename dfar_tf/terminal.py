"""What a log's ids may not do: reach the terminal as commands to it."""

import contextlib
import sys

from recommenders_utils.tables import printable


class Escaped:
    """A text stream that writes control characters as escapes; line breaks and tabs stay."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        """Writes ``printable(text)``."""
        self._stream.write(printable(text))
        return len(text)

    def writelines(self, lines):
        """Writes each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)


@contextlib.contextmanager
def escaped_output():
    """Context in which what is printed is safe for a terminal, whatever a log's ids are.

    Standard error is left alone: progress bars move the cursor there. ``printable`` is for messages.
    """
    with contextlib.redirect_stdout(Escaped(sys.stdout)):
        yield
