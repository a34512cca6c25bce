"""Files that are either complete or absent: write to a temporary name, then rename."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from typing import IO, Any, Iterator, List, Tuple

from recommenders_utils import temporaries
from recommenders_utils.errors import UserError, shortened

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


_waiting: List[List[Tuple[int, str, str]]] = []  # files written in each ``together`` that is open


@contextlib.contextmanager
def atomic_write(path: str, mode: str = "w", **open_args: Any) -> Iterator[IO[Any]]:
    """Opens a temporary neighbour of ``path``; renames it over ``path`` if the block succeeds.

    Args:
      path: destination file, or a link to it; its folder is made if missing.
      mode: ``"w"`` or ``"wb"``.
      **open_args: passed to ``open`` (text defaults to UTF-8).

    Raises:
      UserError: ``path`` is a folder, a device or a pipe, or no file can be there.
      OSError: as ``open`` and the writes raise it (a full disk, say), with the name of the file; what was
        at ``path`` is then untouched.
    """
    given, path = path, _plain_target(path)
    if "b" not in mode:
        open_args.setdefault("encoding", "utf-8")
    with _naming(given):
        handle, temporary = _made_beside(path, temporaries.make_file)
    try:
        with _naming(given), open(temporary, mode, opener=lambda *_: handle, **open_args) as stream:
            yield stream
            stream.flush()
            temporaries.flush(stream.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            if _waiting:
                # A copy of the handle keeps the temporary locked.
                _waiting[-1].append((os.dup(stream.fileno()), temporary, path))
            else:
                os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Context whose ``atomic_write``s get their names at its end, or none of them does."""
    written: List[Tuple[int, str, str]] = []
    _waiting.append(written)
    try:
        yield
        for _, temporary, path in written:
            with _naming(path):
                os.replace(temporary, path)
    finally:
        _waiting.remove(written)
        for handle, temporary, _ in written:
            os.close(handle)
            with contextlib.suppress(OSError):
                os.unlink(temporary)


@contextlib.contextmanager
def atomic_directory(path: str, replace: bool = True) -> Iterator[str]:
    """Yields a temporary folder beside ``path``; renames it to ``path`` if the block succeeds.

    Args:
      path: the folder, or a link to it.
      replace: whether a folder at ``path`` is replaced; it stays complete until the new one is. An
        empty one is replaced in any case.

    Raises:
      UserError: ``path`` is a file or a mount point.
      FileExistsError: a folder that is not empty is there, and ``replace`` is off.
      OSError: as of ``atomic_write``.
    """
    given, path = path, _folder_target(path)
    with _naming(given):
        temporaries.restore(path)
        handle, temporary = _made_beside(path, temporaries.make_folder)
    try:
        with _naming(given):
            os.chmod(temporary, 0o777 & ~_umask())
            yield temporary
            temporaries.flush_folder(temporary)
            try:
                os.rename(temporary, path)  # fails where a folder is that is not empty
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                if not replace:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), given) from None
                temporaries.put_folder(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)


@contextlib.contextmanager
def locked(
    path: str, message: str = "", wait: bool = False, shared: bool = False
) -> Iterator[None]:
    """Keeps other processes out of a block that they enter with the same path.

    The lock is on the file or folder itself and ends with this process, however it ends. Where the
    system has no such locks nothing is kept.

    Args:
      path: an existing file or folder.
      message: of the error that the others get.
      wait: whether they wait instead.
      shared: whether those that say so too may enter together.

    Raises:
      UserError: another process is in the block, and ``wait`` is not set.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        if fcntl is not None:
            try:
                kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(handle, kind | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise UserError(message) from None
        yield
    finally:
        os.close(handle)


def slug(text: str, keep: str = "") -> str:
    """Lower-case words joined by ``-``, for file names; letters, digits and what is in ``keep`` stay."""
    return re.sub(f"(?:(?![{re.escape(keep)}-])[\\W_]|-)+", "-", text.lower()).strip("-.")


def write_json(path: str, value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically."""
    with atomic_write(path) as stream:
        json.dump(value, stream, indent=2)
        stream.write("\n")


def read_json(path: str) -> Any:
    """Reads one JSON file; raises ``ValueError`` for one that is none, endlessly nested ones included."""
    with open(path, encoding="utf-8") as stream:
        try:
            return json.load(stream)
        except RecursionError:
            raise ValueError(f"{path}: nested too deeply for JSON") from None


def sha256_of(path: str, chunk: int = 1 << 20) -> str:
    """Hex SHA-256 of a file's content, read in chunks."""
    return digest_of(path, "sha256", chunk)


def digest_of(path: str, kind: str, chunk: int = 1 << 20) -> str:
    """Hex digest of a file's content, read in chunks; ``kind`` is a name that ``hashlib`` knows."""
    digest = hashlib.new(kind)
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(chunk), b""):
            digest.update(block)
    return digest.hexdigest()


def _plain_target(path):
    """The file that a path names, links followed; raises UserError where none can be."""
    target = _real(path)
    if os.path.lexists(target) and not os.path.isfile(target):
        what = "a folder" if os.path.isdir(target) else "a device or a pipe, not a plain file"
        raise UserError(f"{shortened(str(path), 200)}: is {what}. Give the name of a file.")
    return target


def _folder_target(path):
    """The folder that a path names, links followed; raises UserError where none can be replaced."""
    target = _real(path)
    if os.path.lexists(target) and not os.path.isdir(target):
        raise UserError(
            f"{shortened(str(path), 200)}: is a file. Free its name or choose a writable folder."
        )
    if os.path.ismount(target):
        raise UserError(
            f"{path}: is a mount point, which cannot be replaced. Give a folder inside it."
        )
    return target


def _real(path):
    if "\0" in os.fspath(path):
        shown = shortened(os.fspath(path).replace("\0", "\\0"), 200)
        raise UserError(f"{shown}: a file's name cannot have a NUL in it. Give another name.")
    return os.path.realpath(path)


def _made_beside(path, make):
    """A new temporary for a path, whose folder is made if missing; those of killed processes go."""
    folder, name = os.path.split(path)
    try:
        os.makedirs(folder, exist_ok=True)
        temporaries.sweep(folder, name)
        return make(path)
    except FileNotFoundError:  # in /proc, say
        raise UserError(
            f"{path}: nothing can be made in {folder}. Choose another folder."
        ) from None


@contextlib.contextmanager
def _naming(path):
    """Adds a file's name to system errors that name no file, or its temporary."""
    try:
        yield
    except OSError as error:
        named = str(error.filename or "")
        of_ours = os.sep + temporaries.PREFIX in named
        if error.errno is not None and (not named or of_ours):
            error.filename, error.filename2 = path, None
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
