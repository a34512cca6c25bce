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
from recommenders_utils.reading.text import LONGEST_ID

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
    stream, position, count, keys = io.BytesIO(data), 0, 0, _Keys()
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
            if not keys.sound_after(opcode.name, argument):
                raise UserError(
                    f"{path}: byte {position}: a key that is no text of at most {LONGEST_ID} characters, "
                    "expected a dict of texts to whole numbers; nothing was executed"
                )
    except (ValueError, EOFError, IndexError, OverflowError) as error:
        raise UserError(
            f"{path}: truncated or damaged after byte {position} of {len(data)}: {error}; "
            "download the file again"
        ) from error
    if stream.read(1):
        raise UserError(f"{path}: byte {position + 1}: data after the end of the pickle")


class _Keys:
    """Follows what is on an unpickler's stack, as far as to say which values may be keys."""

    def __init__(self):
        self._stack, self._memo = [], {}

    def sound_after(self, name, argument):
        """Whether the keys that an opcode sets are short texts; of a stack too short the unpickler tells."""
        try:
            return self._step(name, argument)
        except (IndexError, KeyError):
            return True

    def _step(self, name, argument):
        stack = self._stack
        if name in ("PROTO", "FRAME", "STOP"):
            return True
        if name in ("SETITEM", "APPEND"):
            stack.pop()
            return name == "APPEND" or stack.pop()
        if name in ("SETITEMS", "APPENDS", "DICT", "LIST"):
            taken = self._popped_to_mark()
            if name in ("DICT", "LIST"):
                stack.append(False)
            return name in ("APPENDS", "LIST") or all(taken[::2])
        if name in ("MEMOIZE", *_MEMO):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "MARK":
            stack.append(None)
        else:
            stack.append(type(argument) is str and len(argument) <= LONGEST_ID)
        return True

    def _popped_to_mark(self):
        taken = []
        while self._stack[-1] is not None:
            taken.append(self._stack.pop())
        self._stack.pop()
        return taken[::-1]


class _Plain(pickle.Unpickler):
    """Also refuses to import anything by itself."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it refers to an object outside itself")
