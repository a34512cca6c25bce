"""Downloads from a loopback server that misbehaves on purpose."""

import errno
import hashlib
import os
import socket

import numpy as np
import pytest
from loopback_server import BODY, server  # noqa: F401 (a fixture)

from recommenders_utils.dataset import download as module
from recommenders_utils.dataset.download import OfflineError, download
from recommenders_utils.errors import UserError

OTHER = bytes(np.random.RandomState(1).randint(256, size=280_001, dtype=np.uint8))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def target(tmp_path):
    return str(tmp_path / "data" / "ratings.csv")


def fetch(server, target, **options):
    lines = []
    settings = dict(say=lines.append, backoff=0.001, attempts=3, read_timeout=5.0)
    settings["show_progress"] = False
    settings.update(options)
    download(server if isinstance(server, str) else server.url, target, **settings)
    return lines


def content(path):
    with open(path, "rb") as stream:
        return stream.read()


def alone(target):
    """Nothing but the finished file is left in the folder."""
    return os.listdir(os.path.dirname(target)) == [os.path.basename(target)]


def interrupted(server, target, sent=100_000):
    """Leaves a part of ``sent`` bytes, as a killed run would."""
    server.faults = [("drop", sent)]

    def kill(line):
        if "retrying" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, target, say=kill)
    assert not os.path.exists(target)
    assert os.path.getsize(target + ".part") == sent
    server.seen.clear()


def test_a_whole_file_in_one_request(server, target):
    lines = fetch(server, target, sha256=hashlib.sha256(BODY).hexdigest().upper())
    assert content(target) == BODY
    assert alone(target)
    assert server.seen == [(None, None)]
    assert server.url in lines[0] and "300,017" in lines[-1]


def test_drops_go_on_where_they_stopped(server, target):
    server.faults = [("drop", 100_000), ("drop", 0), 503, ("drop", 50_000)]
    fetch(server, target)
    assert content(target) == BODY
    assert alone(target)
    assert server.seen == [
        (None, None),
        ("bytes=100000-", '"v1"'),
        ("bytes=100000-", '"v1"'),
        ("bytes=100000-", '"v1"'),
        ("bytes=150000-", '"v1"'),
    ]


def test_more_drops_than_attempts_are_fine_while_bytes_come(server, target):
    server.faults = [("drop", 30_000)] * 8
    fetch(server, target, attempts=1)
    assert content(target) == BODY
    assert len(server.seen) == 9


def test_tries_are_bounded_even_if_each_brings_a_byte(server, target):
    server.faults = [("drop", 1)] * 1000
    with pytest.raises(UserError, match="50 bytes received in 50 attempts"):
        fetch(server, target, backoff=0.0)
    assert len(server.seen) == 50


def test_a_killed_download_is_resumed_by_the_next_run(server, target):
    interrupted(server, target)
    lines = fetch(server, target)
    assert server.seen == [("bytes=100000-", '"v1"')]
    assert "resuming at 100,000" in lines[0]
    assert content(target) == BODY and alone(target)


def test_last_modified_serves_where_there_is_no_strong_etag(server, target):
    server.etag, server.modified = 'W/"weak"', "Wed, 23 Jul 2014 00:00:00 GMT"
    interrupted(server, target)
    fetch(server, target)
    assert server.seen == [("bytes=100000-", server.modified)]
    assert content(target) == BODY


def test_a_server_that_ignores_range_starts_over(server, target):
    interrupted(server, target)
    server.ranges = False
    fetch(server, target)
    assert server.seen == [("bytes=100000-", '"v1"')]
    assert content(target) == BODY


def test_without_any_mark_a_part_is_not_trusted(server, target):
    server.etag = None
    interrupted(server, target)
    lines = fetch(server, target)
    assert "resuming" not in lines[0]
    assert server.seen == [(None, None)]
    assert content(target) == BODY


def test_a_part_of_another_address_is_not_used(server, target):
    interrupted(server, target)
    fetch(server.url + "?other", target)
    assert server.seen == [(None, None)]
    assert content(target) == BODY


