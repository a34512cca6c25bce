"""Vocabularies are read without running anything; what is no vocabulary is refused by name."""

import os
import pickle
import pickletools
import struct

import pytest
from hostile_pickles import hostile
from hypothesis import given, settings
from hypothesis import strategies as st
from released_data_case import PICKLES, files, quiet  # noqa: F401 (a fixture)

from dfar_tf.cli import main
from recommenders_utils.errors import UserError
from recommenders_utils.released.instances import import_released
from recommenders_utils.released.pickles import read_plain_pickle
from recommenders_utils.released.vocabulary import (
    as_dict,
    read_vocabulary,
    released_ids,
    write_vocabulary,
)

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1)


def with_file(tmp_path, content):
    path = tmp_path / "item_vocab_cd.pkl"
    path.write_bytes(content)
    return str(path)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, unique=True), st.sampled_from(["user", "item", "category"]))
def test_round_trip(tmp_path_factory, names, kind):
    names = [name for name in names if name not in ("default_uid", "default_mid")]
    path = str(tmp_path_factory.mktemp("vocabulary") / "one.pkl")
    write_vocabulary(path, kind, names)
    assert read_vocabulary(path, kind) == names
    with open(path, "rb") as stream:
        assert pickle.load(stream) == as_dict(kind, names)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_other_protocols(tmp_path, protocol):
    path = with_file(tmp_path, pickle.dumps({"default_mid": 0, "b": 2, "a": 1}, protocol))
    assert read_vocabulary(path, "item") == ["a", "b"]


def test_plain_containers(tmp_path):
    value = {"a": [1, [2, 3.5], None, True], "b": {"c": -70000, "d": 2**40}, "e": b"x", "f": []}
    for protocol in (3, 4):  # before, bytes were made by a call
        assert read_plain_pickle(with_file(tmp_path, pickle.dumps(value, protocol))) == value


def test_a_category_may_be_called_as_the_default(tmp_path):
    path = with_file(tmp_path, pickle.dumps({"default_cat": 1, "a": 2}, 3))
    assert read_vocabulary(path, "category") == ["default_cat", "a"]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_hostile_pickles_run_nothing(tmp_path, protocol):
    mark = str(tmp_path / "done")
    path = with_file(tmp_path, hostile(mark, protocol))
    with pytest.raises(UserError, match=r"item_vocab_cd.pkl: byte \d+: opcode \w+, .*nothing was"):
        read_plain_pickle(path)
    assert not os.path.exists(mark)
    with open(path, "rb") as stream:
        pickle.load(stream)  # it would have
    assert os.path.exists(mark)


def test_a_hostile_vocabulary_stops_the_command(files, tmp_path, capsys):
    folder, mark = files(), str(tmp_path / "done")
    for name in PICKLES:
        path = os.path.join(folder, name)
        with open(path, "rb") as stream:
            sound = stream.read()
        with open(path, "wb") as stream:
            stream.write(hostile(mark))
        assert main(["import-released", f"--released={folder}", f"--output={tmp_path / 'x'}"]) == 2
        error = capsys.readouterr().err
        assert name in error and "could run code" in error and "Traceback" not in error
        with open(path, "wb") as stream:
            stream.write(sound)
    assert not os.path.exists(mark) and not (tmp_path / "x").exists()


def test_every_truncation_is_refused(files, tmp_path):
    with open(os.path.join(files(), "item_vocab_cd.pkl"), "rb") as stream:
        whole = stream.read()
    for length in range(len(whole)):
        path = with_file(tmp_path, whole[:length])
        with pytest.raises(UserError, match=r"item_vocab_cd.pkl: truncated or damaged after byte"):
            read_vocabulary(path, "item")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_escapes(tmp_path_factory, data):
    """Any bytes give a vocabulary or a UserError, and nothing else."""
    content = bytearray(pickle.dumps({"default_mid": 0, "a": 1, "bb": 2}, 3))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = str(tmp_path_factory.mktemp("damaged") / "item_vocab_cd.pkl")
    with open(path, "wb") as stream:
        stream.write(bytes(content))
    try:
        names = read_vocabulary(path, "item")
    except UserError as error:
        assert path in str(error)
    else:
        assert all(type(name) is str for name in names)


