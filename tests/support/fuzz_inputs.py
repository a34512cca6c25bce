"""What hostile files are made of: pieces, cells, tables, bombs; ``fuzz.py`` tries them on every reader.

A file is told by pieces (bytes, how often) and a packing, so that a field of ten megabytes or a bomb is
a few bytes of a case.
"""

import typing

from hypothesis import strategies as st

MIB = 1 << 20
PACKINGS = ("plain",) * 8 + ("gzip",) * 3 + ("cut gzip", "damaged gzip", "two gzips", "named gzip")
LONG = (b"x", 10 * MIB)


class Content(typing.NamedTuple):
    """One file: pieces in order, and how they are packed."""

    pieces: typing.Tuple
    packing: str = "plain"


class Case(typing.NamedTuple):
    """One try: a target of ``fuzz.TARGETS``, its files and its options."""

    target: str
    files: typing.Dict[str, Content]
    options: typing.Dict


IDS = [
    b"u1",
    b"u2",
    b"i1",
    b"i2",
    b"i3",
    b"7",
    b"default_mid",
    b"a b",
    b"i:1",
    "\u00e9\u4e16".encode(),
]
NUMBERS = [b"1", b"0", b"2", b"3.5", b"5", b"4.0"]
TIMES = [b"1400000000", b"1400000001", b"1400086400", b"1400090000.5", b"2014-05-13 10:00:00"]
# fmt: off
ODD = [
    *(b"", b" "),
    *(b'"', b'""', b"'", b'a"b', b'"a', b'"a\tb"', b'"a\nb"', b'"a,b"', b'"a\r\nb"', b"a\tb"),
    *(b"a\nb", b"a\rb", b"\0", b"a\0"),
    *(b"\xff\xfe", b"\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc0\xaf"),
    *("\u2028".encode(), "\x85".encode(), "\uff11".encode(), "\u0661".encode(), b"\x1c", b"\x0b", b"\x0c"),
    *(b"1e18", b"999999999999999999", b"9" * 30, b"9" * 400),
    *(b"9" * 5000, b"1e300", b"1e400", b"-1"),
    *(b"-99999999999", b"1e13", b"99999999999999"),
    *(b"1e17", b"1e20", b"18446744073709551616", b"1_0"),
    *(b"nan", b"inf", b"-inf", b"NaN", b"None", b"true"),
    *(b"0x10", b"1,5", b"-0", b"+1", b".", b"1e"),
    *(b"2014-02-30", b"9999-12-31"),
    *(b"0000-00-00", b"2014-01-01T00:00:00+99:99", b"2014-01-01 24:61:61"),
    *(b"2262-04-12 00:00:00", b"0001-01-01T00:00:00+14:00", b"20140101", b"99991231", b"20149999"),
    *(b"../../canary", b"/etc/passwd", b"..\\canary", b"=1+1"),
    *(b"{0}", b"{rating!r}", b"%s", b"`u`"),
]
# fmt: on
DELIMITERS = [b",", b",", b",", b"\t", b"\t", b";", b"|", b"::"]
ENDS = [b"\n", b"\n", b"\n", b"\r\n", b"\r"]
ODD_PIECE = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(ODD),
    st.sampled_from(ODD),
    st.binary(max_size=6),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


@st.composite
def rarely(draw, odd, usual, one_in):
    """``usual``, and once in about ``one_in`` draws ``odd``."""
    return draw(odd if draw(st.integers(0, one_in - 1)) == one_in // 2 else usual)


@st.composite
def cells(draw, sound):
    """A cell's (bytes, times): mostly sound, now and then odd, seldom ten megabytes."""
    if draw(st.integers(0, 799)) == 400:
        return LONG
    return draw(rarely(ODD_PIECE, st.sampled_from(sound), 30)), 1


@st.composite
def mangled(draw, pieces):
    """Pieces with some bytes put in, taken out or cut off."""
    pieces = list(draw(pieces))
    for _ in range(draw(st.sampled_from([0] * 8 + [1, 2, 4]))):
        if not pieces:
            break
        at = draw(st.integers(0, len(pieces) - 1))
        kind = draw(st.sampled_from(["put", "put", "take", "end", "twice", "split"]))
        if kind == "put":
            pieces.insert(at, (draw(ODD_PIECE), 1))
        elif kind == "take":
            del pieces[at]
        elif kind == "end":
            del pieces[at + 1 :]
        elif kind == "twice":
            pieces.insert(at, pieces[at])
        else:
            text, times = pieces[at]
            cut = draw(st.integers(0, len(text)))
            pieces[at] = (text[:cut], times)
    return tuple(pieces)


BOMBS = st.sampled_from(
    [
        ((b"\0", 160 * MIB),),
        ((b"a" * 1024, 160 * 1024),),
        ((b"user_id,item_id,rating,timestamp\n", 1), (b"\0", 160 * MIB)),
        ((b'user_id,item_id,rating,timestamp\nu,i,1,5\n"', 1), (b"\n", 100 * MIB)),
        ((b'user,item\nu1,i1\n"', 1), (b"a,b\n", 25 * MIB)),
        ((b"\n", 60 * MIB),),
        ((b"a,b,c,d\n\xff", 1), (b"b" * 1024, 160 * 1024)),
    ]
)


@st.composite
def contents(draw, pieces, bombs=True):
    """A file of these pieces, or seldom a bomb."""
    if bombs and draw(st.integers(0, 249)) == 100:
        return Content(draw(BOMBS), "gzip")
    return Content(draw(mangled(pieces)), draw(st.sampled_from(PACKINGS)))


@st.composite
def tables(draw, headers, columns, delimiters=DELIMITERS):
    """Pieces of a table: a header or none, rows of cells that fit the columns."""
    delimiter, end = draw(st.sampled_from(delimiters)), draw(st.sampled_from(ENDS))
    pieces = [
        (draw(rarely(st.just(b"\xff\xfe"), st.sampled_from([b"", b"", b"\xef\xbb\xbf"]), 30)), 1)
    ]
    header = draw(st.sampled_from(headers))
    if header is not None:
        pieces += [(delimiter.join(header.split(b",")) + end, 1)]
    for _ in range(draw(st.integers(0, 8))):
        row = []
        for sound in columns:
            row += [draw(cells(sound)), (delimiter, 1)]
        pieces += [*row[:-1], (end, 1)]
    return pieces
