"""What the fuzz run found, each mended: endless text, traps in settings and pickles, odd flags."""

import gzip
import os
import types

import fuzz
import numpy as np
import pytest
from fuzz_inputs import LONG, Case, Content
from fuzz_released import DEEP, TWICE
from fuzz_settings import LAUGHS, MERGES
from log_case import read as read_log
from log_case import read_ratings
from released_files_case import FILES, folder, line  # noqa: F401 (a fixture)
from small import call

from dfar_tf.serving import rows as serving_rows
from dfar_tf.serving.histories import Vocabulary
from dfar_tf.serving.rows import Rows
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.reading import text as bounded_text
from recommenders_utils.reading.adapters import load_adapter
from recommenders_utils.released.instances import import_released
from recommenders_utils.released.pickles import read_plain_pickle
from recommenders_utils.released.rows import released_file_batches

HEAD = "user_id,item_id,rating,timestamp\n"


def written(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return str(path)


def refused(match, call, *args, **kwargs):
    with pytest.raises(UserError, match=match) as caught:
        call(*args, **kwargs)
    assert len(str(caught.value)) < 2000


# Endless text.


@pytest.fixture
def short(monkeypatch):
    """Lines and chunks may have 4 KiB only."""
    monkeypatch.setattr(bounded_text, "LONGEST_RECORD", 4096)
    monkeypatch.setattr(bounded_text, "BLOCK_BYTES", 512)
    monkeypatch.setattr(serving_rows, "LONGEST_CHUNK", 4096)
    monkeypatch.setattr(bounded_text, "_BUFFER", 512)


@pytest.mark.parametrize("head", ["", HEAD, HEAD + "u,i,1,5\n"])
def test_a_bomb_without_line_ends_is_not_held(tmp_path, short, head):
    path = written(tmp_path, gzip.compress(head.encode() + b"\0" * 100000), "a.csv.gz")
    refused(f"a.csv.gz:{head.count(chr(10)) + 1}: a line of over", read_ratings, path)
    if head:
        refused(
            r"a.csv.gz:\d: a line of over",
            read_log,
            path,
            {"user": "user_id", "item": "item_id", "time": "timestamp", "rating": "rating"},
        )


def test_rows_to_score_are_not_held_either(tmp_path, short):
    path = written(tmp_path, gzip.compress(b"user,item" + b"a" * 100000), "rows.csv.gz")
    refused("rows.csv.gz:1: a line of over", Rows, path)
    path = written(tmp_path, b'user,item\nu,i\n"' + b"a\n" * 5000, "rows.csv")
    refused("in one chunk; look for an unclosed quote", lambda: list(Rows(path).chunks(1000)))


def test_a_released_line_is_not_held(tmp_path, short, folder):
    text = FILES["train_dataA"][0] + "1" * 100000
    refused("train_dataA:2: a line of over", import_released, folder({"train_dataA": [text]}))


def test_a_log_with_an_open_quote_is_not_held(tmp_path, short):
    path = written(tmp_path, 'u,i,t,f\na,b,1,1\n"' + "a,b,1,1\n" * 2000)
    refused("an unclosed quote", read_log, path, {"label": "f"})


def test_a_header_that_csv_cannot_cut(tmp_path):
    path = written(tmp_path, b'"user,' + b"x" * 200000 + b'",item\n')
    refused("a.csv:1: no header: field larger", Rows, path)


def test_damaged_gzip_among_rows_to_score(tmp_path):
    packed = bytearray(gzip.compress(b"user,item\n" + os.urandom(3000).hex().encode()))
    packed[300:600] = bytes(300)
    path = written(tmp_path, bytes(packed))
    refused(
        "gzip data is truncated or damaged|no header|not UTF-8", lambda: list(Rows(path).chunks(9))
    )


def test_not_utf8_before_a_damaged_gzip(tmp_path):
    packed = gzip.compress(HEAD.encode() + b"a,b,1,2\n" * 3000 + b"\xff")
    path = written(tmp_path, packed[:-8] + b"\0" * 8)
    refused("a.csv", read_ratings, path)


# Ids: arrays of them are as wide as the longest.


def test_an_id_too_long_is_malformed(tmp_path):
    long = "x" * 1001
    path = written(tmp_path, HEAD + f"{long},i,3,5\nu,i,3,6\n")
    refused("a.csv:2: an id has more than 1000 characters", read_ratings, path)
    frame, report = read_ratings(path, max_malformed=0.5)
    assert len(frame) == 1 and report["malformed"] == {"id too long": {"count": 1, "first_line": 2}}
    path = written(tmp_path, f"u,i,t,f\na,{long},1,1\na,b,1,1\n", "log.csv")
    refused("log.csv:2: an id has more than 1000", read_log, path, {"label": "f"})


@pytest.mark.parametrize(
    ("item", "match"),
    [
        ("x" * 1001, "of 1001 characters"),
        ("x\0", "contains NUL"),
        ("x,y", "'x,y' .* contains a comma"),
    ],
)
def test_ids_of_released_lines(folder, item, match):
    lines = [line("ann", 1, item), *FILES["train_dataA"][1:]]
    refused(f"train_dataA:1: .*{match}", import_released, folder({"train_dataA": lines}))


def test_a_comma_in_a_target_of_released_lines(folder, tmp_path):
    """Its history would have an entry more than the others."""
    refused(
        "valid_dataA:3: the item 'q,q'",
        import_released,
        folder({"valid_dataA": [*FILES["valid_dataA"][:2], line("bob", 3, "q,q", 0)]}),
    )
    path = written(tmp_path, line("ann", 2).replace("\t20\t", "\t20,20\t"), "lines")
    refused("lines:1: .*time '20,20'", lambda p: list(released_file_batches(p, ["x"], 3)), path)


def test_times_of_released_lines(folder):
    lines = [
        "\t".join([*text.split("\t")[:4], "1e300", *text.split("\t")[5:]])
        for text in FILES["test_dataA"]
    ]
    refused("test_dataA:1: a time of the year", import_released, folder({"test_dataA": lines}))


def test_long_records_of_histories_are_cut_in_messages():
    store = types.SimpleNamespace(
        num_items=1,
        item_ids=np.array(["i"]),
        user_ids=np.array(["u"]),
        level_names=[],
        level_threshold=1,
    )
    vocabulary = Vocabulary(store, types.SimpleNamespace(ids=np.arange(2)), 3)
    refused("--history: 'xxx.*xxx' is not a record", vocabulary.parsed, ["x" * 10**6])
    refused("--history: a history of 2,097,152 characters", vocabulary.parsed, ["i:1," * (1 << 19)])


# Settings.


@pytest.mark.parametrize(
    "text",
    [
        MERGES.decode(),
        "about: !!timestamp x",
        "about: !!bool x",
        "about: !!int ''",
        "about: 2014-99-99",
        LAUGHS.decode() + "label: *b30",
        "about: " + "[" * 3000,
        "#" * 200000,
    ],
)
def test_adapters_that_are_traps(tmp_path, text):
    path = written(tmp_path, "user: u\nitem: i\ntime: t\nlabel: f\n" + text, "mine.yaml")
    refused("mine.yaml", load_adapter, path)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("!!timestamp x", "mine.yaml:2: a value that does not fit its type"),
        ("!!bool x", "mine.yaml:2: a value that does not fit its type"),
        ("{<<: [{a: 1}]}", "mine.yaml:2: a merge key '<<'"),
        ("9" * 400, "mine.yaml:2: 'rate' must be float"),
        ("[" * 900 + "]" * 900, "mine.yaml"),
        ("1 #" + "x" * 200000, "mine.yaml: over 128 KiB"),
    ],
)
def test_hyper_parameters_that_are_traps(tmp_path, value, match):
    base = written(tmp_path, "train:\n  rate: 0.1  # float: how fast\n", "base.yaml")
    mine = written(tmp_path, f"train:\n  rate: {value}\n", "mine.yaml")
    refused(match, prepare_hparams, base, mine)


