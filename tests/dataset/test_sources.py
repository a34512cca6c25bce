"""Where the ratings come from: the order of places, and what is an error rather than a next place."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import socket
import threading

import pandas as pd
import pytest
from generated_logs import TINY_SHAPE

from recommenders_utils.dataset import sources
from recommenders_utils.dataset.sources import FILE_NAME, STAND_IN_NAME, find_ratings
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json, write_json
from recommenders_utils.synthetic import ratings as synthetic

ROWS = b"A1,B1,5.0,1400000000\nA1,B2,2.0,1400086400\n"


@pytest.fixture(autouse=True)
def small_and_alone(monkeypatch):
    """A stand-in that takes no time, and nothing from the environment these tests run in."""
    monkeypatch.setattr(synthetic, "AMAZON_SHAPE", TINY_SHAPE)
    for name in ("DFAR_DATA", "DFAR_RATINGS_URL", "DFAR_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")


@contextlib.contextmanager
def publisher(folder):
    """A loopback server of ``folder``; yields (address of the ratings file, paths asked for)."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/{FILE_NAME}", asked
        finally:  # or a test that fails never ends
            server.shutdown()
            thread.join()


@pytest.fixture
def nobody():
    """An address where no server listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"http://127.0.0.1:{port}/{FILE_NAME}"


def put(path, content=ROWS):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def find(root, **options):
    options.setdefault("environ", {})
    options.setdefault("say", lambda line: None)
    options.setdefault("url", "http://must-not-be-asked.invalid/x")
    return find_ratings(root=str(root), show_progress=False, backoff=0.001, **options)


def test_each_place_only_if_none_before_it_has_a_file(tmp_path):
    """All five places hold a file; they are taken away one by one."""
    root, web = tmp_path / "root", tmp_path / "web"
    named = put(tmp_path / "mine.tsv")
    local = put(root / "data" / FILE_NAME)
    packed = put(root / "data" / (FILE_NAME + ".gz"), gzip.compress(ROWS))
    shared = put(tmp_path / "store" / FILE_NAME)
    put(web / FILE_NAME)
    with publisher(web) as (url, asked):
        environ = {"DFAR_DATA": shared, "DFAR_RATINGS_URL": url}
        look = functools.partial(find, root, environ=environ, url=None)

        source = look(ratings=named)
        assert (source.path, source.name) == (named, "mine")
        assert source.how == "given with --ratings"
        assert look().path == local
        os.unlink(local)
        assert look().path == packed
        os.unlink(packed)
        source = look()
        assert (source.path, source.how) == (shared, "given with DFAR_DATA")
        assert asked == []
        del environ["DFAR_DATA"]
        source = look()
        assert (source.path, source.how) == (local, f"downloaded from {url}")
        assert asked == ["/" + FILE_NAME]
        with open(local, "rb") as stream:
            assert stream.read() == ROWS
        assert look().how == "found at data/" + FILE_NAME
        assert len(asked) == 1
        os.unlink(local)
    source = look()
    assert source.path == str(root / "data" / STAND_IN_NAME)
    assert source.synthetic


def test_real_files_are_not_synthetic_and_need_no_overrides(tmp_path):
    source = find(tmp_path, ratings=put(tmp_path / FILE_NAME))
    assert source.name == "Amazon Toys & Games 2014"
    assert source.synthetic is False and source.overrides == {}


def test_dfar_data_may_be_a_folder(tmp_path):
    packed = put(tmp_path / "store" / (FILE_NAME + ".gz"))
    environ = {"DFAR_DATA": str(tmp_path / "store")}
    assert find(tmp_path, environ=environ).path == packed
    plain = put(tmp_path / "store" / FILE_NAME)
    assert find(tmp_path, environ=environ).path == plain


def test_the_process_environment_is_read_by_default(tmp_path, monkeypatch):
    monkeypatch.setenv("DFAR_DATA", put(tmp_path / "log.csv"))
    assert find(tmp_path / "root", environ=None).name == "log"


@pytest.mark.parametrize(
    "how, named",
    [
        (lambda gone: {"ratings": gone}, "--ratings"),
        (lambda gone: {"environ": {"DFAR_DATA": gone}}, "DFAR_DATA"),
    ],
)
def test_a_named_file_that_is_missing_is_an_error(tmp_path, how, named):
    gone = str(tmp_path / "gone.csv")
    if named == "--ratings":
        put(tmp_path / "data" / FILE_NAME)  # a later place that has one does not help
    with pytest.raises(UserError, match="does not exist") as caught:
        find(tmp_path, allow_download=False, **how(gone))
    assert gone in str(caught.value) and named in str(caught.value)
    assert not (tmp_path / "data" / STAND_IN_NAME).exists()


def test_a_folder_is_no_ratings_file(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        find(tmp_path, ratings=str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="DFAR_DATA=.*expected " + FILE_NAME):
        find(tmp_path, environ={"DFAR_DATA": str(tmp_path / "empty")})


@pytest.mark.parametrize("fault", ["404", "digest"])
def test_a_publisher_who_answers_is_never_replaced_by_the_stand_in(tmp_path, fault):
    web = tmp_path / "web"
    web.mkdir()
    options = {}
    if fault == "digest":
        put(web / FILE_NAME)
        options["sha256"] = hashlib.sha256(b"another file").hexdigest()
    with publisher(web) as (url, _), pytest.raises(UserError) as caught:
        find(tmp_path, url=url, **options)
    message = str(caught.value)
    assert {"404": "HTTP 404", "digest": "SHA-256"}[fault] in message
    assert url in message and "--ratings" in message and "DFAR_OFFLINE=1" in message
    assert os.listdir(str(tmp_path / "data")) == []


def check_stand_in(source, lines, root):
    assert source.path == str(root / "data" / STAND_IN_NAME)
    assert source.synthetic is True
    assert source.name.startswith("SYNTHETIC")
    expected = {"min_item_records": 0, "min_user_records": 10, "tie_order": "file"}
    assert source.overrides == expected
    assert any(line.startswith("SYNTHETIC DATA") for line in lines)
    frame = pd.read_csv(source.path, header=None)
    assert len(frame) == TINY_SHAPE["records"]


def test_offline_the_stand_in_says_so(tmp_path, nobody):
    lines = []
    source = find(tmp_path, url=nobody, say=lines.append)
    check_stand_in(source, lines, tmp_path)
    text = "\n".join(lines)
    assert "offline" in text and nobody in text and "--ratings" in text


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"environ": {"DFAR_OFFLINE": "1"}}, "DFAR_OFFLINE"),
        ({"allow_download": False}, "switched off"),
    ],
)
def test_without_leave_to_download_nobody_is_asked(tmp_path, options, reason):
    put(tmp_path / "web" / FILE_NAME)
    lines = []
    with publisher(tmp_path / "web") as (url, asked):
        source = find(tmp_path, url=url, say=lines.append, **options)
    assert asked == []
    check_stand_in(source, lines, tmp_path)
    assert reason in "\n".join(lines)


def test_dfar_offline_0_is_off_and_nonsense_is_refused(tmp_path):
    put(tmp_path / "web" / FILE_NAME)
    with publisher(tmp_path / "web") as (url, asked):
        assert not find(tmp_path, url=url, environ={"DFAR_OFFLINE": "0"}).synthetic
    assert len(asked) == 1
    with pytest.raises(UserError, match="DFAR_OFFLINE=perhaps"):
        find(tmp_path / "other", environ={"DFAR_OFFLINE": "perhaps"})


def test_the_stand_in_is_reused_while_its_note_fits(tmp_path, monkeypatch):
    made = []
    generate = synthetic.generate_ratings
    monkeypatch.setattr(
        synthetic,
        "generate_ratings",
        lambda path, **how: made.append(path) or generate(path, **how),
    )
    find_again = functools.partial(find, tmp_path, allow_download=False)
    path = find_again().path
    note = str(tmp_path / "data" / "SYNTHETIC_ratings_amazon_shape.json")
    assert read_json(note)["generator_version"] == synthetic.GENERATOR_VERSION
    lines = []
    assert find_again(say=lines.append).how == "generated: stored from an earlier run"
    assert len(made) == 1
    assert any("SYNTHETIC" in line for line in lines)  # as loud as the first time

    write_json(note, dict(read_json(note), generator_version=-1))
    find_again()
    assert len(made) == 2
    with open(path, "a") as stream:
        stream.write("half a li")
    find_again()
    assert len(made) == 3
    with open(note, "w") as stream:
        stream.write("{not json")
    find_again()
    assert len(made) == 4
    os.unlink(path)
    find_again()
    assert len(made) == 5
    find_again()
    assert len(made) == 5


def test_a_generated_file_stays_synthetic_whatever_way_it_comes_in(tmp_path):
    made = find(tmp_path, allow_download=False)
    again = find(tmp_path / "other", ratings=made.path)
    assert again.synthetic and again.name == made.name and again.overrides == made.overrides
    other = find(tmp_path, ratings=put(tmp_path / "synthetic_small.csv"))
    assert other.synthetic and other.overrides == {}


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    def full(path, **how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthetic, "generate_ratings", full)
    with pytest.raises(UserError, match="No space left") as caught:
        find(tmp_path, allow_download=False)
    assert STAND_IN_NAME in str(caught.value)


def test_default_address_is_the_publishers(tmp_path, monkeypatch):
    asked = []

    def fake(url, path, **options):
        asked.append((url, path))
        put(tmp_path / "data" / FILE_NAME)

    monkeypatch.setattr(sources, "download", fake)
    find(tmp_path, url=None)
    assert asked == [(sources.PUBLISHER_URL, str(tmp_path / "data" / FILE_NAME))]
    assert sources.PUBLISHER_URL.endswith("/" + FILE_NAME)
