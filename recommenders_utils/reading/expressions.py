"""Arithmetic over columns, as an adapter writes it: ``like - hate``, ``play >= 0.5 * duration``.

A text is parsed to a syntax tree, of which only names, numbers, ``+ - * /``, comparisons, ``and``, ``or``,
``not`` and brackets are taken; nothing is ever evaluated by Python.
"""

import ast
import functools
import math
import re
import warnings

import numpy as np

from recommenders_utils.errors import UserError

LONGEST = 500  # characters: keeps the tree shallow
ALLOWED = "expected columns, numbers, + - * /, comparisons, and, or, not, brackets"

_ARITHMETIC = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide}
_COMPARISONS = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_UNARY = {ast.USub: np.negative, ast.UAdd: np.positive, ast.Not: np.logical_not}
_BOOLEAN = {ast.And: np.logical_and, ast.Or: np.logical_or}


class Expression:
    """One expression; ``columns`` are the names in it, in order of appearance.

    A column whose name is no plain word stands between backticks: ```play time` / 1000``.

    Args:
      text: the expression; a number is taken too.
      where: file and key, for messages.

    Raises:
      UserError: not an expression, or one with anything beyond what is allowed.
    """

    def __init__(self, text, where="expression"):
        self.text, self.where = str(text).strip(), where
        self.columns, self._quoted = [], {}
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

    def evaluate(self, columns):
        """The value for each row.

        Args:
          columns: name -> float64 [n].

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
            name = f"_quoted_{len(self._quoted)}_"
            self._quoted[name] = match.group(1)
            return name

        return re.sub(r"`([^`\n]+)`", replaced, self.text)

    def _compiled(self, node):
        """A function of the columns that gives a node's value; raises UserError at what is not allowed."""
        number = _number(node)
        if number is not None:
            return lambda columns: np.float64(number)
        if isinstance(node, ast.Name):
            name = self._quoted.get(node.id, node.id)
            self.columns += [name] if name not in self.columns else []
            return lambda columns: columns[name]
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            apply, parts = _ARITHMETIC[type(node.op)], [node.left, node.right]
        elif isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
            apply, parts = _UNARY[type(node.op)], [node.operand]
        elif isinstance(node, ast.BoolOp):
            apply, parts = _joined(_BOOLEAN[type(node.op)]), node.values
        elif isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
            apply = _compared([_COMPARISONS[type(op)] for op in node.ops])
            parts = [node.left, *node.comparators]
        else:
            raise UserError(
                f"{self.where}: {self.text!r} contains something that is not allowed; {ALLOWED}"
            )
        parts = [self._compiled(part) for part in parts]
        # Booleans as 0 and 1, so that ``+`` adds them instead of combining them by ``or``.
        return lambda columns: np.asarray(apply(*(part(columns) for part in parts)), np.float64)


def _joined(combine):
    return lambda *values: functools.reduce(combine, [value != 0 for value in values])


def _compared(tests):
    """``a < b < c`` is ``a < b and b < c``."""
    return lambda *values: functools.reduce(
        np.logical_and, [test(*pair) for test, *pair in zip(tests, values, values[1:])]
    )


def _number(node):
    """The number a node is, or None; Python 3.7 has another node for it than 3.8 and later."""
    if type(node).__name__ not in ("Constant", "Num"):
        return None
    value = node.value if hasattr(node, "value") else node.n
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None
