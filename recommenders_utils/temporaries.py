"""Temporary neighbours of a file or folder: made, swept up after a killed process, put in its place.

A temporary is locked while its process lives, so that whoever finds one without a lock may delete it.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import tempfile
from typing import Iterator, Optional, Tuple

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

PREFIX = ".tmp-"
KEPT = ".old-"  # what a folder is called while another takes its place
_MADE = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}-(.+)$")  # by ``tempfile``
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def make_file(path: str) -> Tuple[int, str]:
    """Makes an empty, locked neighbour of a file; returns its handle, open for writing, and path."""
    folder, name = os.path.split(path)
    while True:
        handle, temporary = tempfile.mkstemp(prefix=PREFIX, suffix="-" + name, dir=folder)
        if _lock(handle, temporary):
            return handle, temporary
        os.close(handle)


def make_folder(path: str) -> Tuple[Optional[int], str]:
    """Makes an empty, locked neighbour of a folder; returns the handle that locks it, and its path."""
    parent, name = os.path.split(path)
    while True:
        temporary = tempfile.mkdtemp(prefix=PREFIX, suffix="-" + name, dir=parent)
        if fcntl is None:
            return None, temporary
        try:
            handle = os.open(temporary, os.O_RDONLY)
        except FileNotFoundError:  # swept up already
            continue
        if _lock(handle, temporary):
            return handle, temporary
        os.close(handle)


def sweep(folder: str, name: Optional[str] = None) -> None:
    """Deletes the temporaries that killed processes have left in a folder.

    Args:
      folder: need not exist.
      name: of the file or folder whose temporaries to delete; of all by default.
    """
    if fcntl is None:
        return
    try:
        entries = os.listdir(folder)
    except OSError:  # it may be written, but not be listed
        return
    for entry in entries:
        made = _MADE.match(entry)
        if made and name in (None, made.group(1)):
            with contextlib.suppress(OSError):
                _delete_unlocked(os.path.join(folder, entry))


def put_folder(temporary: str, path: str) -> None:
    """Puts a folder in the place of another: the old one stays until the new one is there.

    Where the system can exchange two names, that is one step. Elsewhere a process killed between the
    two steps leaves the old folder under another name, from which ``restore`` brings it back.
    """
    if exchange(temporary, path):
        shutil.rmtree(temporary, ignore_errors=True)
        return
    kept = _kept(path)
    with _locked_parent(path):
        os.rename(path, kept)
        try:
            os.rename(temporary, path)
        except BaseException:
            os.rename(kept, path)
            raise
    shutil.rmtree(kept, ignore_errors=True)


def restore(path: str) -> None:
    """Brings back a folder whose replacement was killed half way; deletes one that was replaced."""
    path = os.path.abspath(path)
    kept = _kept(path)
    if not os.path.isdir(kept):
        return
    with contextlib.suppress(OSError), _locked_parent(path):
        if not os.path.exists(path):
            os.rename(kept, path)
        else:
            shutil.rmtree(kept, ignore_errors=True)


def exchange(one: str, other: str) -> bool:
    """Swaps what two paths name, in one step; returns False where the system cannot."""
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # no Linux, or an old C library
        return False
    names = os.fsencode(one), os.fsencode(other)
    return swap(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0


def flush(handle: int) -> None:
    """Waits until an open file or folder is on the disk, where the file system can tell.

    Raises:
      OSError: it cannot be written.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def flush_folder(path: str) -> None:
    """Waits until a folder and all in it are on the disk; errors as of ``flush``."""
    for folder, _, names in os.walk(path):
        for name in (*names, os.curdir):
            handle = os.open(os.path.join(folder, name), os.O_RDONLY)
            try:
                flush(handle)
            finally:
                os.close(handle)


def _kept(path):
    parent, name = os.path.split(path)
    return os.path.join(parent, KEPT + name)


def _lock(handle, path):
    """Locks a new temporary; False if another process swept it up before it was locked."""
    if fcntl is None:
        return True
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _delete_unlocked(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError while its process lives
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _locked_parent(path) -> Iterator[None]:
    handle = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        if fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
