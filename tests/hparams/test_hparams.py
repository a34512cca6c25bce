"""Loading of hyper-parameters: merging, checking, messages, and the files of hparams/."""

import copy
import glob
import os
import pickle
import re

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import CHECKOUT

from recommenders_utils.errors import UserError
from recommenders_utils.hparams import prepare_hparams
from recommenders_utils.hparams.schema import SECTIONS, Key

ROOT = str(CHECKOUT)
HPARAMS = os.path.join(ROOT, "hparams")
BASE = os.path.join(HPARAMS, "base.yaml")

SMALL = """\
data:
  name: "a # b"        # str: a name
  file: null           # str or null: a file
  shares: [0.5, 0.5]   # list of float in [0, 1]: shares
train:
  rate: 0.1            # float > 0: step size
  steps: 3             # int in [1, 9]: how many
  loss: log            # str (log, soft_max): which: one of two
  fast: true           # bool: whether
info:
  edges:               # list of int: edges
    - 1
    - 2
  names: [a, b]        # list of str (a, b, c): names
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="base.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def message(*args, **kwargs):
    with pytest.raises(UserError) as caught:
        prepare_hparams(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_values_by_key_and_by_section(write):
    hp = prepare_hparams(write(SMALL))
    assert hp.name == hp.data.name == "a # b"
    assert hp.file is None
    assert hp.train.rate == 0.1
    assert hp.edges == hp.info.edges == (1, 2)
    assert hp.values()["edges"] == [1, 2]
    assert hp.to_dict()["train"] == {"rate": 0.1, "steps": 3, "loss": "log", "fast": True}
    assert list(hp.to_dict()) == list(SECTIONS)
    assert "rate" in hp and "model" not in hp
    with pytest.raises(AttributeError, match="did you mean rate"):
        _ = hp.rates
    with pytest.raises(AttributeError, match="section data"):
        _ = hp.data.rate


def test_schema_comes_from_the_comments(write):
    schema = prepare_hparams(write(SMALL)).schema
    assert schema["loss"] == Key(
        "loss", "train", "str", ("log", "soft_max"), (), "which: one of two"
    )
    assert schema["steps"].bounds == ((">=", 1.0), ("<=", 9.0))
    assert schema["rate"].bounds == ((">", 0.0),)
    assert schema["names"].kind == "list of str (a, b, c)"
    assert schema["shares"].kind == "list of float in [0, 1]"
    assert schema["edges"].meaning == "edges"


def test_a_comment_continues_in_its_own_column(write):
    hp = prepare_hparams(
        write(
            "data:\n"
            "  # Names\n"
            "  name: 'a # b'  # str (a # b,\n"
            "                 # c): which one\n"
            "                 #\n"
            "                 #   of two\n"
            "                # not its column\n"
            "  file: null     # str or null: a file\n"
            "  # Shares\n"
            "  edges:         # list of int: edges\n"
            "                 # of groups\n"
            "    - 1\n"
            "  rate: 1        # float: rate\n"
            "  # a note\n"
            "                 # separated by it\n"
            "  last: x        # str: last"
        )
    )
    assert {key.name: f"{key.kind}: {key.meaning}" for key in hp.schema.values()} == {
        "name": "str (a # b, c): which one of two",
        "file": "str or null: a file",
        "edges": "list of int: edges of groups",
        "rate": "float: rate",
        "last": "str: last",
    }
    saved = write("", "saved.yaml")
    hp.save(saved)
    assert prepare_hparams(saved) == hp and prepare_hparams(saved).schema == hp.schema
    assert "a file" in hp.describe() and "edges of groups" in hp.describe()


@pytest.mark.parametrize(
    "comment",
    ["", "integer: n", "int", "int:", "int (a, b): n", "str >= 3: n", "int in [1]: n", "int(1): n"],
)
def test_other_comments_are_no_schema(comment):
    assert Key.from_comment("n", "data", comment) is None


@pytest.mark.parametrize(
    "comment",
    [
        "int in (1, 2.5]: n",
        "float < 1e-05: n",
        "list of float in [0, 1): n",
        "int (1, 2): n: m",
        "str or null (a, b:0,1): n",
        "bool (true): n",
        "float > 0.123456789: n",
    ],
)
def test_comment_round_trip(comment):
    key = Key.from_comment("n", "data", comment)
    assert f"{key.kind}: {key.meaning}" == comment
    assert Key.from_comment("n", "data", f"{key.kind}: {key.meaning}") == key


def test_later_files_and_overrides_win_in_order(write):
    base = write(SMALL)
    first = write("train:\n  rate: 0.2\n  steps: 4\n", "first.yaml")
    second = write("train:\n  steps: 5\n", "second.yaml")
    hp = prepare_hparams(base, first, second, loss="soft_max")
    assert (hp.rate, hp.steps, hp.loss, hp.fast) == (0.2, 5, "soft_max", True)
    assert prepare_hparams(base, second, first).steps == 4
    assert prepare_hparams(base, first, second, steps=6).steps == 6
    assert prepare_hparams(base, write("# nothing yet\ntrain:\n", "empty.yaml")).steps == 3


def test_model_file_brings_its_own_keys(write):
    base = write(SMALL)
    model = write(
        "model:\n  blocks: 2  # int >= 1: how many\n  rate2: 1  # float: other\n", "m.yaml"
    )
    hp = prepare_hparams(base, model, blocks="4")
    assert hp.model.blocks == 4 and hp.schema["blocks"].section == "model"
    assert hp.rate2 == 1.0 and isinstance(hp.rate2, float)
    assert "comment" in message(base, write("model:\n  blocks: 2\n", "bare.yaml"))
    refused = message(base, write("data:\n  stepz: 2  # int: how many\n", "data.yaml"))
    assert "data.yaml:2" in refused and "steps" in refused and "Only section model" in refused
    elsewhere = message(base, write("model:\n  steps: 2  # int: how many\n", "twice.yaml"))
    assert "section train" in elsewhere and "twice.yaml:2" in elsewhere


@pytest.mark.parametrize(
    "text, parts",
    [
        ("train:\n  raet: 1\n", ["later.yaml:2", "unknown key 'raet'", "rate"]),
        ("tarin:\n  rate: 1\n", ["later.yaml:1", "section 'tarin'", "train"]),
        ("data:\n  rate: 1\n", ["later.yaml:2", "belongs in section train"]),
        ("train:\n  steps: many\n", ["later.yaml:2", "'steps' must be int", "'many' (str)", "10"]),
        ("train:\n  steps: 3.0\n", ["'steps' must be int", "3.0 (float)"]),
        ("train:\n  steps: true\n", ["'steps' must be int", "True (bool)"]),
        ('train:\n  steps: "3"\n', ["'steps' must be int", "'3' (str)"]),
        ("train:\n  steps: 10\n", ["'steps' must be int in [1, 9]", "got 10"]),
        ("train:\n  rate: 0\n", ["'rate' must be float > 0", "got 0.0"]),
        ("train:\n  rate: .nan\n", ["'rate' must be float"]),
        ("train:\n  rate: .inf\n", ["'rate' must be float"]),
        ("train:\n  rate: null\n", ["'rate' must be float", "null"]),
        ("train:\n  fast: 1\n", ["'fast' must be bool", "true or false"]),
        (
            "train:\n  loss: softmax\n",
            ["'loss' cannot be 'softmax'", "log, soft_max", "nearest: soft_"],
        ),
        ("data:\n  name: yes\n", ["'name' must be str", "quotes"]),
        ("data:\n  file: [a]\n", ["'file' must be str or null"]),
        ("data:\n  name: {a: b}\n", ["'name' must be str", "(dict)"]),
        ("data:\n  shares: 0.5\n", ["'shares' must be list of float", "[a, b]"]),
        ("data:\n  shares: [0.5, 2]\n", ["'shares' must be list of float in [0, 1]", "got 2.0"]),
        ("data:\n  shares: [a]\n", ["'shares' must be list of float"]),
        ("info:\n  names: [a, d]\n", ["'names' cannot be 'd'", "a, b, c"]),
        ("train:\n  rate: 1\n  rate: 2\n", ["later.yaml:3", "'rate' is given twice", "line 2"]),
        ("train:\n  rate: 1\ntrain:\n  steps: 2\n", ["later.yaml:3", "section 'train' is given"]),
        ("train:\n  rate: [1\n", ["later.yaml:", "not YAML"]),
        ("train:\n rate: 1\n  steps: 2\n", ["later.yaml:3", "not YAML"]),
        ("train:\n\trate: 1\n", ["later.yaml:2", "not YAML"]),
        ("train: {rate: 1}\n---\ndata:\n", ["later.yaml:2", "not YAML"]),
        ("train:\n  rate: \x07\n", ["later.yaml", "not YAML"]),
        ("- rate\n", ["later.yaml:1", "section"]),
        ("train: 3\n", ["later.yaml:1", "key"]),
        ("train:\n  [a]: 3\n", ["later.yaml:2", "plain word"]),
        ("train:\n  rate: " + "[" * 5000, ["later.yaml"]),
        ("data:\n  name: !!python/object/apply:os.getcwd []\n", ["later.yaml:2", "python/object"]),
        ("data:\n  name: 2001-99-99\n", ["later.yaml:2", "only plain text"]),
        ("data:\n  shares: &a [*a]\n", ["'shares' must be list of float"]),
    ],
)
def test_bad_later_file(write, text, parts):
    said = message(write(SMALL), write(text, "later.yaml"))
    for part in parts:
        assert part in said


def test_aliases_cannot_blow_up_a_message(write):
    text = "data:\n  shares: &a0 [x]\n"
    text += "".join(f"  k{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    assert len(message(write(SMALL), write(text, "laughs.yaml"))) < 1000


@pytest.mark.parametrize(
    "line, part",
    [
        ("steps: 3", "needs a comment"),
        ("steps: 3  # how many", "needs a comment"),
        ("steps: 30  # int < 10: how many", "'steps' must be int < 10"),
        ("values: 3  # int: a method's name", "cannot be a key's name"),
        ("data: 3  # int: a section's name", "cannot be a key's name"),
        ("lambda: 3  # int: a keyword", "cannot be a key's name"),
        ("a-b: 3  # int: no word", "cannot be a key's name"),
    ],
)
def test_bad_schema(write, line, part):
    said = message(write("data:\n  ok: 1  # int: fine\n  " + line + "\n"))
    assert part in said and "base.yaml:3" in said


@pytest.mark.parametrize("name", ["plain", "a{b}", "{", "{0}%s"])
def test_braces_in_a_file_or_its_name_are_only_text(write, tmp_path, name):
    (tmp_path / name).mkdir()
    path = tmp_path / name / "odd.yaml"
    for text in ("train: {seed: 3", "train: {{0}", "info: {x}", "train:\n  seed: '{a}'\n"):
        path.write_text(text)
        with pytest.raises(UserError) as caught:
            prepare_hparams(BASE, str(path))
        assert str(caught.value).startswith(str(path))


def test_deep_nesting_is_refused_at_once(write):
    for text in ("train: " + "[" * 3000, "train: " + "{a: " * 3000, "- " * 3000):
        with pytest.raises(UserError, match=r"nested too deeply|expected"):
            prepare_hparams(BASE, write(text, "deep.yaml"))


def test_unreadable_files(write, tmp_path):
    base = write(SMALL)
    write("", "other.yaml")
    said = message(base, str(tmp_path / "missing.yaml"))
    assert "base.yaml, other.yaml" in said and "missing.yaml" in said
    assert "nor folder" in message(str(tmp_path / "no" / "base.yaml"))
    assert "cannot be read" in message(str(tmp_path))
    (tmp_path / "latin.yaml").write_bytes(b"data:\n  name: \xe9\n")
    assert "UTF-8" in message(base, str(tmp_path / "latin.yaml"))
    assert "no hyper-parameters" in message(write("", "empty.yaml"))
    assert "at least one" in message()


@pytest.mark.parametrize(
    "key, given, value",
    [
        ("rate", "1e-3", 1e-3),
        ("rate", 2, 2.0),
        ("rate", np.float32(0.5), 0.5),
        ("steps", "7", 7),
        ("steps", np.int64(7), 7),
        ("fast", "False", False),
        ("file", "null", None),
        ("file", None, None),
        ("file", "3", "3"),
        ("name", "null", "null"),
        ("name", "", ""),
        ("edges", "4,5, 6", (4, 5, 6)),
        ("edges", "[4, 5]", (4, 5)),
        ("edges", "", ()),
        ("edges", [4], (4,)),
        ("names", ("a", "c"), ("a", "c")),
        ("shares", "1,0", (1.0, 0.0)),
    ],
)
def test_overrides_are_parsed_by_type(write, key, given, value):
    got = getattr(prepare_hparams(write(SMALL), **{key: given}), key)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "key, given, part",
    [
        ("stepz", "3", "--stepz: unknown key; did you mean --steps"),
        ("STEPS", "3", "did you mean --steps"),
        ("zzzzz", "3", "edges, fast"),
        ("steps", "3.5", "--steps: 'steps' must be int"),
        ("steps", "1_0", "must be int"),
        ("steps", "", "must be int"),
        ("steps", np.float32(3), "must be int"),
        ("rate", "nan", "must be float"),
        ("rate", "1e999", "must be float"),
        ("fast", "yes", "true or false"),
        ("fast", 1, "must be bool"),
        ("edges", "1,,2", "must be list of int"),
        ("edges", "1;2", "a,b"),
        ("loss", "LOG", "nearest: log"),
        ("name", None, "must be str"),
    ],
)
def test_bad_overrides(write, key, given, part):
    assert part in message(write(SMALL), **{key: given})


def test_yaml_exponent_without_point_is_a_float(write):
    assert prepare_hparams(write(SMALL), write("train:\n  rate: 1e-3\n", "f.yaml")).rate == 1e-3


def test_immutable_equal_hashable_picklable(write):
    hp = prepare_hparams(write(SMALL))
    for change in (lambda: setattr(hp, "rate", 1), lambda: setattr(hp.train, "rate", 1)):
        with pytest.raises(AttributeError, match="immutable"):
            change()
    hp.values()["edges"].append(9)
    hp.schema.clear()
    assert (
        hp == prepare_hparams(write(SMALL)) == pickle.loads(pickle.dumps(hp)) == copy.deepcopy(hp)
    )
    assert hash(hp) == hash(copy.copy(hp))
    assert pickle.loads(pickle.dumps(hp.train)).rate == 0.1
    other = hp.replace(rate=0.3)
    assert other != hp and (hp.rate, other.rate) == (0.1, 0.3)
    assert other.replace(rate="0.1") == hp
    assert hp != 3


def test_describe_names_every_key_once():
    hp = prepare_hparams(BASE)
    lines = hp.describe().splitlines()
    assert [line.split()[0] for line in lines if line.startswith(" ")] == list(hp.values())
    assert [line for line in lines if not line.startswith(" ")] == list(SECTIONS)
    assert all(key.meaning in hp.describe() for key in hp.schema.values())


@settings(max_examples=60, deadline=None)
@example(name="\x85", file="\u2028", rate=1.0, steps=1, fast=True, edges=[], names=[])
@example(name="a\n\n b\r", file="# x: y", rate=1.0, steps=1, fast=True, edges=[], names=[])
@example(name=":\xa0", file="\xa0", rate=1.0, steps=1, fast=True, edges=[], names=[])
@given(
    name=st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0")),
    file=st.one_of(st.none(), st.text("ab: #'\"\n\\null", max_size=6)),
    rate=st.floats(1e-300, 1e300),
    steps=st.integers(1, 9),
    fast=st.booleans(),
    edges=st.lists(st.integers()),
    names=st.lists(st.sampled_from("abc")),
)
def test_saved_file_reads_back_equal(tmp_path_factory, file, **overrides):
    folder = tmp_path_factory.getbasetemp()
    base, saved = folder / "base.yaml", folder / "deeper" / "saved.yaml"
    base.write_text(SMALL, encoding="utf-8")
    # As YAML, not as text, since "null" as text means no file.
    later = folder / "later.yaml"
    later.write_text(yaml.safe_dump({"data": {"file": file}}), encoding="utf-8")
    hp = prepare_hparams(base, later, **overrides)
    hp.save(saved)
    again = prepare_hparams(saved)
    assert again == hp
    assert again.schema == hp.schema and list(again.values()) == list(hp.values())


def test_saved_project_file_reads_back_equal(tmp_path):
    hp = prepare_hparams(BASE, os.path.join(HPARAMS, "amazon.yaml"), learning_rate="1e-7")
    hp.save(str(tmp_path / "saved.yaml"))
    assert prepare_hparams(str(tmp_path / "saved.yaml")) == hp
    saved = (tmp_path / "saved.yaml").read_text(encoding="utf-8")
    with open(BASE, encoding="utf-8") as stream:
        comments = re.findall(r"^  +\w.* # (.*)$|^ {20,}# (.*)$", stream.read(), re.M)
    assert len(comments) > len(hp.schema)
    assert all((first or more) in saved for first, more in comments)


def merged_before(path):
    """Files between the base and an objective's or a data set's for a model: one that has its keys."""
    found = re.match(r"(?:objective_[a-z]+_?|micro_video_)(\w*)\.yaml", os.path.basename(path))
    return [os.path.join(HPARAMS, f"model_{found.group(1) or 'sasrec'}.yaml")] if found else []


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(HPARAMS, "*.yaml"))))
def test_every_file_of_the_project_loads(path):
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    assert text.startswith("# ")  # says what the file is for
    hp = prepare_hparams(BASE, *merged_before(path), path)
    given = yaml.safe_load(text)
    assert given
    for section, keys in given.items():
        for name in keys or {}:
            assert hp.schema[name].section == section and hp.schema[name].meaning


@pytest.mark.parametrize(
    "path", sorted(glob.glob(os.path.join(HPARAMS, "**", "*.yaml"), recursive=True))
)
def test_every_file_of_the_project_fits_a_screen(path):
    with open(path, encoding="utf-8") as stream:
        assert max(map(len, stream.read().splitlines())) <= 100
