"""Arithmetic over columns, as an adapter writes it: ``like - hate``, ``event == "dislike"``.

A text is parsed to a syntax tree, of which only names, numbers, ``+ - * /``, comparisons, ``and``, ``or``,
``not``, brackets, and texts that a column is compared with are taken; nothing is ever evaluated by Python.
"""

import ast
import functools
import math
import re
import warnings
from typing import Any, Dict, List

import numpy as np

from recommenders_utils.errors import UserError

LONGEST = 500  # characters: keeps the tree shallow
ALLOWED = (
    "expected columns, numbers, + - * /, comparisons, and, or, not, brackets; a column may be compared "
    'with text: event == "like", event != "view", event in ("like", "share")'
)
# Text in quotes is left alone where a name between backticks is looked for.
_BACKTICKS = re.compile(r"""`([^`\n]+)`|"[^"\n]*"|'[^'\n]*'""")

_OPERATORS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.Not: np.logical_not,
}


class Expression:
    """One expression.

    A column whose name is no plain word stands between backticks: ```play time` / 1000``. Text is compared
    exactly, spaces around it left out.

    Attributes:
      columns: the names in it, in order of appearance.
      texts: those of them that are compared with text; the others are numbers.

    Args:
      text: the expression; a number is taken too.
      where: file and key, for messages.

    Raises:
      UserError: not an expression, or one with anything beyond what is allowed; a column that is
        compared with text and is a number too.
    """

    def __init__(self, text, where="expression"):
        self.text, self.where = str(text).strip(), where
        self.columns, self.texts, self._quoted = [], [], {}
        if not self.text or len(self.text) > LONGEST:
            raise UserError(
                f"{where}: an expression of {len(self.text)} characters; {ALLOWED}, at most "
                f"{LONGEST} characters"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # "1if": Python warns of it, we refuse it
                tree = ast.parse(self._plain(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError, Warning):
            raise UserError(
                f"{where}: {self.text!r} is not an expression; {ALLOWED}, such as like - hate; "
                "put a column whose name is not a plain word between backticks"
            ) from None
        self._value = self._compiled(tree)

    @property
    def numbers(self) -> List[str]:
        """The columns that must hold numbers, in order of appearance."""
        return [name for name in self.columns if name not in self.texts]

    def evaluate(self, columns: Dict[str, Any]) -> np.ndarray:
        """The value for each row.

        Args:
          columns: name -> float64 [n]; of a column that is compared with text, ``columns.Texts`` [n].

        Returns:
          float64 [n]; comparisons, ``and``, ``or`` and ``not`` give 0 or 1. Division by zero gives
          infinities or NaN.
        """
        count = len(next(iter(columns.values()))) if columns else 1
        with np.errstate(all="ignore"):
            values = self._value(columns)
        return np.array(np.broadcast_to(np.asarray(values, np.float64), [count]))

    def _plain(self):
        """The text with every name between backticks replaced by a plain one."""

        def replaced(match):
            if match.group(1) is None:
                return match.group()
            name = f"_quoted_{len(self._quoted)}_"
            self._quoted[name] = match.group(1)
            return name

        return _BACKTICKS.sub(replaced, self.text)

    def _compiled(self, node):
        """A function of the columns that gives a node's value; raises UserError at what is not allowed."""
        number = _number(node)
        if number is not None:
            return lambda columns: np.float64(number)
        if isinstance(node, ast.Name):
            name = self._named(node, is_text=False)
            return lambda columns: columns[name]
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            found = self._membership(node.left, node.ops[0], node.comparators[0])
            if found:
                return found
        # Those of a comparison, or the one of any other operation, or [None] for any other node.
        operators = getattr(node, "ops", [getattr(node, "op", None)])
        operators = [_OPERATORS.get(type(operator)) for operator in operators]
        if None in operators:
            raise self._not_allowed()
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        apply = _compared if isinstance(node, ast.Compare) else _combined
        parts = [self._compiled(part) for part in parts]
        # Booleans as 0 and 1, so that ``+`` adds them instead of combining them by ``or``.
        return lambda columns: np.asarray(
            apply(operators, [part(columns) for part in parts]), np.float64
        )

    def _not_allowed(self):
        return UserError(
            f"{self.where}: {self.text!r} contains something that is not allowed; {ALLOWED}"
        )

    def _named(self, node, is_text):
        """The column of a name; UserError if it is a number in one place and text in another."""
        name = self._quoted.get(node.id, node.id)
        if name in self.columns and is_text != (name in self.texts):
            raise UserError(
                f"{self.where}: {self.text!r} compares {name} with text and takes it for a number too; "
                f"write the number as text, such as {name} == '1'"
            )
        self.columns += [name] if name not in self.columns else []
        self.texts += [name] if is_text and name not in self.texts else []
        return name

    def _membership(self, left, operator, right):
        """A function for ``==`` and ``!=`` with a text, ``in`` and ``not in``; None for other nodes."""
        within = isinstance(operator, (ast.In, ast.NotIn))
        values = _constants(right) if within else _text(right)
        if not within and values is None:
            values, left = _text(left), right
        if values is None and not within:
            return None
        negated = isinstance(operator, (ast.NotEq, ast.NotIn))
        if values is None or not isinstance(operator, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
            raise self._not_allowed()
        if not isinstance(values[0], str):
            number = self._compiled(left)
            return lambda columns: np.float64(np.isin(number(columns), values) != negated)
        if not isinstance(left, ast.Name):
            raise self._not_allowed()
        name, wanted = self._named(left, is_text=True), frozenset(text.strip() for text in values)

        def matches(texts):
            return np.array([(text.strip() in wanted) != negated for text in texts], np.float64)

        return lambda columns: columns[name].each(matches)


def _combined(operators, values):
    return functools.reduce(*operators, values) if len(values) > 1 else operators[0](*values)


def _compared(operators, values):
    """``a < b < c`` is ``a < b and b < c``."""
    pairs = zip(operators, values, values[1:])
    return functools.reduce(np.logical_and, [test(*pair) for test, *pair in pairs])


def _number(node):
    """The finite number that a node is, or None."""
    try:
        value = ast.literal_eval(node)
        number = float(value) if type(value) in (int, float) else math.nan
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(node):
    """The text that a node is, alone in a tuple, or None."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None
    return (value,) if isinstance(value, str) else None


def _constants(node):
    """The texts, or else the numbers, of a list in brackets, as a tuple; None if it is none."""
    parts = getattr(node, "elts", ())
    texts, numbers = [_text(part) for part in parts], [_number(part) for part in parts]
    if parts and None not in texts:
        return tuple(text for (text,) in texts)
    return tuple(numbers) if parts and None not in numbers else None