@pytest.mark.parametrize("obeys", [True, False])
def test_a_file_changed_in_between_is_never_spliced(server, target, obeys):
    interrupted(server, target)
    server.body, server.etag, server.obeys_if_range = OTHER, '"v2"', obeys
    fetch(server, target)
    assert content(target) == OTHER and alone(target)


def test_a_file_changed_between_two_tries_of_one_run(server, target):
    server.faults = [("drop", 100_000)]

    def change(line):
        if "retrying" in line:
            server.body, server.etag = OTHER, '"v2"'

    fetch(server, target, say=change)
    assert content(target) == OTHER


def test_a_changed_file_shorter_than_the_part(server, target):
    interrupted(server, target)
    server.body, server.etag = OTHER[:5000], '"v2"'
    fetch(server, target)
    assert content(target) == OTHER[:5000]


def test_another_range_than_asked_for_starts_over(server, target):
    interrupted(server, target)
    server.faults = ["wrong range"]
    fetch(server, target)
    assert server.seen == [("bytes=100000-", '"v1"'), (None, None)]
    assert content(target) == BODY


def test_a_part_that_was_whole_already_is_just_renamed(server, target):
    interrupted(server, target)
    with open(target + ".part", "wb") as stream:
        stream.write(BODY)
    fetch(server, target, sha256=hashlib.sha256(BODY).hexdigest())
    assert server.seen == [("bytes=300017-", '"v1"')]
    assert content(target) == BODY and alone(target)


def test_a_changed_file_just_as_long_as_the_part(server, target):
    interrupted(server, target)
    server.body, server.etag = OTHER[:100_000], '"v2"'
    fetch(server, target)
    assert [asked for asked, _ in server.seen] == ["bytes=100000-", None]
    assert content(target) == OTHER[:100_000]


def test_a_server_that_always_tells_too_great_a_length(server, target):
    server.ranges = False
    server.faults = ["tells too much"] * 100
    with pytest.raises(
        UserError, match=r"300,017 of 305,017 bytes; 300,017 bytes received in 4 attempts"
    ):
        fetch(server, target)
    assert not os.path.exists(target)
    assert len(server.seen) == 4


def test_chunked_answers_and_their_drops(server, target):
    server.chunked = True
    server.faults = [("drop", 100_000)]
    fetch(server, target)
    assert content(target) == BODY


def test_an_answer_without_length_is_refused(server, target):
    server.length = False
    with pytest.raises(UserError, match="reports no length"):
        fetch(server, target)
    assert not os.path.exists(target)


def test_redirects_are_followed(server, target):
    server.faults = [302]
    fetch(server, target)
    assert content(target) == BODY


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(server, target, status):
    server.faults = [status] * 9
    with pytest.raises(UserError) as caught:
        fetch(server, target)
    message = str(caught.value)
    assert not isinstance(caught.value, OfflineError)
    assert f"HTTP {status}" in message and server.url in message and target in message
    assert len(server.seen) == 1
    assert os.listdir(os.path.dirname(target)) == []


def test_a_refusal_keeps_the_part(server, target):
    interrupted(server, target)
    server.faults = [403]
    with pytest.raises(UserError, match="again to resume"):
        fetch(server, target)
    assert os.path.getsize(target + ".part") == 100_000


def test_a_server_in_trouble_is_asked_a_few_times(server, target):
    server.faults = [503] * 99
    with pytest.raises(UserError, match=r"HTTP 503.*0 bytes received in 3 attempts"):
        fetch(server, target)
    assert len(server.seen) == 3


def test_a_wrong_digest_leaves_nothing(server, target):
    with pytest.raises(UserError, match="SHA-256") as caught:
        fetch(server, target, sha256=hashlib.sha256(OTHER).hexdigest())
    assert server.url in str(caught.value)
    assert os.listdir(os.path.dirname(target)) == []


def test_an_existing_file_survives_a_failed_download(server, target):
    os.makedirs(os.path.dirname(target))
    with open(target, "wb") as stream:
        stream.write(b"old")
    server.faults = [404]
    with pytest.raises(UserError):
        fetch(server, target)
    assert content(target) == b"old"