def test_a_bound_that_could_not_be_read_again(tmp_path):
    path = written(tmp_path, "train:\n  rate: 0.1  # float < 1e999: how fast\n", "base.yaml")
    refused("needs a comment", prepare_hparams, path)


@pytest.mark.parametrize(
    "flag",
    [
        "--" + "x" * 5000 + "=1",  # absl compared it with every flag, one call deeper a character
        "--flagfile=" + __file__,
        "--undefok=nope",
        "--noshow_progress=1",
        "--model=" + "x" * 5000,
        "x" * 5000,
    ],
)
def test_flags(flag):
    status, _, err = call("train", flag)
    assert status == 2 and err.startswith("error: ") and len(err) < 2000


def test_shortened():
    assert shortened("abc") == "abc"
    assert shortened("a" * 50 + "b" * 50, 11) == "aaaa...bbbb"


# Pickles.


@pytest.mark.parametrize("content", [DEEP, TWICE])
def test_tuples_as_keys(tmp_path, content):
    refused("opcode .*TUPLE", read_plain_pickle, written(tmp_path, content, "v.pkl"))


# The instrument itself.


def test_attempt_tells_defects(monkeypatch):
    def target(inside, out, what):
        if what == "error":
            raise KeyError(what)
        if what == "hang":
            while True:
                pass
        if what == "change":
            with open(os.path.join(inside, "canary"), "w"):
                pass
        if what == "memory":
            np.empty(4 * fuzz.MEMORY, np.int8)
        if what == "no":
            raise UserError("no")

    monkeypatch.setitem(fuzz.TARGETS, "mine", target)
    monkeypatch.setattr(fuzz, "SECONDS", 0.2)
    files = {"a": Content(((b"x", 3), LONG), "gzip")}
    *kinds, last = [
        fuzz.attempt(Case("mine", files, {"what": what})).kind
        for what in ("", "no", "error", "hang", "change", "memory")
    ]
    assert kinds == ["result", "UserError", "KeyError", "hang", "changed files"]
    assert "Memory" in last
