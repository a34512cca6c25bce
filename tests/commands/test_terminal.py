"""Ids with control characters: escaped in a terminal and in the run's log, exact in every file."""

import pandas as pd
import pytest
from small import call

from recommenders_utils.errors import UserError
from recommenders_utils.reading.adapters import load_adapter
from recommenders_utils.tables import format_table, printable

TITLE = "\x1b]0;pwned\x07"  # sets a terminal's title
ITEMS = [f"{TITLE}{k}" for k in range(6)]
USERS = [f"u{k}\u202e\x9b2J" for k in range(8)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    rows = [
        f"{user},{ITEMS[(k + u) % 6]},{1 + 4 * ((k + u) % 2)},{100 + k}"
        for u, user in enumerate(USERS)
        for k in range(5)
    ]
    (folder / "log.csv").write_text("user,item,rating,time\n" + "\n".join(rows) + "\n", "utf-8")
    flags = (
        "--model=mostpop",
        "--min_item_records=0",
        "--min_user_records=0",
        "--untrained=",
        "--valid_num_ngs=2",
    )
    flags += (
        f"--ratings={folder}/log.csv",
        f"--cache_dir={folder}/cache",
        "--paper_column=none",
        "--test_num_ngs=2",
    )
    outcome = call("amazon", *flags, f"--name=a{TITLE}b", f"--run_dir={folder}/run")
    assert outcome.status == 0, outcome.err
    return folder, outcome


def assert_harmless(text):
    assert not [each for each in text if each not in "\n\t" and printable(each) != each]


def test_what_is_printed_is_harmless_and_what_is_written_is_exact(run):
    folder, outcome = run
    assert_harmless(outcome.out + outcome.err)
    assert_harmless((folder / "run" / "run.log").read_text("utf-8"))
    assert r"\x1b]0;pwned\x07" in outcome.out
    lists = call(
        "recommend",
        f"--run_dir={folder}/run",
        "--users=all",
        "--k=3",
        f"--output={folder}/lists.csv",
    )
    assert lists.status == 0, lists.err
    assert_harmless(lists.out + lists.err)
    assert r"\x1b]0;pwned\x07" in lists.out and r"\u202e\x9b2J" in lists.out
    frame = pd.read_csv(str(folder / "lists.csv"))
    assert set(frame["item"]) <= set(ITEMS) and set(frame["user"]) == set(USERS)
    predictions = pd.read_csv(str(folder / "run" / "predictions_test.csv"))
    assert set(predictions["item"]) <= set(ITEMS)


def test_messages_are_harmless(run):
    folder, _ = run
    outcome = call("recommend", f"--run_dir={folder}/run", f"--users={TITLE}")
    assert outcome.status == 2 and r"\x1b]0;pwned\x07" in outcome.err
    assert_harmless(outcome.err)
    outcome = call("recommend", f"--run_dir={folder}/{TITLE}", "--users=all")
    assert outcome.status == 2
    assert_harmless(outcome.err)


def test_a_cell_is_one_line():
    text = format_table(["a"], [["x\ny\tz"], ["\x1b[2J"]])
    assert text.splitlines()[2:] == [r"x\ny\tz", r"\x1b[2J"]


@pytest.mark.parametrize("name", ["../..", "/etc/passwd", "../../etc/x", "a/b", "kuai.rand"])
def test_an_adapter_names_settings_by_name_only(tmp_path, name):
    path = tmp_path / "mine.yaml"
    path.write_text(f"user: u\nitem: i\ntime: t\nlabel: l\nhparams: {name}\n")
    with pytest.raises(UserError, match="hparams: expected a name"):
        load_adapter(str(path))
