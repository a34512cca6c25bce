"""What an engine says while it works."""

import time
from typing import Any, Callable, Dict, List

from recommenders_utils.reading.forms import ROW_ORDER
from recommenders_utils.reading.rows import first_place


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
            where = f"first on {first_place(found)}"
            say(f"data: dropped {found['count']} {what}: {kind} ({where})")
    if reading["time_unit"] == ROW_ORDER:
        say("data: the log has no times: a user's records are in the order of the file")
    elif reading["time_unit"] != "seconds":
        say(f"data: times are in {reading['time_unit']}, converted to seconds")
    say(f"data: read {reading['kept']} records from {path} ({clock.lap('read'):.2f} s)")


def say_filter(
    store: Any, counts: Dict[str, Any], data: Any, say: Callable[[str], Any], clock: Any
) -> None:
    """Reports what the filters left and by which keys; ``data`` has the keys."""
    counts["seconds"] = clock.lap("filter")
    for line in filter_lines(store.statistics(), counts, vars(data)):
        say("data: " + line)


def filter_lines(
    kept: Dict[str, Any], counts: Dict[str, Any], protocol: Dict[str, Any]
) -> List[str]:
    """What the filters did, a sentence each.

    Args:
      kept: Table 1's counts of what is left.
      counts: of the filter: ``read``, the same counts before it, and ``duplicates``.
      protocol: the keys of the filters with their values.
    """
    read, lines = counts["read"], []
    least = {key: protocol[key] for key in ("min_user_records", "min_item_records")}
    if counts["duplicates"]:
        which = protocol.get("duplicates", "first")
        lines.append(
            f"{counts['duplicates']:,} of {read['records']:,} records repeat a user and item and are "
            f"dropped (duplicates={which})"
        )
    if least["min_user_records"] > 1 or kept["users"] < read["users"]:
        of_items = least["min_item_records"] > 1
        lines.append(
            f"{kept['users']:,} of {read['users']:,} users have at least "
            f"min_user_records={least['min_user_records']} records"
            + f" of items with at least min_item_records={least['min_item_records']}"
            * of_items
        )
    lines.append(
        f"{kept['items']:,} of {read['items']:,} items and {kept['records']:,} of "
        f"{read['records']:,} records are left"
    )
    return lines
