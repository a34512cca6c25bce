"""Errors meant for the user: one clear message, no traceback."""

import difflib
from typing import Dict, Iterable, List, Optional

BAD_INPUT = 2  # exit status of a command that refused its input


class UserError(Exception):
    """Bad input, and how to fix it.

    The message names the file (and line) or the key, what was expected and what to do. The command
    line prints it as ``error: ...`` and exits with status 2; library callers catch it as usual.
    """


def shortened(text: str, most: int = 80) -> str:
    """``text`` for a message: cut in the middle if it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


def described(value: object, most: Optional[int] = 80) -> str:
    """``repr`` of anything for a message, cut unless ``most`` is None; of what has none, its type."""
    try:
        text = repr(value)
        return text if most is None else shortened(text, most)
    except Exception:  # numbers of thousands of digits, endless nesting, and what a class may do
        return f"a {type(value).__name__}"


def suggest(name: str, names: Iterable[str], prefix: str = "") -> str:
    """The end of a message about an unknown name.

    Args:
      name: what was given.
      names: what there is.
      prefix: put before each name, such as ``--``.

    Returns:
      ``did you mean a or b?`` with up to three names that look like it whatever the case, best first; or,
      where none does, ``the names are a, b, c.``.
    """
    near = nearest(name, names)
    if near:
        return "did you mean " + " or ".join(prefix + word for word in near) + "?"
    return "the names are " + ", ".join(sorted(names)) + "."


def nearest(name: str, names: Iterable[str]) -> List[str]:
    """Up to three of ``names`` that look like ``name``, whatever the case, best first."""
    folded: Dict[str, str] = {}
    for candidate in names:
        folded.setdefault(candidate.lower(), candidate)
    return [folded[near] for near in difflib.get_close_matches(name.lower(), folded, n=3)]
