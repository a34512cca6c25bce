"""Strategies for hostile settings: adapters, hyper-parameters, flags."""

from fuzz_inputs import LONG, MIB, ODD, Case, Content, mangled, rarely
from hypothesis import strategies as st

ADAPTER = [b"user: u\n", b"item: i\n", b"time: t\n"]
# fmt: off
FEEDBACKS = [
    *(b"label: f\n", b"feedback: f - 1\n"),
    *(b"rating: f\nthreshold: 2\n", b"positive: f\nnegative: 1\n"),
    *(b"watch_ratio: f / t\n",),
    *(b"play: f\nduration: t\nzero_duration: positive\n", b"feedback: f/0\n"),
    *(b'label: f == "1"\n', b"positive: f in ('1', '3')\nnegative: f not in (1, 2)\n"),
]
# fmt: on
# fmt: off
KEYS = [
    *(b"dwell: f * f\n", b"finish: u\n", b"time_unit: milliseconds\n", b"time_unit: text\n"),
    *(b"missing_time: drop\n",),
    *(b"columns: [u, i, t, f]\n", b'delimiter: "\\t"\n', b"utc_offset_hours: .nan\n"),
    *(b"utc_offset_hours: 1e308\n", b"threshold: .inf\n"),
    *(b"forms: [{}, {label: f}]\n", b"forms: []\n"),
    *(b"hparams: ../../canary\n", b"recognise: 1\n"),
    *(b"? [a]\n: b\n", b"? {a: b}\n: c\n", b"1: 2\n"),
    *(b"user: 1e999\n", b"about: 2014-99-99\n", b"about: !!timestamp x\n", b"about: !!bool x\n"),
    *(b"about: !!int x\n", b"about: !!float x\n"),
    *(b"about: !!binary '*'\n", b"about: !!set {a, b}\n"),
    *(b"time_unit: [a]\n", b"conflict: {a: b}\n"),
    *(b"rating_min: " + b"9" * 400 + b"\n", b"yaml: &a [*a]\n"),
    *(b"dwell: " + b"(" * 240 + b"f" + b")" * 240 + b"\n",),
    *(b"dwell: f" + b"-f" * 240 + b"\n", b"dwell: " + b"-" * 400 + b"f\n"),
    *(b"dwell: f**f**f\n", b"dwell: __import__('os').mkdir('canary')\n"),
    *(b"dwell: 9**9**9**9\n", b"<<: 3\n"),
    *(b"explode: i\n", b"explode: [i, t, f]\n", b"explode: i\nseparator: u\n", b"explode: [u, u]\n"),
    *(b"explode: i\nentry: [i, y]\nentry_separator: '-'\n", b"entry: [i, f]\nexplode: zz\n"),
    *(b"explode: f\nentry: [f, g]\nentry_separator: 'i'\n", b"separator: ''\n", b"explode: 1\n"),
    *(b"time: row_order\n", b"time_format: '%Y'\n", b"time_format: '%Q%'\n", b"time_format: '%'\n"),
    *(b"duplicates: all\n", b"recognise: [a]\n", b"missing_number: zero\n", b"time_format: 1\n"),
    *(b"threshold: 0o\n", b"threshold: 190:20:30\n", b"threshold: -0x\n", b"about: \"\\ud800\"\n"),
]
# fmt: on
# fmt: off
OBJECTS = [
    *(b"!!python/object/apply:os.mkdir [canary]",),
    *(b"!!python/name:os.system", b"!!python/object/new:os.mkdir [canary]"),
    *(b"!!python/module:os",),
    *(b"!<tag:yaml.org,2002:python/object/apply:os.mkdir> [canary]", b"!include canary"),
    b"!!python/object/apply:subprocess.check_output [[mkdir, canary]]",
]
# fmt: on
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


# fmt: off
VALUES = [
    *(b"3", b"1e-3", b"0.5", b"true", b"null"),
    *(b"[a, b]", b"[1, 2]", b"text", b"''", b"-1", b"1e400"),
    *(b"9" * 400, b"9" * 5000, b".nan", b".inf"),
    *(b"2014-01-01", b"2014-99-99", b"!!timestamp x", b"!!bool x"),
    *(b"!!int x", b"!!int ''", b"!!float x"),
    *(b"!!binary '*'", b"!!set {a}", b"!!omap [a]", b"!!pairs [a]"),
    *(b"!!null x", b"0o", b"-", b"190:20:30", b"{a: b}"),
    *(b"[[1]]", b"&a [*a]", b"*a", b"{<<: 3}", b"{<<: [3]}"),
    *(b"|\n    a\n    b", b'"\\0"', b'"\\ud800"', b"'# x: y'", b"!!str", b"!!merge x"),
    *(b"=", b"<<", b"0b", b"!!str [a]"),
    *(b"-.inf", b"[" + b"9" * 400 + b"]", b"../../canary"),
    *(b"[a, [b]]", b"0x" + b"f" * 400, b"1_0", b"!!seq x"),
]
# fmt: on
# fmt: off
COMMENTS = [
    *(b"  # int: a", b"  # float in [0, 1]: b"),
    *(b"  # str (a, b): c", b"  # list of int: d", b"  # bool: e"),
    *(b"", b"  # int (" + b"9" * 400 + b"): f"),
    *(b"  # float > 1e999: g", b"  # float (nan): h", b"  # str or null: i"),
    *(b"  # int in [" + b"9" * 400 + b", 2]: j", b"  # int (" + b"9" * 5000 + b"): k"),
    *(b"  # list of str: l", b"  # float: m"),
]
# fmt: on
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


# fmt: off
FLAG_NAMES = [
    *("epochs", "learning_rate", "model", "protocol", "tower_layers", "split", "seed", "device", "adapter"),
    *("interactions", "ratings", "help", "nope", "flagfile", "undefok", "model_type"),
    *("cache_dir", "show_progress"),
    *("noshow_progress", "", "-", "epochs.x", "paper_column", "iterator", "hidden_size", "init_stddev", "no"),
]
# fmt: on
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
