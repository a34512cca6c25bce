"""One finding of the doctor: what was looked at, what was found, and what to do about it."""

import textwrap
import typing

GOOD, PROBLEM, BROKEN = "good", "problem", "broken"
_MARKS = {GOOD: "", PROBLEM: "PROBLEM: ", BROKEN: "BROKEN: "}
_NAME, _WIDTH = 26, 96


class Finding(typing.NamedTuple):
    """What was found of one thing.

    Attributes:
      name: of the thing.
      found: what was found, as text.
      state: ``GOOD``, ``PROBLEM`` (runs still work) or ``BROKEN`` (no run works).
      suggestion: how to fix it; empty if there is nothing to fix.
    """

    name: str
    found: str
    state: str
    suggestion: str = ""

    def lines(self):
        """The finding as aligned, wrapped lines."""
        text = _MARKS[self.state] + self.found
        lines = textwrap.wrap(text, _WIDTH - _NAME, break_long_words=False) or [""]
        if self.suggestion:
            lines += textwrap.wrap("-> " + self.suggestion, _WIDTH - _NAME, break_long_words=False)
        return [f"{self.name if k == 0 else '':{_NAME}}{line}" for k, line in enumerate(lines)]
