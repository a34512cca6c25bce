"""Text in blocks of whole records, and how long it may be."""

import csv
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommenders_utils.errors import UserError
from recommenders_utils.reading import text as bounded_text
from recommenders_utils.reading.layout import Layout
from recommenders_utils.reading.text import text_blocks


def layout(path, first_line=1):
    with open(path, encoding="utf-8", newline="") as stream:
        start = sum(len(line.encode()) for _, line in zip(range(first_line - 1), stream))
    return Layout(path, False, ",", None, 0, 2, first_line, start, [])


def write(path, text, compressed=False):
    with open(path, "wb") as stream:
        content = text.encode()
        stream.write(gzip.compress(content) if compressed else content)


def test_blocks_join_to_the_file_and_end_where_records_do(tmp_path):
    text = 'a,1\n"b\nb",2\nc,3'
    write(tmp_path / "plain.csv", text)
    path = str(tmp_path / "plain.csv")
    assert [block[:3] for block in text_blocks(layout(path), 5)] == [
        (b"a,1\n", 1, 1),
        (b'"b\nb",2\n', 2, 2),
        (b"c,3", 4, 1),
    ]
    assert [block[:3] for block in text_blocks(layout(path, 2), 3)] == [
        (b'"b\nb",2\n', 2, 2),
        (b"c,3", 4, 1),
    ]


def test_an_endless_record_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_text, "LONGEST_RECORD", 64)
    write(tmp_path / "open.csv", 'a,"1\n' + "b,2\n" * 50)
    with pytest.raises(UserError, match=r"open.csv:1: a line of over.* an unclosed quote"):
        list(text_blocks(layout(str(tmp_path / "open.csv")), 8))


ODD = st.lists(
    st.sampled_from(["a", '"', '""', ",", "\n", "\r\n", "\r", ' "', '5" x', '"b\nc"', "é", "\n"]),
    min_size=1,
    max_size=24,
)


@settings(max_examples=300, deadline=None)
@given(ODD, st.integers(1, 12), st.integers(1, 3))
def test_blocks_are_whole_records_whatever_the_quotes(tmp_path_factory, pieces, size, first_line):
    path = tmp_path_factory.getbasetemp() / "odd.csv"
    text = "".join(pieces)
    path.write_bytes(text.encode())
    blocks = list(text_blocks(layout(str(path), first_line), size))
    lines = list(io.StringIO(text, newline=""))[first_line - 1 :]
    assert "".join(block.text.decode() for block in blocks) == "".join(lines)
    line = first_line
    for block in blocks:
        assert block.line == line
        line += block.lines
    assert line == first_line + len(lines) or not lines

    def rows(text):
        return list(csv.reader(text, skipinitialspace=True))

    parts = [rows(io.StringIO(block.text.decode(), newline="")) for block in blocks]
    assert [row for part in parts for row in part] == rows(lines)
