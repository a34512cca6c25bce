"""Strategies for hostile tables: ratings, logs of any columns, rows to score, histories."""

from fuzz_inputs import (
    IDS,
    MIB,
    NUMBERS,
    ODD_PIECE,
    TIMES,
    Case,
    Content,
    contents,
    mangled,
    tables,
)
from fuzz_settings import adapters
from hypothesis import strategies as st

# fmt: off
RATING_HEADERS = [
    *(b"user_id,item_id,rating,timestamp",) * 6,
    *(None, None, None, b"", b",,,", b"user_id,user_id,rating,timestamp", b"user_id,item_id,rating"),
    *(b"user_id:token,item_id:token,rating:float,timestamp:float",),
    *(b'"user_id","item_id","rating",ts',),
    *(b"user_id,item_id,,timestamp", b"userId,movieId,rating,timestamp"),
    *(b"a,b,c,d", b'"user_id,item_id'),
]
# fmt: on
# fmt: off
LOG_HEADERS = [
    *(b"u,i,t,f",) * 9,
    b"user_id,item_id,timestamp,label",
    *(b"user_id,item_id,timestamp,watch_ratio", b"user_id,video_id,time_ms,is_like", b"u,u,t,f"),
    *(None, b"", b"u,i,,f", b"u,i,t", b"user_id,item_id,timestamp,is like", b"u,i,t,f,f:float"),
]
# fmt: on
# fmt: off
ROW_HEADERS = [
    *(b"user,item", b"user,item", b"history,candidate", b"history,candidate", b"user,history,item"),
    *(b"", b"user,user,item", b"item", b"user_id,item_id,,", b"score,item,user", b'"user,item'),
]
# fmt: on
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


@st.composite
def logs(draw):
    content = draw(contents(tables(LOG_HEADERS, [IDS, IDS, TIMES[:4], NUMBERS])))
    named = draw(st.sampled_from([*("mine.yaml",) * 9, None, "movielens", "wechat", "../x", ""]))
    files = {"log.csv": content}
    if named == "mine.yaml":
        files["mine.yaml"] = Content(draw(mangled(adapters())))
    options = {"adapter": named, "block_bytes": draw(st.sampled_from([1, 64, 1 << 25]))}
    options["max_malformed"] = draw(st.sampled_from([0.0, 1.0]))
    return Case("log", files, options)


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
def long_rows(draw):
    """Rows that are short as a case and long as a file: what a parser might take the square of."""
    header = draw(
        st.sampled_from(
            [b"history,item", b"user,item", b"user\titem", b"user_id:token,item_id:token"]
        )
    )
    piece = st.sampled_from(
        [
            b",",
            b'"',
            b'""',
            b":",
            b" ",
            b"\r",
            b"\n",
            b"\t",
            b"\0",
            b"i1:1,",
            b"a",
            b"i1:1\n",
            b",\n",
            b'"\n',
        ]
    )
    times = st.sampled_from([1, 2, 1000, 70000, MIB])
    pieces = draw(st.lists(st.tuples(piece, times), min_size=1, max_size=4))
    content = Content(
        (((header + b"\n"), 1), *pieces, (draw(st.sampled_from([b"", b'"', b",i1\n"])), 1))
    )
    return Case(
        "rows",
        {"rows.csv": content},
        {"chunk": draw(st.sampled_from([2, 50000])), "output": "o.csv"},
    )


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
