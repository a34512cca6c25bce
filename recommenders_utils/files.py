"""Files that are either complete or absent: write to a temporary name, then rename."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from typing import IO, Any, Iterator

from recommenders_utils.errors import UserError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def atomic_write(path: str, mode: str = "w", **open_args: Any) -> Iterator[IO[Any]]:
    """Opens a temporary neighbour of ``path``; renames it over ``path`` if the block succeeds.

    Args:
      path: destination file; its folder is made if missing.
      mode: ``"w"`` or ``"wb"``.
      **open_args: passed to ``open`` (text defaults to UTF-8).

    Raises:
      OSError: as ``open`` and the writes raise it (a full disk, say); ``path`` is then untouched.
    """
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    if "b" not in mode:
        open_args.setdefault("encoding", "utf-8")
    handle, temporary = tempfile.mkstemp(
        prefix=".tmp-", suffix="-" + os.path.basename(path), dir=folder
    )
    try:
        with os.fdopen(handle, mode, **open_args) as stream:
            yield stream
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def atomic_directory(path: str) -> Iterator[str]:
    """Yields a temporary folder beside ``path``; renames it to ``path`` if the block succeeds.

    An older folder at ``path`` is replaced; it stays complete until the new one is.
    """
    path = os.path.abspath(path)
    parent = os.path.dirname(path)
    os.makedirs(parent, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix=".tmp-", suffix="-" + os.path.basename(path), dir=parent)
    os.chmod(temporary, 0o777 & ~_umask())
    try:
        yield temporary
        if os.path.isdir(path):
            discarded = tempfile.mkdtemp(prefix=".old-", dir=parent)
            os.rename(path, os.path.join(discarded, "old"))
            os.rename(temporary, path)
            shutil.rmtree(discarded, ignore_errors=True)
        else:
            os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextlib.contextmanager
def locked(path: str, message: str) -> Iterator[None]:
    """Keeps other processes out of a block that they enter with the same path.

    The lock is on the file or folder itself and ends with this process, however it ends. Where the
    system has no such locks nothing is kept.

    Args:
      path: an existing file or folder.
      message: of the error that the others get.

    Raises:
      UserError: another process is in the block.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
    """Reads one JSON file."""
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


CHECKSUMS = "checksums.json"


def seal(folder: str, *names: str) -> None:
    """Notes the checksums of a folder's files in its ``checksums.json``, beside those noted before."""
    path = os.path.join(folder, CHECKSUMS)
    noted = _checksums(folder) if os.path.exists(path) else {}
    noted.update({name: sha256_of(os.path.join(folder, name)) for name in names})
    write_json(path, noted)


def check_seal(folder: str, name: str, advice: str) -> None:
    """Raises UserError, with advice, unless a file of a folder is as it was sealed."""
    path, noted = os.path.join(folder, name), _checksums(folder)
    if not os.path.exists(path) or sha256_of(path) != noted.get(name):
        raise UserError(f"{path}: differs from its checksum in {CHECKSUMS}. {advice}")


def _checksums(folder):
    path = os.path.join(folder, CHECKSUMS)
    try:
        noted = read_json(path)
        if isinstance(noted, dict):
            return noted
    except (ValueError, RecursionError):
        pass
    except FileNotFoundError:
        return {}
    raise UserError(f"{path}: damaged: it holds no checksums. Restore a copy of it.")


def sha256_of(path: str, chunk: int = 1 << 20) -> str:
    """Hex SHA-256 of a file's content, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(chunk), b""):
            digest.update(block)
    return digest.hexdigest()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
