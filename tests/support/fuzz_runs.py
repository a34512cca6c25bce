"""Cases for the doors behind a finished run (``fuzz_doors.py``)."""

from fuzz_doors import DOORS, FILES, HUGE
from fuzz_inputs import Case
from hypothesis import strategies as st

PIECES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(
        [
            *(
                b"null",
                b"[]",
                b"{}",
                b"[" * 3000,
                b'{"a":' * 3000,
                b"\xff\xfe",
                b"\0",
                b"1e999",
                b"-1",
            ),
            *(
                b'"',
                b"NaN",
                b"9" * 5000,
                b"\n",
                b",",
                b"!!python/object:os.system",
                b"&a [*a]",
                b"<<: 1",
            ),
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(
        *(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=9),
            st.binary(max_size=5),
        ),
        st.sampled_from([*HUGE, "x" * 5000, 1j, object, "SYNI000001", "SYNU000001", b"i1"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.lists(st.tuples(inner, st.sampled_from([0, 1, 1.0, "1", 2])), max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=8,
)


@st.composite
def folders(draw):
    change = st.tuples(
        st.sampled_from(["cut", "insert", "over", "over", "all"]), st.integers(0, 1 << 16), PIECES
    )
    options = {
        "name": draw(st.sampled_from(FILES)),
        "changes": draw(st.lists(change, min_size=1, max_size=3)),
        "sealed": draw(st.booleans()),
        "door": draw(st.sampled_from(DOORS)),
    }
    return Case("run_folder", {}, options)


@st.composite
def calls(draw):
    method = draw(st.sampled_from(["score", "score", "recommend", "load"]))
    return Case("python", {}, {"method": method, "arguments": (draw(VALUES), draw(VALUES))})


@st.composite
def grids(draw):
    key = st.sampled_from(
        [
            "hidden_size",
            "learning_rate",
            "seed",
            "name",
            "dataset",
            "given",
            "model_type",
            "loss",
            "",
            "x",
        ]
    )
    value = st.one_of(
        st.sampled_from(
            ["8", "16", "1e-3", "bpr", "", " ", "nan", "9" * 400, "-1", "true", "null"]
        ),
        st.text(max_size=6),
    )
    axis = st.tuples(key, st.lists(value, max_size=40)).map(lambda a: f"{a[0]}={','.join(a[1])}")
    text = draw(st.one_of(st.lists(axis, max_size=6).map(";".join), st.text(max_size=12)))
    number = st.one_of(
        st.sampled_from(["1", "3", "0", "-1", "9" * 30, "\u00b2", "1e3", None]), st.text(max_size=4)
    )
    return Case("grid", {}, {"text": text, "seeds": draw(number), "seed": draw(number)})