@pytest.mark.parametrize("chunked", [True, False])
def test_too_long_a_file_is_refused(server, target, chunked):
    server.chunked = chunked
    with pytest.raises(UserError, match="200,000"):
        fetch(server, target, max_bytes=200_000)
    assert not os.path.exists(target)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_refused_connection_is_offline_at_once(target):
    lines = []
    with pytest.raises(OfflineError, match=r"cannot reach http://127.0.0.1"):
        fetch(f"http://127.0.0.1:{closed_port()}/x.csv", target, say=lines.append, backoff=99.0)
    assert len(lines) == 1


@pytest.mark.parametrize(
    "failure",
    [
        socket.gaierror(-3, "Temporary failure in name resolution"),
        socket.timeout("timed out"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        OSError(errno.EHOSTUNREACH, "No route to host"),
    ],
)
def test_unreachable_machines_are_offline(target, monkeypatch, failure):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr(socket, "create_connection", fail)
    with pytest.raises(OfflineError, match="cannot reach"):
        fetch("http://ratings.invalid/x.csv", target)


def test_a_silent_server_is_not_offline(target):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.csv"
        with pytest.raises(
            UserError, match="no answer in time; 0 bytes received in 2 attempts"
        ) as caught:
            fetch(url, target, read_timeout=0.1, attempts=2)
    assert not isinstance(caught.value, OfflineError)


def test_an_answer_may_take_longer_than_the_connection(server, target):
    server.faults = ["slow"]
    fetch(server, target, connect_timeout=0.2, attempts=1)
    assert content(target) == BODY


def test_failed_encryption_is_not_offline(server, target):
    with pytest.raises(UserError, match="SSL") as caught:
        fetch(server.url.replace("http:", "https:"), target, attempts=2)
    assert not isinstance(caught.value, OfflineError)


def test_going_offline_midway_keeps_the_part(server, target):
    server.faults = [("drop", 100_000)]
    down = []

    def cut_the_line(line):
        if "retrying" in line and not down:
            down.append(True)
            server.shutdown()
            server.server_close()

    with pytest.raises(UserError, match=r"100,000 bytes received in 4 attempts.*resume") as caught:
        fetch(server, target, say=cut_the_line)
    assert not isinstance(caught.value, OfflineError)
    assert os.path.getsize(target + ".part") == 100_000


class FullDisk:
    """A file on which only the first block fits."""

    def __init__(self, stream):
        self._stream, self._written = stream, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stream.close()

    def write(self, block):
        if self._written:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._written += self._stream.write(block)


def test_a_full_disk_is_one_clear_error_and_resumable(server, target, monkeypatch):
    monkeypatch.setattr(module, "open", lambda *args: FullDisk(open(*args)), raising=False)  # noqa: SIM115
    with pytest.raises(UserError, match="No space left on device") as caught:
        fetch(server, target)
    assert target + ".part" in str(caught.value)
    assert not os.path.exists(target)
    assert 0 < os.path.getsize(target + ".part") < len(BODY)
    monkeypatch.undo()
    fetch(server, target)
    assert server.seen[-1][0].startswith("bytes=")
    assert content(target) == BODY


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(UserError, match=r"cannot write(?!.*bytes received so far are kept)"):
        fetch(server, str(tmp_path / "data" / "ratings.csv"))


def test_two_downloads_into_one_folder_do_not_mix(server, target):
    def second(line):
        if line.startswith("downloading"):
            with pytest.raises(UserError, match="another process"):
                fetch(server, target)

    fetch(server, target, say=second)
    assert content(target) == BODY


@pytest.mark.parametrize(
    "url",
    ["ratings.csv", "ftp://host/x", "http://", "http://[x", "file:///etc/hosts", "http://a b/"],
)
def test_addresses_that_are_none(target, url):
    with pytest.raises(UserError, match="expected an address"):
        fetch(url, target)
    assert not os.path.exists(os.path.dirname(target))
