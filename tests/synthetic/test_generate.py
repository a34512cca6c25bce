"""The command generate: SYNTHETIC logs in the shapes of the paper's data sets."""

import numpy as np
import pandas as pd
import pytest
from small import call

from recommenders_utils.errors import UserError
from recommenders_utils.synthetic.files import (
    FIRST_MS,
    LAST_MS,
    MICRO_VIDEO_SHAPE,
    generate_like,
    scaled,
)


def test_the_shape_is_table_1s():
    assert (MICRO_VIDEO_SHAPE["users"], MICRO_VIDEO_SHAPE["items"]) == (37497, 129092)
    assert MICRO_VIDEO_SHAPE["records"] == 6413396 + 5448693
    assert scaled(MICRO_VIDEO_SHAPE, 1.0) == MICRO_VIDEO_SHAPE
    small = scaled(MICRO_VIDEO_SHAPE, 0.001)
    assert small["users"] == 37
    assert small["records"] / small["users"] == pytest.approx(316.35, abs=1)


@pytest.mark.parametrize("scale", [0, -1, 1.5, float("nan")])
def test_a_scale_is_above_0_and_at_most_1(scale):
    with pytest.raises(UserError, match="--scale"):
        scaled(MICRO_VIDEO_SHAPE, scale)


def test_micro_video_has_its_columns_and_rising_times(tmp_path):
    path = tmp_path / "SYNTHETIC-a.csv"
    shape = generate_like("micro_video", str(path), seed=5, scale=0.0006, show_progress=False)
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["user_id", "photo_id", "time_ms", "effective_view"]
    assert len(frame) == shape["records"]
    assert frame["user_id"].nunique() == shape["users"]
    assert frame["photo_id"].nunique() == shape["items"]
    assert frame["effective_view"].sum() == round(shape["records"] * shape["positive_share"])
    assert frame["time_ms"].between(FIRST_MS, LAST_MS).all()
    assert frame["time_ms"].is_monotonic_increasing
    for _, times in frame.groupby("user_id")["time_ms"]:
        assert np.all(np.diff(times) > 0)
    generate_like("micro_video", str(tmp_path / "again.csv"), 5, 0.0006, False)
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def test_the_command_writes_what_the_reader_takes(tmp_path):
    path = tmp_path / "SYNTHETIC-b.csv"
    outcome = call("generate", "--like=micro_video", f"--output={path}", "--scale=0.0006")
    assert outcome.status == 0, outcome.err
    assert "SYNTHETIC" in outcome.out
    made = call(
        "prepare", f"--interactions={path}", "--adapter=micro_video", f"--cache_dir={tmp_path}"
    )
    assert made.status == 0, made.err
    assert "SYNTHETIC" in made.out


@pytest.mark.parametrize(
    "flags",
    [["--like=netflix"], ["--output=log.csv"], ["--scale=much"], ["--draw_seed=-1"], ["--scale=2"]],
)
def test_bad_flags_are_refused_and_nothing_is_written(flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    more = [] if flags[0].startswith("--output") else [f"--output={tmp_path / 'SYNTHETIC.csv'}"]
    outcome = call("generate", *flags, *more)
    assert outcome.status == 2
    assert flags[0].split("=")[0] in outcome.err
    assert not list(tmp_path.iterdir())
