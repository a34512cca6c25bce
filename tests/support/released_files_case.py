"""The released instance files of a tiny log, line by line."""

import gzip

import pytest

# Two users; ann disliked her validation target, bob's last item (disliked) has no test line.
SEQUENCES = {
    "ann": [("x", 1, 10), ("y", 0, 20), ("z", 1, 20), ("ww", 0, 30), ("x2", 1, 40)],
    "bob": [("y", 1, 5), ("x", 1, 6), ("z", 0, 7), ("v", 1, 8)],
}


def line(user, length, item=None, label=None):
    """A line whose target is record ``length`` of ``user``, or another candidate for it."""
    records = SEQUENCES[user]
    history = records[:length]
    target, observed, time = records[length]
    first = [observed if label is None else label, user, item or target, "cat", time]
    columns = [[r[1] for r in history], [r[0] for r in history], ["cat"] * length]
    columns.append([r[2] for r in history])
    return "\t".join([*map(str, first), *(",".join(map(str, c)) for c in columns)]) + "\n"


FILES = {
    "train_dataA": [line("ann", 1), line("ann", 2), line("bob", 1), line("bob", 2)],
    "valid_dataA": [
        line("ann", 3),
        line("bob", 3),
        line("bob", 3, "q", 0),
        line("bob", 3, "ww", 0),
    ],
    "test_dataA": [line("ann", 4), line("ann", 4, "v", 0)],
}


@pytest.fixture
def folder(tmp_path):
    def make(changes=(), compressed=()):
        for name, lines in {**FILES, **dict(changes)}.items():
            content = "".join(lines).encode("utf-8")
            if name in compressed:
                (tmp_path / (name + ".gz")).write_bytes(gzip.compress(content))
            else:
                (tmp_path / name).write_bytes(content)
        return str(tmp_path)

    return make
