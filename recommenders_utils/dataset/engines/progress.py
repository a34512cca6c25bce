"""What an engine says while it works."""

import time
from typing import Any, Callable, Dict


class Clock:
    """Seconds of consecutive steps.

    Attributes:
      laps: seconds by step.
    """

    def __init__(self):
        self.laps, self._last = {}, time.perf_counter()

    def lap(self, name: str) -> float:
        """Ends a step; returns its seconds."""
        now = time.perf_counter()
        self.laps[name], self._last = round(now - self._last, 3), now
        return self.laps[name]


def say_reading(path: str, reading: Dict[str, Any], say: Callable[[str], Any], clock: Any) -> None:
    """Reports what was read and what was dropped."""
    for how, what in (("malformed", "malformed rows"), ("dropped", "rows")):
        for kind, found in reading[how].items():
            where = f"first on line {found['first_line']}"
            say(f"data: dropped {found['count']} {what}: {kind} ({where})")
    if reading["time_unit"] != "seconds":
        say(f"data: times are in {reading['time_unit']}, converted to seconds")
    say(f"data: read {reading['kept']} records from {path} ({clock.lap('read'):.2f} s)")


def say_filter(store: Any, counts: Dict[str, Any], say: Callable[[str], Any], clock: Any) -> None:
    """Reports what the filter left."""
    read = counts["read"]
    say(
        f"data: kept {len(store.items)} of {read['records']} records, {store.num_users} of "
        f"{read['users']} users, {store.num_items} of {read['items']} items; "
        f"{counts['duplicates']} repetitions of a user and item dropped "
        f"({clock.lap('filter'):.2f} s)"
    )
