"""Strategies for hostile files of the released format: instance lines and pickled vocabularies."""

import pickle
import struct

from fuzz_inputs import LONG, MIB, ODD_PIECE, Case, Content, contents, mangled, rarely
from hypothesis import strategies as st

SEQUENCES = {
    b"ann": [(b"x", 1, 10), (b"y", 0, 20), (b"z", 1, 20), (b"w", 0, 30), (b"v", 1, 40)],
    b"bob": [(b"y", 1, 5), (b"x", 1, 6), (b"z", 0, 7), (b"v", 1, 8)],
}
SOUND = {
    "train_dataA": [(b"ann", 1), (b"ann", 2), (b"bob", 1), (b"bob", 2)],
    "valid_dataA": [(b"ann", 3), (b"bob", 3), (b"bob", 3, b"q"), (b"bob", 3, b"w")],
    "test_dataA": [(b"ann", 4), (b"ann", 4, b"v2")],
    "test_data_neg": [],
    "test_dataA_group1": [(b"ann", 4), (b"ann", 4, b"v2")],
    "test_dataA_group5": [],
}
KINDS = ("user", "item", "category")


def fields(user, length, item=None):
    """The nine fields of a line whose target is a user's record, or another candidate for it."""
    target, label, time = SEQUENCES[user][length]
    past = SEQUENCES[user][:length]
    columns = [[b"%d" % r[1] for r in past], [r[0] for r in past], [b"cat"] * length]
    columns.append([b"%d" % r[2] for r in past])
    first = [b"%d" % (label if item is None else 0), user, item or target, b"cat", b"%d" % time]
    return first + [b",".join(column) for column in columns]


@st.composite
def lines(draw, name, hostile):
    """Pieces of one instance file, sound but for a few of its fields if ``hostile``."""
    pieces = []
    for spec in SOUND[name]:
        for number, text in enumerate(fields(*spec)):
            cell = (text, 1)
            if hostile and draw(st.integers(0, 39)) == 20:
                odd = (draw(ODD_PIECE), 1)
                longer = (text + b"," + odd[0], 1)
                cell = draw(rarely(st.just(LONG), st.sampled_from([odd, longer]), 30))
            pieces += [cell, (b"\t" if number < 8 else b"\n", 1)]
    return pieces


def dumped(value, protocol=3):
    """A sound pickle."""
    return pickle.dumps(value, protocol=protocol)


class Hostile:
    """Makes the folder ``canary`` when it is unpickled as usual."""

    def __reduce__(self):
        import os

        return os.mkdir, ("canary",)


TEXT = st.one_of(
    st.sampled_from(["x", "y", "0", "1", "../../canary", "/", "a\0", "\ud800", "ann"]),
    st.text(max_size=4),
)
TABLE = st.lists(TEXT, max_size=5, unique=True).map(
    lambda names: {n: k for k, n in enumerate(names)}
)
# Tuples in tuples: hashing one as a key would recurse as deep, or take two to the power of as long.
DEEP = b"\x80\x03})" + b"\x85" * 200000 + b"K\x01s."
TWICE = b"\x80\x03})" + b"".join(b"q%c" % k + b"h%c" % k + b"\x86" for k in range(60)) + b"K\x01s."
PICKLES = [
    *(dumped({"a": Hostile()}, protocol) for protocol in (0, 2, 3, 4)),
    *(b"cos\nsystem\n(S'mkdir canary'\ntR.", b"\x80\x03cos\nmkdir\nX\x06\0\0\0canary\x85R."),
    *(
        b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c\x06canary\x85R.",
        b"\x80\x02Pcanary\n.",
        b"\x80\x03\x82\x01.",
    ),
    *(
        b"\x80\x03X\xff\xff\xff\x7fabc.",
        b"\x80\x04\x8d" + b"\xff" * 8 + b"a.",
        b"\x80\x03}r\xff\xff\xff\x7f.",
    ),
    *(
        DEEP,
        TWICE,
        b"\x80\x03" + b"]" * 300000 + b"a" * 299999 + b".",
        b"\x80\x03](]]e.",
        b"",
        b".",
        b"\x80\xff.",
    ),
    *(
        b"\x80\x03}]K\x01s.",
        b"\x80\x03}}K\x01s.",
        b"\x80\x03}h\x05.",
        b"\x80\x03K\x01K\x02.",
        b"\x80\x03}(K\x01u.",
    ),
    *(
        b"\x80\x04\x95" + b"\xff" * 8 + b"}.",
        b"\x80\x05\x96" + b"\xff" * 8 + b".",
        b"\x80\x03\x8b\xff\xff\xff\x7f1.",
    ),
    *(
        b"I" + b"9" * 100000 + b"\n.",
        b"\x80\x03" + b"(" * 300000 + b"t" * 300000 + b".",
        b"PK\x03\x04../../canary",
    ),
]


@st.composite
def vocabularies(draw):
    """Pieces of a pickle."""
    table = draw(TABLE)
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return [(draw(st.sampled_from(PICKLES)), 1)]
    if kind == 1:
        value = draw(
            st.recursive(
                st.one_of(st.none(), st.booleans(), st.integers(), TEXT, st.floats()),
                _nested,
                max_leaves=6,
            )
        )
        return [(_try(value, 3), 1)]
    if draw(st.integers(0, 99)) == 50:
        return [(b"\x80\x03}X" + struct.pack("<I", 10 * MIB), 1), (b"x", 10 * MIB), (b"K\x01s.", 1)]
    whole = _try(table, draw(st.sampled_from([2, 3, 4])))
    cut = draw(st.integers(0, len(whole)))
    return [(whole[:cut], 1), (whole[cut:], 1)]


def _nested(values):
    return st.one_of(
        st.lists(values, max_size=3),
        st.dictionaries(TEXT, values, max_size=3),
        st.tuples(values, values),
    )


def _try(value, protocol):
    return dumped(value, protocol)


@st.composite
def folders(draw):
    """A released folder: all files sound but for one or two."""
    files = {}
    spoilt = draw(st.sets(st.sampled_from(sorted(SOUND)), min_size=1, max_size=2))
    for name in SOUND:
        optional = name.startswith("test_data_neg") or "group" in name
        if optional and draw(st.integers(0, 3)) != 1:
            continue
        if name in spoilt:
            files[name + draw(st.sampled_from(["", "", ".gz"]))] = draw(contents(lines(name, True)))
        else:
            files[name] = Content(tuple(draw(lines(name, False))))
    if draw(st.integers(0, 3)) == 2:
        for kind in draw(st.sampled_from([KINDS, KINDS, ("item",)])):
            files[f"{kind}_vocab_cd.pkl"] = Content(draw(mangled(vocabularies())))
    return Case("released", files, {})


@st.composite
def batches(draw):
    """One instance file, read without being imported."""
    name = draw(st.sampled_from(["train_dataA", "valid_dataA", "test_dataA"]))
    options = {
        "length": draw(st.sampled_from([1, 3, 50])),
        "batch_size": draw(st.sampled_from([1, 2, 500])),
    }
    return Case("released_rows", {"lines": draw(contents(lines(name, True)))}, options)


pickles = st.builds(
    lambda pieces, kind: Case("pickle", {"vocab.pkl": Content(pieces)}, {"kind": kind}),
    mangled(vocabularies()),
    st.sampled_from(KINDS),
)
