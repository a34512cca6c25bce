"""``--interactions`` as a glob or a list: which files are read, in which order, and what is refused."""

import os

import pytest
from small import call

from dfar_tf.cli import parse
from dfar_tf.commands import prepare, train
from dfar_tf.runs.data import find_data
from dfar_tf.runs.log_files import log_files
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json

HEADER = "user_id,item_id,timestamp,label\n"


def write(folder, **texts):
    for name, text in texts.items():
        (folder / name.replace("_csv", ".csv")).write_text(text)


def read(text, **keys):
    hparams = merge_hparams("interactions", interactions=text, show_progress=False, **keys)
    said = []
    source, reader = find_data(hparams, say=said.append)
    return source, reader, reader.read(hparams.data), said


@pytest.fixture
def parts(tmp_path):
    write(
        tmp_path,
        part_1_csv=HEADER + "u,a,10,1\nv,b,5,0\n",
        part_2_csv=HEADER + "u,b,20,1\n",
        part_10_csv=HEADER + "u,c,30,0\nw,a,1,1\n",
        other_csv=HEADER + "x,x,1,1\n",
    )
    return tmp_path


def test_a_glob_in_the_order_of_numbers(parts):
    source, reader, (records, report), said = read(str(parts / "part_*.csv"))
    assert [os.path.basename(path) for path in reader.paths] == [
        "part_1.csv",
        "part_2.csv",
        "part_10.csv",
    ]
    assert records.item_ids[records.items].tolist() == ["a", "b", "b", "c", "a"]
    assert records.user_ids.tolist() == ["u", "v", "w"]  # numbered once for all files
    assert records.times.tolist() == [10, 5, 20, 30, 1]
    assert report["file"] == "part_1.csv and 2 more files"
    assert report["files"] == ["part_1.csv", "part_2.csv", "part_10.csv"]
    assert source.name == "part_1 and 2 more files" and not said


def test_a_list_in_its_own_order_each_file_once(parts):
    several = [str(parts / "part_10.csv"), str(parts / "part_1.csv"), str(parts / "part_1*.csv")]
    assert [os.path.basename(path) for path in log_files(",".join(several))] == [
        "part_10.csv",
        "part_1.csv",
    ]
    _, _, (records, _), _ = read(several[:2])  # from Python, a list
    assert records.user_ids.tolist() == ["u", "w", "v"]


def test_a_file_with_a_comma_in_its_name_is_one_file(tmp_path):
    write(tmp_path, **{"a,b_csv": HEADER + "u,a,10,1\n"})
    assert log_files(str(tmp_path / "a,b.csv")) == [str(tmp_path / "a,b.csv")]


def test_siblings_that_are_not_read_are_named(parts):
    _, _, _, said = read(str(parts / "part_2.csv"))
    (line,) = said
    assert "not read, but of the same columns: part_1.csv, part_10.csv. " in line
    pattern = line.split("--interactions='")[1].split("'")[0]
    assert len(log_files(pattern)) == 3
    write(parts, part_3_csv="of,other,columns\n1,2,3\n")
    assert "part_3" not in read(str(parts / "part_2.csv"))[3][0]
    assert read(str(parts / "other.csv"))[3] == []  # no digits: no part of anything


def test_the_command_line_takes_paths_from_where_the_user_is(parts, monkeypatch):
    monkeypatch.chdir(parts)
    for text in ("part_1.csv,part_2.csv", "part_[12].csv", "*_1.csv, *_2.csv"):
        options = parse(train, ["train", f"--interactions={text}"])
        assert [os.path.dirname(path) for path in log_files(options.given["interactions"])] == [
            str(parts),
            str(parts),
        ]
    assert parse(prepare, ["prepare", "--interactions=null"]).given["interactions"] == "null"


def test_prepared_from_several_files(parts, tmp_path):
    (parts / "part_10.csv").write_text(HEADER + "u,c,30,0\nu,d,40,1\nw,a,1,1\n")
    flags = ("--min_item_records=0", "--min_user_records=0", "--show_progress=false")
    flags = (*flags, f"--cache_dir={tmp_path / 'cache'}", "--valid_num_ngs=1", "--test_num_ngs=1")
    flags = (*flags, f"--interactions={parts / 'part_*.csv'}")
    outcome = call("prepare", *flags)
    assert outcome.status == 0, outcome.err
    (folder,) = (tmp_path / "cache").iterdir()
    meta = read_json(str(folder / "meta.json"))
    assert meta["statistics"]["records"] == 6 and meta["source"] == "part_1.csv and 2 more files"
    assert "reused" in call("prepare", *flags).out
    (parts / "part_10.csv").write_text(HEADER + "u,c,30,1\nu,d,40,1\nw,a,1,1\n")
    assert "reused" not in call("prepare", *flags).out  # any of the files counts


def test_a_glob_that_matches_nothing(parts):
    outcome = call("train", f"--interactions={parts / 'none_*.csv'}", f"--run_dir={parts / 'run'}")
    assert outcome.status == 2 and "no file matches this pattern" in outcome.err
    assert f"--interactions={parts / 'none_*.csv'}" in outcome.err and "in quotes" in outcome.err
    assert not (parts / "run").exists()


def test_files_of_different_columns(parts):
    write(parts, part_3_csv="user_id,item_id,label,timestamp\nu,a,1,10\n")
    with pytest.raises(UserError) as caught:
        read(str(parts / "part_[13].csv"))
    said = str(caught.value)
    assert "part_3.csv: its columns (user_id, item_id, label, timestamp) are not those of" in said
    assert "part_1.csv (user_id, item_id, timestamp, label)" in said


def test_what_is_wrong_names_the_file_and_the_line(parts):
    (parts / "part_2.csv").write_text(HEADER + "u,b,20,1\nu,b,soon,1\n")
    with pytest.raises(
        UserError, match=r"part_2\.csv:3: time 'soon' is not a time.*first on line 3 of"
    ):
        read(str(parts / "part_*.csv"), max_malformed=0.0)
    _, _, (_, report), _ = read(str(parts / "part_*.csv"), max_malformed=0.5)
    assert report["malformed"] == {
        "time is not a time": {"count": 1, "first_line": 3, "first_file": "part_2.csv"}
    }
    (parts / "part_2.csv").write_text(HEADER + "u,b,1400000000000,1\n")
    with pytest.raises(
        UserError, match=r"part_2\.csv:2: the time 14.* but .*part_1\.csv:2 has 10, in"
    ):
        read(str(parts / "part_*.csv"))
    (parts / "part_2.csv").write_bytes(HEADER.encode() + b"u,\xff,20,1\n")
    with pytest.raises(UserError, match=r"part_2\.csv:2: byte 0xff is not UTF-8"):
        read(str(parts / "part_*.csv"))
