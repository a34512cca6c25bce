"""Checksums of a folder's files, in ``checksums.json`` beside them, checked before they are read.

A file's new checksum is noted before the file gets its name, and the old one stays beside it: a process
killed at any moment leaves a file that has one of the two. A file without an entry is not checked, so
that folders of earlier versions can be read.
"""

import contextlib
import hashlib
import json
import os
from typing import IO, Any, Iterator, Sequence

from recommenders_utils import temporaries
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write, read_json, sha256_of, write_json

CHECKSUMS_FILE = "checksums.json"
# What reading damaged JSON may raise.
DAMAGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


class DamagedFile(UserError):
    """A file that differs from its checksum, or is not what it should be."""


@contextlib.contextmanager
def checked_write(path: str, mode: str = "w", **open_args: Any) -> Iterator[IO[Any]]:
    """``atomic_write`` of a file whose checksum is noted."""
    with atomic_write(path, mode, **open_args) as stream:
        yield stream
        stream.flush()
        _note(path, sha256_of(stream.name))


def write_checked_json(path: str, value: Any) -> None:
    """Writes ``value`` as indented JSON and notes its checksum."""
    with checked_write(path) as stream:
        json.dump(value, stream, indent=2)
        stream.write("\n")


def check(path: str, advice: str) -> None:
    """Compares a file with its checksum, if one is noted.

    Args:
      path: the file.
      advice: what to do if it is damaged, a sentence.

    Raises:
      DamagedFile: it differs, or the file of the checksums is damaged.
      OSError: it cannot be read.
    """
    for _ in range(3):  # another process may replace the file between the two looks
        expected = _entries(os.path.dirname(path)).get(os.path.basename(path))
        if expected is None or sha256_of(path) in expected:
            break
    else:
        raise DamagedFile(f"{path}: is damaged: it differs from its checksum. {advice}")


def read_checked_json(path: str, advice: str, keys: Sequence[str] = ()) -> Any:
    """Reads a JSON object after ``check``.

    Args:
      path, advice: as of ``check``.
      keys: what the object must have.

    Raises:
      DamagedFile: as ``check``; it is no JSON, no object, or lacks a key.
      OSError: it cannot be read.
    """
    check(path, advice)
    try:
        value = read_json(path)
        if not isinstance(value, dict):
            raise TypeError("no object in it")
        missing = [key for key in keys if key not in value]
        if missing:
            raise ValueError(f"no {missing[0]!r} in it")
    except DAMAGE as error:
        raise DamagedFile(
            f"{path}: is damaged: not the JSON expected ({type(error).__name__}). {advice}"
        ) from None
    return value


def seal(folder: str) -> None:
    """Notes the checksums of all files directly in a folder, and of no others."""
    names = [name for name in sorted(os.listdir(folder)) if _counts(folder, name)]
    entries = {name: [sha256_of(os.path.join(folder, name))] for name in names}
    _write(folder, entries)


def unseal(folder: str) -> None:
    """Forgets the checksums of a folder, which is about to change."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, CHECKSUMS_FILE))


def check_folder(folder: str, advice: str) -> None:
    """Checks all files of a folder that have a checksum; raises as ``check``, also if one is missing."""
    for name in _entries(folder):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise DamagedFile(f"{path}: is missing, but the folder had it. {advice}")
        check(path, advice)


def _counts(folder, name):
    hidden = name == CHECKSUMS_FILE or name.startswith(temporaries.PREFIX)
    return not hidden and os.path.isfile(os.path.join(folder, name))


def _entries(folder):
    path = os.path.join(folder, CHECKSUMS_FILE)
    try:
        table = read_json(path)
        if table["sha256"] != _own(table["files"]):
            raise ValueError
        return table["files"]
    except FileNotFoundError:
        return {}
    except DAMAGE:
        raise DamagedFile(
            f"{path}: is damaged: not a table of checksums. Restore a copy, or delete it to go on without "
            "checks."
        ) from None


def _note(path, digest):
    folder, name = os.path.split(path)
    entries = _entries(folder)
    entries[name] = [digest, *entries.get(name, [])[:1]]
    _write(folder, entries)


def _write(folder, entries):
    table = {"files": entries, "sha256": _own(entries)}
    write_json(os.path.join(folder, CHECKSUMS_FILE), table)


def _own(entries):
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
