"""One file over HTTP(S): streamed, resumed where it stopped, checked, and complete or absent.

Beside the destination ``path`` there are, while a download is unfinished, ``path.part`` (the bytes
so far) and ``path.part.json`` (their source and the server's tag of that version). Only a
complete, checked file gets the name ``path``.
"""

import contextlib
import errno
import http.client
import os
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Callable, Optional

from tqdm import tqdm

from recommenders_utils.errors import UserError
from recommenders_utils.files import digest_of, locked, read_json, write_json

CHUNK = 1 << 16
MAX_TRIES = 50  # in all, however little each brings
TRY_AGAIN = (408, 429, 500, 502, 503, 504)  # HTTP statuses that may be temporary
UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


class OfflineError(UserError):
    """The server cannot be reached at all: no name, no route, refused, or no reply."""


class _Dropped(Exception):
    """The connection ended early; another attempt can resume from the bytes so far."""


def download(
    url: str,
    path: str,
    say: Callable[[str], None] = print,
    sha256: Optional[str] = None,
    md5: Optional[str] = None,
    max_bytes: int = 4 << 30,
    attempts: int = 5,
    backoff: float = 1.0,
    connect_timeout: float = 5.0,
    read_timeout: float = 60.0,
    show_progress: bool = True,
) -> str:
    """Downloads ``url`` to ``path``.

    A part left by an earlier attempt is resumed with a Range request bound to the server's ETag or
    Last-Modified (If-Range), so a file that changed in between is downloaded again, never spliced;
    a part without such a tag is not trusted and starts over. A dropped connection is resumed, after
    ``backoff``, 2 ``backoff``, ... seconds. Interrupted in any way,
    the part stays and the next call resumes it.

    Args:
      url: http or https address.
      path: destination; its folder is made if missing, an existing file is replaced.
      say: called with one line of text at start and end, and for each retry.
      sha256, md5: hex digests the file must have, or None.
      max_bytes: refuse anything longer.
      attempts: number of attempts in a row without a new byte before giving up.
      backoff: seconds before the second attempt; doubles with each, at most 30.
      connect_timeout: seconds to wait for a connection.
      read_timeout: seconds to wait for an answer, and between bytes.
      show_progress: show a bar with rate and time left, on a terminal.

    Returns:
      ``path``.

    Raises:
      OfflineError: at once, if the first attempt cannot reach the server.
      UserError: if the server refuses, the connection keeps dropping, the length or the digest
        is wrong, or the file cannot be written. Names the address, the bytes received and what to
        do.
    """
    _check_address(url)
    part = _Part(url, path)
    opener = _opener(read_timeout)
    limits = (connect_timeout, max_bytes)
    try:
        with part.locked_folder():
            size = part.trusted_size()
            say(f"downloading {url}" + (f" (resuming at {size:,} bytes)" if size else ""))
            total = _fetch_with_retries(part, opener, limits, attempts, backoff, say, show_progress)
            _finish(part, total, {"SHA-256": sha256, "MD5": md5})
    except OSError as error:
        kept = f"; the {part.size:,} bytes received so far are kept" if part.size else ""
        raise UserError(
            f"cannot write {part.path}: {error.strerror or error}{kept}: free space or fix the "
            "permissions, then run the same command again"
        ) from error
    say(f"downloaded {os.path.getsize(path):,} bytes to {path}")
    return path


def _check_address(url):
    try:
        address = urllib.parse.urlsplit(url)
        good = address.scheme in ("http", "https") and address.hostname and " " not in url
    except ValueError:
        good = False
    if not good:
        raise UserError(f"cannot download {url}: expected an address like http://host/folder/file")


class _Connection(http.client.HTTPConnection):
    """Waits briefly for the connection, then longer for its data."""

    read_timeout = None

    def connect(self):
        super().connect()
        self.sock.settimeout(self.read_timeout)


class _SecureConnection(http.client.HTTPSConnection):
    read_timeout = None

    def connect(self):
        super().connect()
        self.sock.settimeout(self.read_timeout)