def pickled(tmp_path, table, protocol):
    return with_file(tmp_path, pickle.dumps(table, protocol))


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_keys_that_take_memory_or_time_are_refused(tmp_path, protocol):
    colliding = {k * (2**61 - 1): k for k in range(1, 3000)}  # which all have the hash 0
    wide = {"default_mid": 0, "a": 1, "b" * 1001: 2}
    inner = {"a": {7: 1}}
    for table in (colliding, wide, inner, {"a": [{True: 1}]}, {None: 1}, {1.5: 2}):
        with pytest.raises(UserError, match="a key that is no text of at most 1000 characters"):
            read_plain_pickle(pickled(tmp_path, table, protocol))
    same = "text"
    assert read_plain_pickle(pickled(tmp_path, {same: [same, {same: same}]}, protocol))
    longest = {"default_mid": 0, "a" * 1000: 1}
    assert read_vocabulary(pickled(tmp_path, longest, protocol), "item") == ["a" * 1000]


@pytest.mark.parametrize("content", [b"(K\x01K\x02d.", b"}(K\x01q\x00h\x00u.", b"}K\x01K\x02s."])
def test_keys_are_followed_by_every_way_of_setting_them(tmp_path, content):
    with pytest.raises(UserError, match="a key that is no text"):
        read_plain_pickle(with_file(tmp_path, b"\x80\x03" + content))


def test_traps(tmp_path):
    huge = b"\x80\x03}r" + struct.pack("<I", 2**31) + b"."
    with pytest.raises(UserError, match="memo index 2147483648 after 3 opcodes, a memory trap"):
        read_plain_pickle(with_file(tmp_path, huge))
    text = b"\x80\x03X" + struct.pack("<I", 2**31) + b"ab."
    with pytest.raises(UserError, match="truncated or damaged"):
        read_plain_pickle(with_file(tmp_path, text))
    with pytest.raises(UserError, match="byte 4: data after the end"):
        read_plain_pickle(with_file(tmp_path, b"\x80\x03}.more"))
    with pytest.raises(UserError, match="not a sound pickle"):
        read_plain_pickle(with_file(tmp_path, b"\x80\x03s."))
    with pytest.raises(UserError, match=r"no.pkl: cannot be read: No such file"):
        read_plain_pickle(str(tmp_path / "no.pkl"))


@pytest.mark.parametrize(
    "table, message",
    [
        (["a"], "expected a dict of texts to whole numbers"),
        ({"a": "b"}, "expected a dict of texts to whole numbers"),
        ({1: 1}, "expected a dict of texts to whole numbers"),
        ({"a": True}, "expected a dict of texts to whole numbers"),
        ({"default_mid": 0, "a": 2}, "ids are not 1 to 1, each once"),
        ({"default_mid": 0, "a": 1, "b": 1}, "ids are not 1 to 1, each once"),
        ({"default_mid": 0, "a": -1}, "ids are not 1 to 1, each once"),
        ({"default_uid": 0, "a": 1}, "'default_uid' has id 0, which is 'default_mid' in a item"),
    ],
)
def test_what_is_no_vocabulary(tmp_path, table, message):
    path = with_file(tmp_path, pickle.dumps(table, 3))
    with pytest.raises(UserError, match=message):
        read_vocabulary(path, "item")


def test_only_the_listed_opcodes_pass():
    """Every opcode that imports, calls, sets state or leaves the file is refused."""
    from recommenders_utils.released.pickles import _ALLOWED

    passing = {opcode.name for opcode in pickletools.opcodes if _ALLOWED.fullmatch(opcode.name)}
    dangerous = "GLOBAL STACK_GLOBAL REDUCE BUILD INST OBJ NEWOBJ NEWOBJ_EX PERSID BINPERSID "
    dangerous += "EXT1 EXT2 EXT4 NEXT_BUFFER READONLY_BUFFER"
    assert not passing & set(dangerous.split())
    assert {"EMPTY_DICT", "SETITEMS", "BINUNICODE", "BININT1", "BINPUT", "MEMOIZE"} <= passing


def test_ids_of_items():
    assert released_ids(["b", "nowhere", "1"], ["1", "0", "b"]).tolist() == [3, 0, 1]


def test_recorded_vocabularies(shared):
    for folder in (shared / "golden" / "preproc", shared / "released_run_toys"):
        for name in PICKLES:
            kind = name.split("_")[0]
            names = read_vocabulary(str(folder / name), kind)
            with open(str(folder / name), "rb") as stream:
                assert as_dict(kind, names) == pickle.load(stream)
    assert import_released(str(shared / "golden" / "preproc"), say=quiet).num_users == 47
