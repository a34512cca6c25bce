"""The type, bounds and choices of a hyper-parameter, read from its comment.

``key: 3  # int in [1, 9] (1, 3, 9): what it means`` is documentation and schema at once, so the
two cannot drift apart.
"""

import math
import numbers
import re
import reprlib
from typing import Any, NamedTuple, Optional, Tuple

import yaml

from recommenders_utils.errors import UserError, nearest

SECTIONS = ("data", "model", "train", "info")
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_COMMENT = re.compile(
    r"(?P<type>str or null|str|int|float|bool|list of (?:str|int|float))"
    rf"(?: (?P<op>>=|>|<=|<) (?P<limit>{_NUMBER})"
    rf"| in (?P<open>[\[(])(?P<low>{_NUMBER}), (?P<high>{_NUMBER})(?P<close>[\])]))?"
    r"(?: \((?P<choices>[^()]+)\))?: (?P<meaning>\S.*)$"
)
COMMENT_FORM = "'# TYPE: meaning' or '# TYPE (choice, choice): meaning'"
_FORMS = {"int": re.compile(r"[-+]?[0-9]+$"), "float": re.compile(_NUMBER + "$")}
_HOLDS = {
    ">=": lambda value, limit: value >= limit,
    ">": lambda value, limit: value > limit,
    "<=": lambda value, limit: value <= limit,
    "<": lambda value, limit: value < limit,
}
_FIXES = {
    "str": "write text, in quotes if YAML would read it as something else",
    "str or null": "write text (in quotes if YAML would read it as something else) or null",
    "int": "write a whole number such as 10",
    "float": "write a number such as 0.1 or 1e-3",
    "bool": "write true or false",
}


class Key(NamedTuple):
    """One hyper-parameter's entry in the schema.

    Attributes:
      name: the key, unique across sections.
      section: data, model, train or info.
      type: ``str``, ``str or null``, ``int``, ``float``, ``bool`` or ``list of str|int|float``.
      choices: the values allowed (for a list: its elements); empty if not restricted.
      bounds: pairs such as ``(">=", 1.0)`` that a number (for a list: every element) must satisfy.
      meaning: one line for the user.
    """

    name: str
    section: str
    type: str
    choices: Tuple
    bounds: Tuple
    meaning: str

    @classmethod
    def from_comment(cls, name: str, section: str, comment: str) -> Optional["Key"]:
        """Parses ``TYPE (choices): meaning``; returns None if ``comment`` has another form."""
        match = _COMMENT.match(comment)
        if not match:
            return None
        bounds: Tuple[Tuple[str, float], ...] = ()
        if match.group("op"):
            bounds = ((match.group("op"), float(match.group("limit"))),)
        elif match.group("low"):
            bounds = (
                (">=" if match.group("open") == "[" else ">", float(match.group("low"))),
                ("<=" if match.group("close") == "]" else "<", float(match.group("high"))),
            )
        if not all(math.isfinite(limit) for _, limit in bounds):
            return None  # could not be written and read again
        if bounds and match.group("type").split()[-1] not in ("int", "float"):
            return None
        key = cls(name, section, match.group("type"), (), bounds, match.group("meaning").strip())
        texts = (match.group("choices") or "").split(", ")
        try:
            choices = tuple(_from_text(key.element, text) for text in texts if text)
        except ValueError:
            return None
        return key._replace(choices=choices)

    @property
    def element(self) -> str:
        """The type of one value: a list's elements, else the type itself."""
        return self.type[len("list of ") :] if self.is_list else self.type

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return self.type.startswith("list of ")

    @property
    def kind(self) -> str:
        """Type, bounds and choices as the comment writes them."""
        text = self.type
        if len(self.bounds) == 1:
            text += f" {self.bounds[0][0]} {_show(self.bounds[0][1])}"
        elif self.bounds:
            (low_op, low), (high_op, high) = self.bounds
            text += " in {}{}, {}{}".format(
                "[" if low_op == ">=" else "(",
                _show(low),
                _show(high),
                "]" if high_op == "<=" else ")",
            )
        if self.choices:
            text += " ({})".format(", ".join(map(_show, self.choices)))
        return text

    def check(self, value: Any, where: str, text: bool = False) -> Any:
        """Returns ``value`` as this key's type (a list as a tuple).

        Args:
          value: what a YAML file or a caller gave.
          where: file and line, or flag, for the message.
          text: whether a string is to be parsed (``"1e-3"``, ``"true"``, ``"a,b"``, ``"null"``).

        Raises:
          UserError: another type, a value out of bounds, or not among the choices.
        """
        try:
            if self.is_list:
                if text and isinstance(value, str):
                    inner = re.sub(r"^\[(.*)\]$", r"\1", value.strip())
                    value = [part.strip() for part in inner.split(",")] if inner.strip() else []
                if not isinstance(value, (list, tuple)):
                    raise ValueError
                result = tuple(_convert(self.element, item, text) for item in value)
            else:
                result = _convert(self.type, value, text)
        except (ValueError, OverflowError):  # 10 ** 400 is no float
            fix = _FIXES.get(self.type, "write a list such as [a, b] (on the command line: a,b)")
            raise UserError(
                f"{where}: '{self.name}' must be {self.kind}, got {brief(value)}; {fix}"
            ) from None
        for item in result if self.is_list else (result,):
            if self.choices and item not in self.choices:
                names = [_show(choice) for choice in self.choices]
                near = nearest(str(item), names)
                raise UserError(
                    f"{where}: '{self.name}' cannot be {brief(item)}; choose one of "
                    + ", ".join(names)
                    + (f" (nearest: {near[0]})" if near else "")
                )
            if any(not _HOLDS[op](item, limit) for op, limit in self.bounds):
                raise UserError(
                    f"{where}: '{self.name}' must be {self.kind}, got {brief(item)}; "
                    "choose a value within these bounds"
                )
        return result


