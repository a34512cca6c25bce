"""Reads pickles of plain containers without running anything in them.

A pickle is a program: its opcodes may import and call anything. Here every opcode is checked before
any is executed, and only those that build numbers, text, lists and dicts are allowed. No tuples:
hashing one as
a dict's key recurses as deep as they are nested, and takes 2 to the power of that where each is in the next
twice.
"""

import io
import os
import pickle
import pickletools
import re
from typing import Any

from recommenders_utils.errors import UserError

LIMIT = 1 << 30  # bytes; a vocabulary of ten million entries is a quarter of it
_ALLOWED = re.compile(
    r"PROTO|FRAME|STOP|MARK|MEMOIZE|(LONG_)?BIN(PUT|GET)|NONE|NEWTRUE|NEWFALSE|BININT[12]?|LONG1|BINFLOAT|"
    r"(SHORT_)?BIN(UNICODE|BYTES)|BINUNICODE8|(EMPTY_)?(DICT|LIST)|SETITEMS?|APPENDS?"
)
_MEMO = ("BINPUT", "LONG_BINPUT")


def read_plain_pickle(path: str) -> Any:
    """The object in a pickle of dicts, lists, texts and numbers (protocols 2 to 5).

    Raises:
      UserError: no such file, truncated, or anything else in it; nothing was executed.
    """
    try:
        if os.path.getsize(path) > LIMIT:
            raise UserError(f"{path}: over {LIMIT >> 20} MiB, expected a pickled vocabulary")
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    _inspect(path, data)
    try:
        return _Plain(io.BytesIO(data)).load()
    except Exception as error:  # opcodes that are allowed one by one may still not fit together
        raise UserError(f"{path}: not a sound pickle: {error}; download the file again") from error


def _inspect(path, data):
    stream, position, count = io.BytesIO(data), 0, 0
    try:
        for opcode, argument, position in pickletools.genops(stream):
            count += 1
            if not _ALLOWED.fullmatch(opcode.name):
                raise UserError(
                    f"{path}: byte {position}: opcode {opcode.name}, which plain containers of "
                    "text and numbers do not need; it could run code, so nothing was executed. "
                    "Get the file from a source you trust."
                )
            # The memo is an array as long as its largest index.
            if opcode.name in _MEMO and argument > count:
                raise UserError(
                    f"{path}: byte {position}: memo index {argument} after {count} opcodes, a "
                    "memory trap; nothing was executed"
                )
    except (ValueError, EOFError, IndexError, OverflowError) as error:
        raise UserError(
            f"{path}: truncated or damaged after byte {position} of {len(data)}: {error}; "
            "download the file again"
        ) from error
    if stream.read(1):
        raise UserError(f"{path}: byte {position + 1}: data after the end of the pickle")


class _Plain(pickle.Unpickler):
    """Also refuses to import anything by itself."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it refers to an object outside itself")
