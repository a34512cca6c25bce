"""Rows of a book in a CSV file, which read back as they were written."""

import csv
import io

from recommenders_utils.files import atomic_write
from recommenders_utils.tables import to_csv

# Columns that hold text, whatever it looks like.
TEXT = ("fingerprint", "commit", "code", "settings", "cell", "folder", "failure")


def write_rows(path, headers, rows):
    """Writes dicts under headers; None is an empty field."""
    with atomic_write(path, newline="") as stream:
        stream.write(to_csv(headers, [[row[name] for name in headers] for row in rows]))


def read_rows(path):
    """The dicts of a file of ``write_rows``: numbers as numbers, empty fields as None."""
    with open(path, encoding="utf-8", newline="") as stream:
        lines = [line for line in stream if not line.startswith("#")]
    rows = csv.DictReader(io.StringIO("".join(lines)))
    return [{name: _value(name, text) for name, text in row.items()} for row in rows]


def _value(name, text):
    if name in TEXT:
        return text if text or name == "cell" else None
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
