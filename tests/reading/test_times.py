"""Times in any unit, as unix seconds."""

import numpy as np
import pytest
from log_case import read, write

from recommenders_utils.errors import UserError
from recommenders_utils.reading.columns import Texts
from recommenders_utils.reading.times import AUTO, BAD, Times


def times_of(texts, unit="auto", offset=0.0):
    times = Times(AUTO if unit == "auto" else (unit,), offset)
    seconds, units = times.read(Texts.of(np.array(texts, dtype=object)))
    return seconds, np.array(["" if code == BAD else times.units[code] for code in units])


def test_units_are_told_by_size():
    seconds, units = times_of(
        ["1649581149", "1649581149287", "1649581149287123", "1649581149287123999", "20220410", "0"]
    )
    assert seconds.tolist() == [
        1649581149.0,
        1649581149.287,
        1649581149.287123,
        1649581149.287123,
        1649548800.0,
        0.0,
    ]
    assert units.tolist() == [
        *("seconds", "milliseconds", "microseconds", "nanoseconds", "yyyymmdd", "seconds")
    ]


def test_dates_without_a_zone_are_of_the_offset():
    texts = [
        "2022-04-10 08:59:09",
        "2022-04-10",
        "2022-04-10T08:59:09.5Z",
        "2022-04-10 08:59+03:00",
    ]
    here = times_of(texts)[0]
    there = times_of(texts, offset=8)[0]
    assert (here - there).tolist() == [8 * 3600, 8 * 3600, 0, 0]
    assert here.tolist() == [1649581149.0, 1649548800.0, 1649581149.5, 1649570340.0]
    # One date that does not exist changes no other.
    odd, units = times_of([*texts, "2022-02-30", "yesterday", "", "nan", "-5", "1e30"])
    assert odd[:4].tolist() == here.tolist() and np.isnan(odd[4:]).all()
    assert units[4:].tolist() == [""] * 6


def test_day_numbers():
    seconds, _ = times_of(["0", "14", "-3", "x"], "days", 8)
    assert seconds[:2].tolist() == [-8 * 3600, 14 * 86400 - 8 * 3600]
    assert np.isnan(seconds[2:]).all()


def test_a_unit_that_is_not_the_logs():
    assert np.isnan(times_of(["1649581149287"], "seconds")[0]).all()
    assert np.isnan(times_of(["1649581149"], "milliseconds")[0]).all()


def test_mixed_units_are_refused_with_both_lines(tmp_path):
    path = write(tmp_path, "u,i,t,y\na,x,1649581149,1\n\nb,y,1649581149,0\nc,z,1649581149287,1\n")
    with pytest.raises(UserError) as caught:
        read(path, {"label": "y"})
    assert "log.csv:5: the time 1649581149287 is in milliseconds, but line 2" in str(caught.value)
