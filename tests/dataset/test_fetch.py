"""Data sets by name, from a loopback server: fetched, resumed, verified, unpacked, or refused."""

import hashlib
import io
import os
import tarfile

import pytest
from loopback_server import server  # noqa: F401 (a fixture)
from small import call

from dfar_tf.runs.data_sets import fetch_data_set, ratings_of
from recommenders_utils.dataset import known
from recommenders_utils.dataset.known import AMAZON, KNOWN
from recommenders_utils.dataset.sources import find_ratings
from recommenders_utils.errors import UserError
from recommenders_utils.synthetic.ratings import generate_ratings

LOG = b"user_id,video_id,time_ms,is_like,is_hate\n1,2,1649581149287,1,0\n"
RATINGS = b"A1,B1,5.0,1400000000\nA1,B2,2.0,1400086400\n"
QUICK = dict(backoff=0.001, attempts=3, read_timeout=5.0, show_progress=False)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in ("DFAR_DATA", "DFAR_RATINGS_URL", "DFAR_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")


def archive(**files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"../../KuaiRand-1K/data/{name}.csv")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def kuairand(server, monkeypatch):
    """The server has an archive, and its digest is the one that is expected."""
    random = os.urandom(150_000)  # does not shrink
    server.body = archive(
        user_features_1k=random, log_standard_4_08_to_4_21_1k=LOG, log_random_1k=LOG
    )
    digest = "md5:" + hashlib.md5(server.body).hexdigest()
    url = server.url.replace("ratings.csv", "KuaiRand-1K.tar.gz")
    entry = KNOWN["kuairand-1k"]._replace(url=url, checksum=digest)
    monkeypatch.setitem(known.KNOWN, "kuairand-1k", entry)
    return server


def fetched(folder, **options):
    said = []
    paths = fetch_data_set("KuaiRand_1K", str(folder), said.append, **QUICK, **options)
    return paths, "\n".join(said)


def test_the_logs_of_an_archive(kuairand, tmp_path):
    kuairand.faults = [("drop", 60_000)]
    paths, said = fetched(tmp_path)
    assert [os.path.basename(path) for path in paths] == ["log_standard_4_08_to_4_21_1k.csv"]
    assert open(paths[0], "rb").read() == LOG  # noqa: SIM115
    assert sorted(os.listdir(str(tmp_path))) == [
        "KuaiRand-1K.tar.gz",
        "log_standard_4_08_to_4_21_1k.csv",
    ]
    assert kuairand.seen[-1] == ("bytes=60000-", '"v1"')  # resumed
    assert "licence: CC BY-SA 4.0" in said and f"kuairand --interactions={paths[0]}" in said
    # Again: nothing is asked of the server.
    kuairand.seen.clear()
    os.unlink(paths[0])
    assert fetched(tmp_path)[0] == paths and os.path.exists(paths[0])
    assert kuairand.seen == []


def test_a_killed_download_is_resumed(kuairand, tmp_path):
    kuairand.faults = [("drop", 60_000)]

    def kill(line):
        if "retrying" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_data_set("kuairand-1k", str(tmp_path), kill, **QUICK)
    assert "resuming at 60,000" in fetched(tmp_path)[1]


def test_another_file_than_the_publishers(kuairand, tmp_path):
    kuairand.body = archive(log_standard=LOG)
    with pytest.raises(UserError, match=r"its MD5 is .*, expected .*damaged or different"):
        fetched(tmp_path)
    assert os.listdir(str(tmp_path)) == []
    # A file of that name that is not it, is fetched again.
    (tmp_path / "KuaiRand-1K.tar.gz").write_bytes(b"other")
    with pytest.raises(UserError, match="its MD5 is"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    "body, message",
    [(b"no archive", "the archive is damaged"), (archive(other=LOG), "no file whose name begins")],
)
def test_archives_that_are_none(kuairand, tmp_path, monkeypatch, body, message):
    kuairand.body = body
    monkeypatch.setitem(
        known.KNOWN, "kuairand-1k", known.KNOWN["kuairand-1k"]._replace(checksum=None)
    )
    with pytest.raises(UserError, match=message):
        fetched(tmp_path)
    assert os.listdir(str(tmp_path)) == ["KuaiRand-1K.tar.gz"]


