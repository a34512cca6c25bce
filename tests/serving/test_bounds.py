"""What a hostile file of rows may cost: bounded memory, bounded columns, short messages."""

import gzip
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from serving_case import path_of
from small import call

from dfar_tf import paths
from dfar_tf.serving import histories, rows
from dfar_tf.serving.histories import Vocabulary
from dfar_tf.serving.rows import Rows
from recommenders_utils.errors import UserError
from recommenders_utils.reading import ids
from recommenders_utils.reading.text import MOST_COLUMNS

ITEMS = np.array([f"i{k}" for k in range(40)])


class Store:
    """Only what ``Vocabulary`` reads."""

    level_names, level_threshold = (), 1
    item_ids, user_ids = ITEMS, np.array(["u"])
    user_offsets = np.array([0, 1])


class Iterator:
    """The same."""

    ids = np.arange(41)


def test_long_rows_come_in_small_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "CHUNK", 50000)
    monkeypatch.setattr(rows, "LOOKED_AT", 20000)
    lines = ["u,i1\n"] * 300 + ['"' + "i1:1," * 2000 + 'i2:0",i1\n'] * 60 + ["u,i1\n"] * 3000
    for start in (0, 300):
        path = tmp_path / "rows.csv.gz"
        path.write_bytes(gzip.compress(("history,item\n" + "".join(lines[start:])).encode()))
        frames = list(Rows(str(path)).chunks(100))
        assert [*np.concatenate([f.index for f in frames])] == list(range(len(lines) - start))
        held = [int(frame["history"].str.len().sum()) for frame in frames]
        # One chunk at most is chosen by the shorter rows before it.
        assert sorted(held)[-2] <= 60000 and len(frames) < 150


COSTS = """
import resource, sys, time
from dfar_tf.cli import main
begun = time.process_time()
status = main(sys.argv[1:])
assert status == 0, status
print("COST", time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""


def cost(*arguments):
    """Seconds and the largest MiB of a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", COSTS, *map(str, arguments)],
        env=dict(os.environ, PYTHONPATH=paths.ROOT),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seconds, peak = done.stdout.rsplit("COST", 1)[1].split()
    return float(seconds), float(peak)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_a_small_file_of_long_histories_costs_little(tmp_path, tmp_path_factory):
    """150 histories of a million characters in 220 KB: megabytes more, not gigabytes."""
    run = path_of(tmp_path_factory, "gru4rec")
    long = '"' + "1:1," * 250000 + '1:1",2\n'
    found = []
    for name, rows_ in (("short", ["1:1,2\n"] * 150), ("long", [long] * 150)):
        path = tmp_path / f"{name}.csv.gz"
        with gzip.open(str(path), "wt") as stream:
            stream.write("history,item\n")
            stream.writelines(rows_)
        assert path.stat().st_size < 1 << 20
        found.append(
            cost(
                "predict", f"--run_dir={run}", f"--input={path}", f"--output={tmp_path / name}.tsv"
            )
        )
    (_, little), (seconds, much) = found
    assert much - little < 400 and seconds < 90


def test_histories_are_parsed_a_few_at_a_time(monkeypatch):
    random = np.random.RandomState(1)
    texts = [
        ",".join(f"i{random.randint(50)}:{random.randint(2)}" for _ in range(random.randint(9)))
        for _ in range(200)
    ]
    vocabulary = Vocabulary(Store, Iterator, 5)
    whole, sizes, parse = vocabulary.parsed(texts), [], Vocabulary._parsed

    def noted(self, part, first, where):
        sizes.append(sum(map(len, part)))
        return parse(self, part, first, where)

    monkeypatch.setattr(Vocabulary, "_parsed", noted)
    monkeypatch.setattr(histories, "TOGETHER", 100)
    parts = vocabulary.parsed(texts)
    assert max(sizes) <= 200 and sum(sizes) == sum(map(len, texts)) and len(sizes) > 20
    for name in ("offsets", "items", "labels", "users", "unknown_items"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    texts[150] = "i1:1,i2:7"
    with pytest.raises(UserError, match=r"^row 150: 'i2:7' is not"):
        vocabulary.parsed(texts, where="row {}".format)


@pytest.mark.parametrize("door", ["rows", "--interactions", "--ratings", "--predictions"])
@pytest.mark.parametrize("named", [True, False], ids=["apart", "twice"])
def test_a_hundred_thousand_columns_are_refused_at_once(tmp_path, door, named):
    names = [f"c{k}" if named else "c" for k in range(100000)]
    path = tmp_path / "wide.csv"
    path.write_text("user,item," + ",".join(names) + "\n" + "1," * 100001 + "1\n")
    begun = time.process_time()
    if door == "rows":
        with pytest.raises(UserError) as caught:
            Rows(str(path))
        message = str(caught.value)
    else:
        command = {"--interactions": "train", "--ratings": "amazon", "--predictions": "metrics"}
        outcome = call(command[door], f"{door}={path}", "--model=mostpop")
        assert outcome.status == 2
        message = outcome.err
    assert time.process_time() - begun < 20
    assert f"wide.csv:1: 100,002 columns, expected at most {MOST_COLUMNS:,}" in message
    assert len(message) < 500


def test_commas_within_a_field_are_no_columns(tmp_path):
    history = ",".join(["i1:1"] * 20000)
    for name, row in (("a.tsv", f"u\t{history}\ti1"), ("a.csv", f'u,"{history}",i1')):
        delimiter = "\t" if name == "a.tsv" else ","
        header = delimiter.join(["user", "history", "item"])
        (tmp_path / name).write_text(f"{header}\n{row}\n")
        (frame,) = Rows(str(tmp_path / name)).chunks(10)
        assert list(frame["history"]) == [history]


@pytest.mark.parametrize("command", ["train", "metrics"])
def test_a_message_about_many_columns_is_short(tmp_path, command):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"n{k}" for k in range(4000)) + "\n" + "x," * 3999 + "1\n")
    flag = "interactions" if command == "train" else "predictions"
    outcome = call(command, f"--{flag}={path}")
    assert outcome.status == 2 and len(outcome.err) < 3000


def test_one_long_id_does_not_widen_all(monkeypatch):
    texts = [f"user {k}" for k in range(1000)]
    assert ids.id_array([*texts, "a" * 1000]).dtype.itemsize == 4000
    monkeypatch.setattr(ids, "MOST_BYTES", 1 << 20)
    assert len(ids.id_array(texts)) == 1000
    assert len(ids.id_array(["a" * 1000] * 1000)) == 1000  # all of them are wide
    with pytest.raises(UserError, match="has 1,000 characters, and 1,001 ids"):
        ids.id_array([*texts, "a" * 1000])
