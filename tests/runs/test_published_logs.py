"""From rows of each published schema to recommendations, and the command of ShortVideo."""

import pytest
from published_logs import SCHEMAS, published_log
from small import call

from recommenders_utils.files import read_json

FREE = ("--min_item_records=0", "--min_user_records=0", "--show_progress=false", "--test_num_ngs=3")
FREE = (*FREE, "--valid_num_ngs=3", "--device=cpu")


def written(folder, adapter):
    path = folder / f"log.{'tsv' if adapter == 'mind' else 'csv'}"
    path.write_text(published_log(adapter))
    return path


@pytest.mark.parametrize("adapter", list(SCHEMAS))
def test_train_and_recommend(tmp_path, adapter):
    path = written(tmp_path, adapter)
    named = [f"--adapter={adapter}"] if adapter == "mind" else []
    run = f"--run_dir={tmp_path / 'run'}"
    told = [f"--interactions={path}", f"--cache_dir={tmp_path / 'cache'}", *named, *FREE]
    outcome = call("train", "--model=itemknn", "--split=leave_one_out", *told, run)
    assert outcome.status == 0, outcome.err
    assert "\ndata: log: 8 users" in "\n" + outcome.out
    assert f"adapter {adapter} " in (tmp_path / "run" / "run.log").read_text()
    results = read_json(str(tmp_path / "run" / "results.json"))
    assert results["statistics"]["negative_records"] > 0 and 0 < results["test"]["auc"] <= 1
    history = {"spotify": "t_1:1", "mind": "N1:1"}.get(adapter, "1:1")
    outcome = call("recommend", run, f"--history={history}", "--k=3")
    assert outcome.status == 0, outcome.err
    assert len(outcome.out.splitlines()) > 3


def test_short_video_is_split_at_noon(tmp_path):
    path = written(tmp_path, "short_video")
    tiny = (
        "--model=gru4rec",
        "--epochs=1",
        "--hidden_size=8",
        "--tower_layers=4",
        "--max_seq_length=9",
    )
    told = ("--protocol=noon", f"--cache_dir={tmp_path / 'cache'}", *tiny, *FREE)
    told = (f"--interactions={path}", *told, f"--run_dir={tmp_path / 'run'}")
    outcome = call("short-video", *told)
    assert outcome.status == 0, outcome.err
    results = read_json(str(tmp_path / "run" / "results.json"))
    assert results["protocol"]["split"] == "noon_last_day" and results["best_epoch"] == 1
    hparams = (tmp_path / "run" / "hparams.yaml").read_text()
    assert "utc_offset_hours: 8" in hparams and "batch_size: 20" in hparams


def test_short_video_without_a_log_says_how_to_get_it():
    outcome = call("short-video")
    assert outcome.status == 2 and "--interactions=FILE is needed" in outcome.err
    assert "data short-video" in outcome.err


def test_a_log_without_times_is_not_split_by_time(tmp_path):
    path = written(tmp_path, "tenrec")
    told = (f"--interactions={path}", "--model=itemknn", f"--cache_dir={tmp_path / 'cache'}", *FREE)
    outcome = call("train", *told, "--split=last_day", f"--run_dir={tmp_path / 'run'}")
    assert outcome.status == 2 and "split=last_day needs them" in outcome.err
    assert f"{path}: adapter tenrec reads it without times" in outcome.err
    assert not (tmp_path / "cache").exists()
