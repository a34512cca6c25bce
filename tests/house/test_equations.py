"""docs/equations.md: every equation of the paper has one home in the code, and the table names it."""

import ast
import collections
import io
import re
import tokenize

import pytest
from places import CHECKOUT

ROW = re.compile(r"\| (\d+) \| \S.* \| `([\w/]+\.py)` `([\w.]+)` \|$")
MARK = re.compile(r"# Eqs?\. (\d+(?:(?:, |-)\d+)*)")


def table():
    """[(equation, path, symbol)] of docs/equations.md."""
    lines = (CHECKOUT / "docs" / "equations.md").read_text(encoding="utf-8").splitlines()
    found = [ROW.match(line) for line in lines if re.match(r"\| +\d", line)]
    assert None not in found
    return [(int(match.group(1)), match.group(2), match.group(3)) for match in found]


def numbers(text):
    """``16, 17`` or ``2-4`` -> the equations."""
    for part in text.split(", "):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def marks():
    """{equation: [(path, line)]} of every comment that begins with an equation's number."""
    found = collections.defaultdict(list)
    for package in ("dfar_tf", "recommenders_utils"):
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                mark = MARK.match(token.string) if token.type == tokenize.COMMENT else None
                for number in numbers(mark.group(1)) if mark else ():
                    place = path.relative_to(CHECKOUT).as_posix()
                    found[number].append((place, token.start[0]))
    return found


def lines_of(path, symbol):
    """Range of the lines of a class, function or method, from its first to the next one's."""
    body = ast.parse((CHECKOUT / path).read_text(encoding="utf-8")).body
    for name in symbol.split("."):
        named = [n for n in body if getattr(n, "name", None) == name]
        assert len(named) == 1, f"{path} has no {symbol}"
        body, node = named[0].body, named[0]
    last = max(getattr(each, "lineno", 0) for each in ast.walk(node))
    return range(node.lineno, last + 1)


def test_the_table_lists_every_equation_once():
    assert [number for number, _, _ in table()] == list(range(1, 24))


def test_every_equation_has_one_home():
    found = marks()
    assert sorted(found) == list(range(1, 24))
    assert {number: places for number, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("number, path, symbol", table(), ids=str)
def test_the_table_names_it(number, path, symbol):
    ((place, line),) = marks()[number]
    assert place == path and line in lines_of(path, symbol)
