"""Arithmetic over columns, as an adapter writes it: ``like - hate``, ``play >= 0.5 * duration``.

A text is parsed to a syntax tree, of which only names, numbers, ``+ - * /``, comparisons, ``and``, ``or``,
``not`` and brackets are taken; nothing is ever handed to Python's own evaluation.
"""

import ast
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
        self._quoted = {}
        if not self.text or len(self.text) > LONGEST:
            raise UserError(
                f"{where}: an expression of {len(self.text)} characters; {ALLOWED}, at most "
                f"{LONGEST} characters"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # "1if": Python warns of it, we refuse it
                self._tree = ast.parse(self._plain(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError, Warning):
            raise UserError(
                f"{where}: {self.text!r} is not an expression; {ALLOWED}, such as like - hate; a "
                "column whose name is no plain word goes between backticks"
            ) from None
        self.columns = []
        self._check(self._tree)

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
            values = self._value(self._tree, columns)
        return np.array(np.broadcast_to(np.asarray(values, np.float64), [count]))

    def _plain(self):
        """The text with every name between backticks replaced by a plain one."""

        def replaced(match):
            name = f"_quoted_{len(self._quoted)}_"
            self._quoted[name] = match.group(1)
            return name

        return re.sub(r"`([^`\n]+)`", replaced, self.text)

    def _check(self, node):
        if isinstance(node, ast.Name):
            name = self._quoted.get(node.id, node.id)
            if name not in self.columns:
                self.columns.append(name)
            return
        if _number(node) is not None:
            return
        if isinstance(node, ast.BinOp):
            known, parts = type(node.op) in _ARITHMETIC, [node.left, node.right]
        elif isinstance(node, ast.UnaryOp):
            known, parts = type(node.op) in _UNARY, [node.operand]
        elif isinstance(node, ast.BoolOp):
            known, parts = True, node.values
        elif isinstance(node, ast.Compare):
            known = all(type(op) in _COMPARISONS for op in node.ops)
            parts = [node.left, *node.comparators]
        else:
            known, parts = False, []
        if not known:
            raise UserError(f"{self.where}: {self.text!r} has more than is allowed; {ALLOWED}")
        for part in parts:
            self._check(part)

    def _value(self, node, columns):
        if isinstance(node, ast.Name):
            return columns[self._quoted.get(node.id, node.id)]
        if isinstance(node, ast.BinOp):
            return _ARITHMETIC[type(node.op)](
                self._value(node.left, columns), self._value(node.right, columns)
            )
        if isinstance(node, ast.UnaryOp):
            return _float(_UNARY[type(node.op)](self._value(node.operand, columns)))
        if isinstance(node, ast.BoolOp):
            values = [self._value(part, columns) for part in node.values]
            result = values[0] != 0
            for value in values[1:]:
                result = _BOOLEAN[type(node.op)](result, value != 0)
            return _float(result)
        if isinstance(node, ast.Compare):
            values = [self._value(part, columns) for part in (node.left, *node.comparators)]
            result = True
            for op, left, right in zip(node.ops, values, values[1:]):
                result = np.logical_and(result, _COMPARISONS[type(op)](left, right))
            return _float(result)
        return np.float64(_number(node))


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


def _float(values):
    """Truths as 0 and 1: two of them add up, not ``or``."""
    return np.asarray(values, np.float64)