def _opener(read_timeout):
    plain = type("Plain", (_Connection,), {"read_timeout": read_timeout})
    secure = type("Secure", (_SecureConnection,), {"read_timeout": read_timeout})

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(plain, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(secure, request)

    return urllib.request.build_opener(PlainHandler, SecureHandler)


class _Part:
    """The unfinished file and the note beside it."""

    def __init__(self, url, path):
        self.url, self.final = url, path
        self.path, self.note = path + ".part", path + ".part.json"

    @property
    def size(self):
        """Bytes so far."""
        try:
            return os.path.getsize(self.path)
        except OSError:
            return 0

    @property
    def mark(self):
        """The server's tag of the part's version, or None if it cannot be resumed."""
        try:
            note = read_json(self.note)
            return note["mark"] if note["url"] == self.url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def trusted_size(self):
        """Bytes to resume from; a part of unknown origin is dropped."""
        if not self.mark:
            self.discard()
        return self.size

    def begin(self, mark):
        """Empties the part and notes the version that follows."""
        self.discard()
        if mark:
            write_json(self.note, {"url": self.url, "mark": mark})

    def discard(self):
        """Removes part and note."""
        for path in (self.note, self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def locked_folder(self):
        """Context that keeps a second process from writing the same part."""
        folder = os.path.dirname(os.path.abspath(self.path))
        os.makedirs(folder, exist_ok=True)
        return locked(
            folder,
            f"another process is downloading into {folder}: wait for it, then run the same command "
            "again",
        )


def _fetch_with_retries(part, opener, limits, attempts, backoff, say, show_progress):
    """Downloads until the part is complete; returns the file's length, or None if unknown."""
    best, fruitless = part.size, 0
    for tried in range(1, MAX_TRIES + 1):
        try:
            return _fetch(part, opener, *limits, show_progress)
        except OfflineError:
            if tried == 1:
                raise
            reason = "the server is no longer reachable"
        except _Dropped as error:
            reason = str(error)
        fruitless = 0 if part.size > best else fruitless + 1
        best = max(best, part.size)
        if fruitless >= attempts:
            break
        wait = min(30.0, backoff * 2 ** max(0, fruitless - 1))
        say(f"stopped at {part.size:,} bytes ({reason}); retrying in {wait:g} s")
        time.sleep(wait)
    raise UserError(
        f"cannot download {part.url}: {reason}; {part.size:,} bytes received in {tried} attempts. "
        + _remedy(part)
    )


def _fetch(part, opener, connect_timeout, max_bytes, show_progress):
    """One request, from where the part ends; returns the file's length or None.

    Raises:
      _Dropped: if another attempt may succeed.
      OfflineError, UserError: as `download`.
      OSError: if the part cannot be written.
    """
    have, mark = part.size, part.mark
    request = urllib.request.Request(part.url, headers={"Accept-Encoding": "identity"})
    if have and mark:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark)
    try:
        response = opener.open(request, timeout=connect_timeout)
    except urllib.error.HTTPError as error:
        with error:
            return _refused(part, error, have, mark)
    except urllib.error.URLError as error:
        if _is_offline(error.reason):
            raise OfflineError(
                f"cannot reach {part.url}: {_reason(error.reason)}. " + _remedy(part)
            ) from error
        raise _Dropped(_reason(error.reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(_reason(error)) from error
    with contextlib.closing(response):
        if response.status == 206:
            total = _resumed_total(part, response.headers, have, mark)
        else:
            total = _fresh_total(part, response.headers)
        if total is not None and total > max_bytes:
            raise UserError(
                f"cannot download {part.url}: {total:,} bytes, expected at most {max_bytes:,}. "
                + _remedy(part)
            )
        _stream(part, response, total, max_bytes, show_progress)
    return total


def _refused(part, error, have, mark):
    """The answer was an HTTP error: the length of a part that is already complete, or an exception."""
    if error.code == 416 and have:
        told = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if told and int(told.group(1)) == have and _mark(error.headers) in (None, mark):
            return have
        part.discard()
        raise _Dropped("the part does not match the server's file") from error
    if error.code in TRY_AGAIN:
        raise _Dropped(f"HTTP {error.code} {error.reason}") from error
    raise UserError(
        f"cannot download {part.url}: the server answered HTTP {error.code} {error.reason}. "
        + _remedy(part)
    ) from error


def _resumed_total(part, headers, have, mark):
    """The file's length, from an answer that must continue where the part ends."""
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
    if not told or int(told.group(1)) != have or not have or _mark(headers) not in (None, mark):
        part.discard()
        raise _Dropped("the server sent a different range than requested")
    return int(told.group(2))


def _fresh_total(part, headers):
    """The file's length, or None, of an answer from the first byte on; empties the part."""
    length = headers.get("Content-Length", "")
    part.begin(_mark(headers))
    if length.isdigit():
        return int(length)
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return None  # the last chunk tells the end
    raise UserError(
        f"cannot download {part.url}: the server reports no length, so a dropped connection would "
        "look like the end of the file."
        " " + _remedy(part)
    )


def _mark(headers):
    """A strong ETag or the Last-Modified date, what If-Range takes, or None."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified")


def _stream(part, response, total, max_bytes, show_progress):
    got = part.size
    bar = tqdm(
        total=total,
        initial=got,
        unit="B",
        unit_scale=True,
        desc=os.path.basename(part.final),
        disable=None if show_progress else True,
    )
    with bar, open(part.path, "ab") as stream:
        while True:
            try:
                block = response.read1(CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _Dropped(_reason(error)) from error
            if not block:
                break
            got += len(block)
            if got > max_bytes:
                raise UserError(
                    f"cannot download {part.url}: more than the {max_bytes:,} bytes allowed. "
                    + _remedy(part)
                )
            stream.write(block)
            bar.update(len(block))
    if total is not None and got < total:
        raise _Dropped(f"the connection ended after {got:,} of {total:,} bytes")


def _finish(part, total, digests):
    """Checks length and digests, then gives the file its name."""
    size = part.size
    if total is not None and size != total:
        part.discard()
        raise UserError(
            f"cannot download {part.url}: received {size:,} bytes, the server announced {total:,}. "
            + _remedy(part)
        )
    for kind, expected in digests.items():
        if expected is None:
            continue
        digest = digest_of(part.path, kind.lower().replace("-", ""))
        if digest != expected.lower():
            part.discard()
            raise UserError(
                f"cannot use {part.url}: its {kind} is {digest}, expected {expected.lower()}: the "
                "file there is damaged or different."
                " " + _remedy(part)
            )
    os.replace(part.path, part.final)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part.note)


def _remedy(part):
    again = "Run the same command again to resume" if part.size else "Try again later"
    return f"{again}, or download the file yourself and save it as {part.final}"


def _is_offline(reason):
    """Whether no server answered at all, rather than one that answered with an error."""
    if isinstance(reason, (socket.gaierror, socket.timeout, ConnectionRefusedError)):
        return True
    return isinstance(reason, OSError) and reason.errno in UNREACHABLE


def _reason(error):
    if isinstance(error, socket.timeout):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
