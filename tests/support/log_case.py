"""Reads a small log through an adapter that is given as keys, or a ratings file."""

import dataclasses
import types

import pandas as pd

from recommenders_utils.reading.adapters import adapter_from
from recommenders_utils.reading.expressions import Expression
from recommenders_utils.reading.layout import detect
from recommenders_utils.reading.recognise import ratings
from recommenders_utils.reading.records import RecordReader

COLUMNS = {"user": "u", "item": "i", "time": "t"}


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
