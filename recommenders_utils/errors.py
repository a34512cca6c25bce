"""Errors meant for a person: one clear message, no traceback."""


class UserError(Exception):
    """Bad input, and how to mend it.

    The message names the file (and line) or the key, what was expected and what to do. The command
    line prints it as ``error: ...`` and exits with status 2; library callers catch it as usual.
    """