def test_amazon_by_name_and_by_category(server, tmp_path, monkeypatch):
    server.body = RATINGS
    url = server.url.replace("ratings.csv", "ratings_Beauty.csv")
    entry = KNOWN["amazon-beauty"]._replace(url=url)
    monkeypatch.setitem(known.KNOWN, "amazon-beauty", entry)
    (path,) = fetch_data_set("amazon-beauty", str(tmp_path / "data"), lambda line: None, **QUICK)
    assert path == str(tmp_path / "data" / "ratings_Beauty.csv")
    # The category finds the file; without it, it is fetched to the same place.
    for _ in range(2):
        found = ratings_of("beauty", {}, str(tmp_path), lambda line: None, url=url, **QUICK)
        assert found == {"ratings": path}
        os.unlink(path)
    assert len(server.seen) == 2
    (tmp_path / "data" / "ratings_Beauty.csv").write_bytes(RATINGS)
    source = find_ratings(None, str(tmp_path), category="Beauty")
    assert source.name == "Amazon Beauty 2014" == find_ratings(source.path).name


def test_a_category_has_no_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("DFAR_OFFLINE", "1")
    with pytest.raises(
        UserError, match=r"no ratings of Amazon Baby 2014: DFAR_OFFLINE.*no stand-in"
    ):
        ratings_of("baby", {}, str(tmp_path), lambda line: None)
    assert not (tmp_path / "data").exists()
    for name in ("Toys & Games", "toys_and_games", "ToysGames"):
        assert known.amazon_category(name) == "Toys_and_Games"
    outcome = call("amazon", "--category=Beuaty")
    assert (
        outcome.status == 2 and "--category=Beuaty: Amazon 2014 has no such category" in outcome.err
    )
    assert "Beauty" in outcome.err
    outcome = call("amazon", "--category=Beauty", f"--ratings={tmp_path / 'x.csv'}")
    assert outcome.status == 2 and "--category=Beauty and --ratings" in outcome.err


def test_amazon_runs_with_a_category(tmp_path, monkeypatch):
    path = tmp_path / "data" / "ratings_Beauty.csv"
    path.parent.mkdir()
    generate_ratings(str(path), users=20, items=40, records=300, topics=6, seed=1)
    monkeypatch.setattr(ratings_of, "__defaults__", (str(tmp_path), print))
    flags = ("--model=itemknn", "--min_item_records=0", "--min_user_records=0", "--device=cpu")
    flags = (*flags, f"--cache_dir={tmp_path / 'cache'}", f"--run_dir={tmp_path / 'run'}")
    outcome = call("amazon", "--category=beauty", *flags)
    assert outcome.status == 0, outcome.err
    assert "data: Amazon Beauty 2014: " in outcome.out


def test_the_list():
    outcome = call("data")
    assert outcome.status == 0
    for name, entry in KNOWN.items():
        assert name in outcome.out
        assert name.startswith("amazon-") or (entry.url or entry.page) in outcome.out
    assert "checksum: md5:6b0b9c8222d67fcd4c676218edca3f1f" in outcome.out
    assert "licence: CC BY-NC 4.0" in outcome.out and "not stated by its publisher" in outcome.out
    assert len(AMAZON) == 24 and all(entry.url or entry.how for entry in KNOWN.values())


@pytest.mark.parametrize(
    "name, message",
    [
        ("kuairand1k", "data set 'kuairand1k' is unknown; did you mean kuairand-1k"),
        ("mind", "accept"),
    ],
)
def test_what_cannot_be_fetched(tmp_path, name, message):
    outcome = call("data", name, f"--output={tmp_path}")
    assert outcome.status == 2 and message in outcome.err
    assert os.listdir(str(tmp_path)) == []