def to_yaml(value: Any) -> str:
    """``value`` as one line of YAML that reads back as itself."""
    if isinstance(value, tuple):
        value = list(value)
    form = dict(default_flow_style=True, width=math.inf, allow_unicode=True)
    text = yaml.safe_dump(value, **form)
    text = (text[: -len("...\n")] if text.endswith("\n...\n") else text).strip("\n")
    if len(text.splitlines()) > 1:  # a line break within text: the double-quoted style escapes it
        text = yaml.safe_dump(value, default_style='"', **form).strip("\n")
    return text


def _show(value):
    """A choice or bound as a comment writes it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def brief(value: Any) -> str:
    """``repr`` of any size cut to a message's length (YAML aliases can make it exponential)."""
    try:
        text = _SHORT.repr(value)
    except Exception:  # numbers of thousands of digits, and what a class may do
        text = "a value"
    return f"{text} ({'null' if value is None else type(value).__name__})"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def _convert(kind, value, text):
    """One value as ``kind``; ValueError if it is of another type, or text with a NUL."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError  # no path may have one
    if text and isinstance(value, str):
        return _from_text(kind, value)
    if kind.startswith("str") and isinstance(value, str):
        return value
    if kind == "str or null" and value is None:
        return None
    if kind == "float" and isinstance(value, str):
        return _from_text(kind, value)  # YAML 1.1 reads 1e-3, without a point, as a string
    if isinstance(value, bool) != (kind == "bool"):
        raise ValueError
    if kind == "bool":
        return value
    if kind == "int" and isinstance(value, numbers.Integral):
        return int(value)
    if kind == "float" and isinstance(value, numbers.Real):
        return _finite(float(value))
    raise ValueError


def _from_text(kind, text):
    """One value from the command line's text; ValueError if it does not parse."""
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise ValueError
        return text.lower() == "true"
    if kind in ("int", "float") and not _FORMS[kind].match(text):
        raise ValueError  # Python's own parsers also take "1_0", "nan" and "infinity"
    if kind == "int":
        return int(text)
    if kind == "float":
        return _finite(float(text))
    return None if kind == "str or null" and text == "null" else text


def _finite(value):
    """``value``, unless it is NaN or infinite: no hyper-parameter may be either."""
    if not math.isfinite(value):
        raise ValueError
    return value
