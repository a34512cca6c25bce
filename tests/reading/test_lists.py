"""Columns that hold lists: one record an entry, with its label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_case import read, rows, write

from recommenders_utils.errors import UserError

SHOWN = {
    "item": "news",
    "label": "clicked",
    "explode": "shown",
    "separator": " ",
    "entry": ["news", "clicked"],
    "entry_separator": "-",
}
SIDE_BY_SIDE = {"item": "items", "label": "likes", "explode": ["items", "likes"]}


def test_entries_with_their_labels(tmp_path):
    path = write(tmp_path, "u,t,shown\na,10,n-1-1 n2-0\nb,20,n3-1\na,30,\n")
    records, report = read(path, SHOWN)
    assert rows(records) == [("a", "n-1", 1, 10), ("a", "n2", 0, 10), ("b", "n3", 1, 20)]
    assert report["dropped"] == {"empty list": {"count": 1, "first_line": 4}}
    assert (report["rows"], report["kept"]) == (4, 3)


@pytest.mark.parametrize(
    "items, likes",
    [('"[1, 2]"', '"[0, 1]"'), ('"1,2"', '"0,1"'), ("\"['1', '2']\"", '"(0, 1)"')],
)
def test_lists_side_by_side(tmp_path, items, likes):
    path = write(tmp_path, f"u,t,items,likes\na,10,{items},{likes}\nb,11,{items},{likes}\n")
    records, _ = read(path, SIDE_BY_SIDE)
    assert rows(records) == [
        ("a", "1", 0, 10),
        ("a", "2", 1, 10),
        ("b", "1", 0, 11),
        ("b", "2", 1, 11),
    ]


def test_times_in_lists_and_text_that_is_compared(tmp_path):
    keys = {"item": "items", "time": "times", "explode": ["items", "times", "events"]}
    keys.update(separator="|", label='events == "like"')
    path = write(tmp_path, "u,items,times,events\na,x|y,3|2,like|skip\nb,z,1,like\n")
    records, _ = read(path, keys)
    assert rows(records) == [("a", "x", 1, 3), ("a", "y", 0, 2), ("b", "z", 1, 1)]


def test_lists_of_different_lengths_are_malformed(tmp_path):
    path = write(
        tmp_path, 'u,t,items,likes\na,1,"1,2","1,0"\nb,2,"1,2,3","1,0"\nc,3,1,1,1\nd,4,7,1\n'
    )
    records, report = read(path, SIDE_BY_SIDE, max_malformed=0.9)
    assert rows(records) == [("a", "1", 1, 1), ("a", "2", 0, 1), ("d", "7", 1, 4)]
    assert report["malformed"] == {
        "lists of different lengths": {"count": 1, "first_line": 3},
        "wrong number of columns": {"count": 1, "first_line": 4},
    }
    with pytest.raises(UserError, match=r"log\.csv:3: the lists of this row differ in length"):
        read(path, SIDE_BY_SIDE)


def test_an_entry_without_its_label_is_malformed(tmp_path):
    path = write(tmp_path, "u,t,shown\na,10,n1-1 n2\n")
    with pytest.raises(UserError, match=r"log\.csv:2: clicked is '', expected a number"):
        read(path, SHOWN)


ENTRIES = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 1)), max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=9), st.integers(20, 90))
def test_as_if_each_entry_were_a_row(tmp_path_factory, lists, size):
    lists = [[("w", 1)], *lists]
    folder = tmp_path_factory.mktemp("lists")
    text = "".join(
        f"u{k},{k},{' '.join(f'{item}-{y}' for item, y in entries)}\n"
        for k, entries in enumerate(lists)
    )
    records, _ = read(write(folder, "u,t,shown\n" + text), SHOWN, block_bytes=size)
    expected = [(f"u{k}", item, y, k) for k, each in enumerate(lists) for item, y in each]
    assert rows(records) == expected
    assert records.items.dtype == np.int32
