"""Reads a small log through an adapter that is given as keys."""

import types

from recommenders_utils.reading.adapters import adapter_from
from recommenders_utils.reading.interactions import LogReader
from recommenders_utils.reading.layout import detect_log

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


def read(path, keys, chunk=3, **data):
    form = adapter_from({**COLUMNS, **keys}, "mine", "mine.yaml").forms[0]
    layout = detect_log(str(path), form.keys.get("delimiter"))
    return LogReader(layout, form, chunk=chunk).read(settings_of(**data))
