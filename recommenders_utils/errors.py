"""Errors meant for the user: one clear message, no traceback."""

BAD_INPUT = 2  # exit status of a command that refused its input


class UserError(Exception):
    """Bad input, and how to fix it.

    The message names the file (and line) or the key, what was expected and what to do. The command
    line prints it as ``error: ...`` and exits with status 2; library callers catch it as usual.
    """


def shortened(text: str, most: int = 80) -> str:
    """``text`` for a message: cut in the middle where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[-half:]}"
