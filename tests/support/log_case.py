"""Reads a small log through an adapter that is given as keys, or a ratings file."""

import dataclasses
import gzip
import types

import pandas as pd
import pytest

from recommenders_utils.errors import UserError
from recommenders_utils.reading.adapters import adapter_from
from recommenders_utils.reading.expressions import Expression
from recommenders_utils.reading.layout import detect
from recommenders_utils.reading.recognise import ratings
from recommenders_utils.reading.records import RecordReader

COLUMNS = {"user": "u", "item": "i", "time": "t"}
GOOD = "".join(f"u{k},i{k},{1 + k % 5},{1400000000 + k}\n" for k in range(200))
HEADER = "user_id,item_id,rating,timestamp\n"


def settings_of(**changed):
    values = dict(
        rating_threshold=3.0,
        rating_min=1.0,
        rating_max=5.0,
        utc_offset_hours=0.0,
        max_malformed=0.0,
    )
    return types.SimpleNamespace(**dict(values, **changed))


def read(path, keys, block_bytes=None, **data):
    form = adapter_from({**COLUMNS, **keys}, "mine", "mine.yaml").forms[0]
    layout = detect(str(path), form.keys.get("delimiter"))
    return RecordReader(layout, form, block_bytes=block_bytes).read(settings_of(**data))


def read_ratings(path, rating_min=1.0, rating_max=5.0, max_malformed=0.01, block_bytes=None, **how):
    """A ratings file as (frame of user_id, item_id, rating, timestamp, report)."""
    layout, form = ratings(str(path))
    # What a rating was is not part of the records; an extra keeps it.
    told = {**form.expressions, "dwell": Expression("rating")}
    form = dataclasses.replace(form, expressions=told)
    reader = RecordReader(layout, form, block_bytes=block_bytes)
    for name, function in how.items():  # such as fast=lambda block: None
        setattr(reader.columns, name, function)
    scale = dict(rating_min=rating_min, rating_max=rating_max, rating_threshold=rating_min)
    records, report = reader.read(settings_of(max_malformed=max_malformed, **scale))
    frame = {
        "user_id": pd.Categorical.from_codes(records.users, list(records.user_ids)),
        "item_id": pd.Categorical.from_codes(records.items, list(records.item_ids)),
        "rating": records.extras["dwell"].astype(float),
        "timestamp": records.times,
    }
    return pd.DataFrame(frame), report


def write(folder, text, name="log.csv"):
    path = folder / name
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def rows(records):
    return list(
        zip(
            records.user_ids[records.users],
            records.item_ids[records.items],
            records.labels.tolist(),
            records.times.tolist(),
        )
    )


def refused(path, *parts, **options):
    """The message, which names the file and has every part in it."""
    with pytest.raises(UserError) as caught:
        read_ratings(str(path), **options)
    message = str(caught.value)
    assert str(path) in message
    for part in parts:
        assert part in message, message
    assert "\n" not in message
    return message


@pytest.fixture
def file(tmp_path):
    def make(content):
        path = tmp_path / "my ratings.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return make
