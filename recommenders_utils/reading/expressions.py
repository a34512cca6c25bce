"""Arithmetic over columns, as an adapter writes it: ``like - hate``, ``play >= 0.5 * duration``.

A text is parsed to a syntax tree, of which only names, numbers, ``+ - * /``, comparisons, ``and``, ``or``,
``not`` and brackets are taken; nothing is ever evaluated by Python.
"""

import ast
import functools
import math
import re
import warnings
from typing import Any, Dict

import numpy as np

from recommenders_utils.errors import UserError

LONGEST = 500  # characters: keeps the tree shallow
ALLOWED = "expected columns, numbers, + - * /, comparisons, and, or, not, brackets"

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

    def evaluate(self, columns: Dict[str, Any]) -> np.ndarray:
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
        # Those of a comparison, or the one of any other operation, or [None] for any other node.
        operators = getattr(node, "ops", [getattr(node, "op", None)])
        operators = [_OPERATORS.get(type(operator)) for operator in operators]
        if None in operators:
            raise UserError(
                f"{self.where}: {self.text!r} contains something that is not allowed; {ALLOWED}"
            )
        parts = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        apply = _compared if isinstance(node, ast.Compare) else _combined
        parts = [self._compiled(part) for part in parts]
        # Booleans as 0 and 1, so that ``+`` adds them instead of combining them by ``or``.
        return lambda columns: np.asarray(
            apply(operators, [part(columns) for part in parts]), np.float64
        )


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
