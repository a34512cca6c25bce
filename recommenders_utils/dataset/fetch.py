"""Fetches a data set by name: resumed, checked against the publisher's digest, its logs unpacked."""

import contextlib
import os
import shutil
import tarfile
import urllib.parse
import zlib
from typing import Any, Callable, List, Optional

from recommenders_utils.dataset.download import download
from recommenders_utils.dataset.known import Known, expected_digest
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write, digest_of

MOST_BYTES = 64 << 30
CHUNK = 1 << 20


def fetch(
    name: str,
    entry: Known,
    folder: str,
    say: Callable[[str], None] = print,
    url: Optional[str] = None,
    **options: Any,
) -> List[str]:
    """Downloads a data set into a folder, where an interrupted download is resumed.

    Args:
      name: of the data set, for messages.
      entry: where it is and how it is checked.
      folder: destination.
      say: called with each line to print.
      url: address to use instead of the publisher's.
      **options: passed to ``download``.

    Returns:
      Paths of the logs: the file itself, or what was unpacked of the archive.

    Raises:
      UserError: the data set has no address to fetch; see ``download``; a damaged archive, or one
        without the logs; a folder that cannot be written.
    """
    url = url or entry.url
    if url is None:
        raise UserError(f"data set {name} cannot be fetched: {entry.how}. Its page: {entry.page}")
    path = os.path.join(folder, os.path.basename(urllib.parse.urlsplit(url).path))
    digest = expected_digest(entry)
    if _is_there(path, digest):
        say(f"{path} is already there" + (", with the publisher's checksum" if digest else ""))
    else:
        download(url, path, say=say, max_bytes=MOST_BYTES, **digest, **options)
    if entry.unpack is None:
        return [path]
    return _unpacked(path, entry.unpack, folder, say)


def _is_there(path, digest):
    """Whether a complete file is there: only one that passes its checks gets the name."""
    if not os.path.isfile(path):
        return False
    return all(digest_of(path, kind) == expected for kind, expected in digest.items())


def _unpacked(path, beginning, folder, say):
    """The files of a ``.tar.gz`` whose names begin so, each complete in ``folder`` or absent."""
    found = []
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = os.path.basename(member.name)
                if not (member.isfile() and name.startswith(beginning)):
                    continue
                place = os.path.join(folder, name)
                if not (os.path.isfile(place) and os.path.getsize(place) == member.size):
                    with atomic_write(place, "wb") as target, contextlib.closing(
                        archive.extractfile(member)
                    ) as source:
                        shutil.copyfileobj(source, target, CHUNK)
                say(f"unpacked {place}")
                found.append(place)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}: the archive is damaged: {error}; delete it and run the same command again"
        ) from error
    if not found:
        raise UserError(
            f"{path}: the archive has no file whose name begins with {beginning}; delete it and run "
            "the same command again"
        )
    return found
