"""Hypothesis strategies for hostile inputs of every reader; ``fuzz.py`` tries what they give.

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
ODD = [
    *(
        b"",
        b" ",
        b'"',
        b'""',
        b"'",
        b'a"b',
        b'"a',
        b'"a\tb"',
        b'"a\nb"',
        b'"a,b"',
        b'"a\r\nb"',
        b"a\tb",
    ),
    *(
        b"a\nb",
        b"a\rb",
        b"\0",
        b"a\0",
        b"\xff\xfe",
        b"\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xc0\xaf",
    ),
    *(
        "\u2028".encode(),
        "\x85".encode(),
        "\uff11".encode(),
        "\u0661".encode(),
        b"\x1c",
        b"\x0b",
        b"\x0c",
    ),
    *(
        b"1e18",
        b"999999999999999999",
        b"9" * 30,
        b"9" * 400,
        b"9" * 5000,
        b"1e300",
        b"1e400",
        b"-1",
    ),
    *(
        b"-99999999999",
        b"1e13",
        b"99999999999999",
        b"1e17",
        b"1e20",
        b"18446744073709551616",
        b"1_0",
    ),
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"NaN",
        b"None",
        b"true",
        b"0x10",
        b"1,5",
        b"-0",
        b"+1",
        b".",
        b"1e",
    ),
    *(
        b"2014-02-30",
        b"9999-12-31",
        b"0000-00-00",
        b"2014-01-01T00:00:00+99:99",
        b"2014-01-01 24:61:61",
    ),
    *(b"2262-04-12 00:00:00", b"0001-01-01T00:00:00+14:00", b"20140101", b"99991231", b"20149999"),
    *(
        b"../../canary",
        b"/etc/passwd",
        b"..\\canary",
        b"=1+1",
        b"{0}",
        b"{rating!r}",
        b"%s",
        b"`u`",
    ),
]
DELIMITERS = [b",", b",", b",", b"\t", b"\t", b";", b"|", b"::"]
ENDS = [b"\n", b"\n", b"\n", b"\r\n", b"\r"]
ODD_PIECE = st.one_of(
    st.sampled_from(ODD),
    st.sampled_from(ODD),
    st.sampled_from(ODD),
    st.binary(max_size=6),
    st.text(max_size=6).map(lambda text: text.encode("utf-8", "surrogatepass")),
)


def rarely(odd, usual, one_in):
    """``usual``, and once in about ``one_in`` draws ``odd``."""
    return st.integers(0, one_in - 1).flatmap(lambda k: odd if k == one_in // 2 else usual)


def cells(sound):
    """A cell's (bytes, times): mostly sound, now and then odd, seldom ten megabytes."""
    small = rarely(ODD_PIECE, st.sampled_from(sound), 30).map(lambda text: (text, 1))
    return rarely(st.just(LONG), small, 400)


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
    pieces = [(draw(st.sampled_from([b"", b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"])), 1)]
    header = draw(st.sampled_from(headers))
    if header is not None:
        pieces += [(delimiter.join(header.split(b",")) + end, 1)]
    for _ in range(draw(st.integers(0, 8))):
        row = []
        for sound in columns:
            row += [draw(cells(sound)), (delimiter, 1)]
        pieces += [*row[:-1], (end, 1)]
    return pieces


RATING_HEADERS = [
    *(b"user_id,item_id,rating,timestamp",) * 6,
    *(
        None,
        None,
        None,
        b"",
        b",,,",
        b"user_id,user_id,rating,timestamp",
        b"user_id,item_id,rating",
    ),
    *(
        b"user_id:token,item_id:token,rating:float,timestamp:float",
        b'"user_id","item_id","rating",ts',
    ),
    *(
        b"user_id,item_id,,timestamp",
        b"userId,movieId,rating,timestamp",
        b"a,b,c,d",
        b'"user_id,item_id',
    ),
]
LOG_HEADERS = [
    *(b"u,i,t,f",) * 9,
    b"user_id,item_id,timestamp,label",
    *(b"user_id,item_id,timestamp,watch_ratio", b"user_id,video_id,time_ms,is_like", b"u,u,t,f"),
    *(None, b"", b"u,i,,f", b"u,i,t", b"user_id,item_id,timestamp,is like", b"u,i,t,f,f:float"),
]
ROW_HEADERS = [
    *(b"user,item", b"user,item", b"history,candidate", b"history,candidate", b"user,history,item"),
    *(b"", b"user,user,item", b"item", b"user_id,item_id,,", b"score,item,user", b'"user,item'),
]
HISTORIES = [b'"i1:1,i2:0"', b"i1:1", b"", b"i:1:1", b'"i1:1,"', b"i9:0", b"i1:2", b'"i1:1 , i2:0"']

ratings = st.builds(
    lambda content, options: Case("ratings", {"log.csv": content}, options),
    contents(tables(RATING_HEADERS, [IDS, IDS, NUMBERS, TIMES[:3]])),
    st.fixed_dictionaries(
        {
            "max_malformed": st.sampled_from([0.0, 0.01, 1.0]),
            "block_bytes": st.sampled_from([64, 32 * MIB]),
        }
    ),
)
blocks = st.builds(
    lambda content, options: Case("blocks", {"log.csv": content}, options),
    contents(tables(RATING_HEADERS, [IDS, IDS, NUMBERS, TIMES])),
    st.fixed_dictionaries(
        {"block_bytes": st.sampled_from([1, 64, MIB]), "skip": st.integers(0, 2)}
    ),
)

ADAPTER = [b"user: u\n", b"item: i\n", b"time: t\n"]
FEEDBACKS = [
    *(
        b"label: f\n",
        b"feedback: f - 1\n",
        b"rating: f\nthreshold: 2\n",
        b"positive: f\nnegative: 1\n",
    ),
    *(
        b"watch_ratio: f / t\n",
        b"play: f\nduration: t\nzero_duration: positive\n",
        b"feedback: f/0\n",
    ),
]
KEYS = [
    *(b"dwell: f * f\n", b"finish: u\n", b"time_unit: milliseconds\n", b"time_unit: text\n"),
    *(
        b"missing_time: drop\n",
        b"columns: [u, i, t, f]\n",
        b'delimiter: "\\t"\n',
        b"utc_offset_hours: .nan\n",
    ),
    *(
        b"utc_offset_hours: 1e308\n",
        b"threshold: .inf\n",
        b"forms: [{}, {label: f}]\n",
        b"forms: []\n",
    ),
    *(
        b"hparams: ../../canary\n",
        b"recognise: 1\n",
        b"? [a]\n: b\n",
        b"? {a: b}\n: c\n",
        b"1: 2\n",
    ),
    *(b"user: 1e999\n", b"about: 2014-99-99\n", b"about: !!timestamp x\n", b"about: !!bool x\n"),
    *(
        b"about: !!int x\n",
        b"about: !!float x\n",
        b"about: !!binary '*'\n",
        b"about: !!set {a, b}\n",
    ),
    *(
        b"time_unit: [a]\n",
        b"conflict: {a: b}\n",
        b"rating_min: " + b"9" * 400 + b"\n",
        b"yaml: &a [*a]\n",
    ),
    *(
        b"dwell: " + b"(" * 240 + b"f" + b")" * 240 + b"\n",
        b"dwell: f" + b"-f" * 240 + b"\n",
        b"dwell: " + b"-" * 400 + b"f\n",
    ),
    *(
        b"dwell: f**f**f\n",
        b"dwell: __import__('os').mkdir('canary')\n",
        b"dwell: 9**9**9**9\n",
        b"<<: 3\n",
    ),
    *(b"threshold: 0o\n", b"threshold: 190:20:30\n", b"threshold: -0x\n", b'about: "\\ud800"\n'),
]
OBJECTS = [
    *(
        b"!!python/object/apply:os.mkdir [canary]",
        b"!!python/name:os.system",
        b"!!python/object/new:os.mkdir [canary]",
    ),
    *(
        b"!!python/module:os",
        b"!<tag:yaml.org,2002:python/object/apply:os.mkdir> [canary]",
        b"!include canary",
    ),
    b"!!python/object/apply:subprocess.check_output [[mkdir, canary]]",
]
MERGES = b"a0: &a0 {k: 1}\n" + b"".join(
    b"a%d: &a%d {<<: [*a%d, *a%d]}\n" % (k, k, k - 1, k - 1) for k in range(1, 28)
)
LAUGHS = b"b0: &b0 [x, x]\n" + b"".join(
    b"b%d: &b%d [*b%d, *b%d]\n" % (k, k, k - 1, k - 1) for k in range(1, 40)
)
YAML_BOMBS = [MERGES, LAUGHS, b"[" * 5000, b"{a: " * 3000, b"- " * 5000, b"a: &a {b: *a}\n"]


@st.composite
def adapters(draw):
    pieces = [(key, 1) for key in [*ADAPTER, draw(st.sampled_from(FEEDBACKS))]]
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=draw(st.sampled_from([0, 0, 1, 2])))):
        pieces.append((key, 1))
    odd = st.sampled_from([*OBJECTS, *YAML_BOMBS]).map(lambda text: (b"about: " + text + b"\n", 1))
    if draw(st.integers(0, 9)) == 3:
        pieces.append(draw(st.one_of(odd, odd, st.just((b"#" + b"a" * 1023, 5 * 1024)))))
    return pieces


@st.composite
def logs(draw):
    content = draw(contents(tables(LOG_HEADERS, [IDS, IDS, TIMES[:4], NUMBERS])))
    named = draw(st.sampled_from([*("mine.yaml",) * 9, None, "movielens", "wechat", "../x", ""]))
    files = {"log.csv": content}
    if named == "mine.yaml":
        files["mine.yaml"] = Content(draw(mangled(adapters())))
    options = {"adapter": named, "chunk": draw(st.sampled_from([1, 3, 1000]))}
    options["max_malformed"] = draw(st.sampled_from([0.0, 1.0]))
    return Case("log", files, options)


VALUES = [
    *(
        b"3",
        b"1e-3",
        b"0.5",
        b"true",
        b"null",
        b"[a, b]",
        b"[1, 2]",
        b"text",
        b"''",
        b"-1",
        b"1e400",
    ),
    *(
        b"9" * 400,
        b"9" * 5000,
        b".nan",
        b".inf",
        b"2014-01-01",
        b"2014-99-99",
        b"!!timestamp x",
        b"!!bool x",
    ),
    *(
        b"!!int x",
        b"!!int ''",
        b"!!float x",
        b"!!binary '*'",
        b"!!set {a}",
        b"!!omap [a]",
        b"!!pairs [a]",
    ),
    *(
        b"!!null x",
        b"0o",
        b"-",
        b"190:20:30",
        b"{a: b}",
        b"[[1]]",
        b"&a [*a]",
        b"*a",
        b"{<<: 3}",
        b"{<<: [3]}",
    ),
    *(
        b"|\n    a\n    b",
        b'"\\0"',
        b'"\\ud800"',
        b"'# x: y'",
        b"!!str",
        b"!!merge x",
        b"=",
        b"<<",
        b"0b",
        b"!!str [a]",
    ),
    *(
        b"-.inf",
        b"[" + b"9" * 400 + b"]",
        b"../../canary",
        b"[a, [b]]",
        b"0x" + b"f" * 400,
        b"1_0",
        b"!!seq x",
    ),
]
COMMENTS = [
    *(
        b"  # int: a",
        b"  # float in [0, 1]: b",
        b"  # str (a, b): c",
        b"  # list of int: d",
        b"  # bool: e",
    ),
    *(
        b"",
        b"  # int (" + b"9" * 400 + b"): f",
        b"  # float > 1e999: g",
        b"  # float (nan): h",
        b"  # str or null: i",
    ),
    *(
        b"  # int in [" + b"9" * 400 + b", 2]: j",
        b"  # int (" + b"9" * 5000 + b"): k",
        b"  # list of str: l",
        b"  # float: m",
    ),
]
NAMES = [
    b"new",
    b"epochs",
    b"learning_rate",
    b"split",
    b"tower_layers",
    b"class",
    b"replace",
    b"a b",
    b"protocol",
]


@st.composite
def hparams(draw):
    pieces = []
    for section in draw(
        st.lists(st.sampled_from([b"model", b"train", b"data", b"info", b"x"]), max_size=3)
    ):
        pieces.append((section + b":\n", 1))
        for _ in range(draw(st.integers(0, 3))):
            value = draw(rarely(st.sampled_from(OBJECTS + YAML_BOMBS), st.sampled_from(VALUES), 10))
            pieces += [(b"  " + draw(st.sampled_from(NAMES)) + b": ", 1), (value, 1)]
            pieces.append((draw(st.sampled_from(COMMENTS)) + b"\n", 1))
    if draw(st.integers(0, 60)) == 30:
        pieces.append(draw(st.sampled_from([LONG, (b"a: b\n", 2 * MIB), (b"[", 100000)])))
    files = {"mine.yaml": Content(draw(mangled(st.just(pieces))))}
    return Case("hparams", files, {"alone": draw(st.booleans())})


FLAG_NAMES = [
    *(
        "epochs",
        "learning_rate",
        "model",
        "protocol",
        "tower_layers",
        "split",
        "seed",
        "device",
        "adapter",
    ),
    *(
        "interactions",
        "ratings",
        "help",
        "nope",
        "flagfile",
        "undefok",
        "model_type",
        "cache_dir",
        "show_progress",
    ),
    *(
        "noshow_progress",
        "",
        "-",
        "epochs.x",
        "paper_column",
        "iterator",
        "hidden_size",
        "init_stddev",
        "no",
    ),
]
FLAG_VALUES = st.one_of(
    st.sampled_from(
        [*VALUES, *ODD, b"log", b"dfar", b"../base", b"mine.flags", b"~nobody/x", b"a,b", b"[1,2]"]
    ).map(lambda text: text.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
    st.text(st.characters(blacklist_characters="\0"), max_size=5),
    st.just("9" * 100000),
)


@st.composite
def flags(draw):
    arguments = []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(FLAG_NAMES))
        form = draw(
            st.sampled_from(["--{}={}", "--{}={}", "--{}={}", "--{}", "-{}={}", "{}{}", "--{} {}"])
        )
        arguments.append(form.format(name, draw(FLAG_VALUES)))
    lines = st.sampled_from(
        [b"--epochs=3\n", b"--flagfile=mine.flags\n", b"\xff\n", b"#\n", b"\0\n", b"nope\n"]
    )
    pieces = st.lists(lines.map(lambda text: (text, 1)), max_size=3)
    files = {"mine.flags": Content(draw(mangled(pieces)))}
    return Case("flags", files, {"arguments": arguments})


@st.composite
def rows(draw):
    header = draw(st.sampled_from(ROW_HEADERS))
    sound = {b"history": HISTORIES, b"item": IDS, b"candidate": IDS}
    columns = [sound.get(name, IDS) for name in header.split(b",")]
    content = draw(contents(tables([header], columns, [b",", b",", b"\t"])))
    options = {"chunk": draw(st.sampled_from([1, 2, 100000]))}
    options["output"] = draw(st.sampled_from(["out.csv", "out.tsv.gz", "deeper/out.csv"]))
    return Case("rows", {"rows.csv": content}, options)


@st.composite
def histories(draw):
    record = st.one_of(st.sampled_from([h.strip(b'"') for h in HISTORIES]), ODD_PIECE)
    texts = []
    for _ in range(draw(st.integers(0, 4))):
        text = b",".join(draw(st.lists(record, max_size=4))).decode("utf-8", "replace")
        texts.append(text * draw(st.sampled_from([1] * 200 + [MIB])))
    return Case("histories", {}, {"texts": texts})


@st.composite
def lists(draw):
    pieces = st.lists(
        st.one_of(st.sampled_from([b"u1\n", b"u2\n", b"\n", b"u1,u2\n"]), ODD_PIECE), max_size=5
    )
    content = draw(contents(pieces.map(lambda texts: [(text, 1) for text in texts])))
    return Case("lists", {"users.txt": content}, {})
