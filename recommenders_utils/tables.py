"""One table as plain text, Markdown or CSV."""

import csv
import io
import numbers
import re
import textwrap
from typing import Any, Optional, Sequence

from recommenders_utils.errors import described
from recommenders_utils.files import atomic_write

WIDTH = 88  # columns of the text around a table
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_RULE = {"l": "---", "r": "---:", "c": ":---:"}


def counted(number: int, noun: str) -> str:
    """``1 row``, ``1,234 rows``."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def format_table(
    headers: Sequence[Any],
    rows: Sequence[Sequence[Any]],
    title: Optional[str] = None,
    align: Optional[str] = None,
    rule: bool = True,
) -> str:
    """Aligned plain text for a terminal.

    Args:
      headers: column names.
      rows: sequences of as many cells: text as it is, floats with 4 digits, integers with
        thousands separators, None and NaN as ``-``.
      title: text above, wrapped; its line breaks are kept.
      align: one of ``l``, ``r``, ``c`` a column, as in ``"lrr"``; by default columns of numbers to
        the right, others to the left.
      rule: whether dashes separate the headers from the rows.

    Returns:
      The text, without a line break at its end.
    """
    align = align or _alignment(headers, rows)
    cells = [list(map(str, headers))] + [[cell_text(cell) for cell in row] for row in rows]
    cells = [[_one_line(cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells)]
    if rule:
        cells.insert(1, ["-" * width for width in widths])
    pad = {"l": str.ljust, "r": str.rjust, "c": str.center}
    lines = [
        "  ".join(pad[a](cell, width) for cell, width, a in zip(row, widths, align)).rstrip()
        for row in cells
    ]
    if title:
        wrapped = [textwrap.fill(line, WIDTH) for line in title.splitlines()]
        lines = [*wrapped, "", *lines]
    return "\n".join(lines)


def to_markdown(
    headers: Sequence[Any], rows: Sequence[Sequence[Any]], align: Optional[str] = None
) -> str:
    """The same table as Markdown; ``|`` in a cell is escaped."""
    align = align or _alignment(headers, rows)
    lines = [list(map(str, headers)), [_RULE[a] for a in align]]
    lines += [[cell_text(cell) for cell in row] for row in rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def to_csv(
    headers: Sequence[Any], rows: Sequence[Sequence[Any]], path: Optional[str] = None
) -> str:
    """The same table as CSV text with numbers in full; written to ``path`` (atomically) if given.

    None and NaN are empty fields.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([["" if undefined(cell) else cell for cell in row] for row in rows])
    if path is not None:
        with atomic_write(path, newline="") as stream:
            stream.write(buffer.getvalue())
    return buffer.getvalue()


def printable(text: str) -> str:
    """``text`` with escapes in place of what a terminal would obey; line breaks and tabs stay.

    These are control characters, and marks that change the direction of writing.
    """
    return _COMMANDS.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def cell_text(cell: Any) -> str:
    """A cell as tables print it: floats with 4 digits, thousands separators, ``-`` for None and NaN."""
    if undefined(cell):
        return "-"
    if isinstance(cell, bool) or not isinstance(cell, numbers.Real):
        return described(cell, None) if isinstance(cell, (list, dict, tuple)) else str(cell)
    try:
        return f"{cell:,}" if isinstance(cell, numbers.Integral) else f"{cell:.4f}"
    except (OverflowError, ValueError, TypeError):  # thousands of digits, a fraction
        return described(cell, 30)


def undefined(cell: Any) -> bool:
    """Whether a cell is None or NaN, which tables print as ``-``."""
    return cell is None or (isinstance(cell, numbers.Real) and bool(cell != cell))


def _one_line(cell):
    return printable(cell).replace("\n", "\\n").replace("\t", "\\t")


def _alignment(headers, rows):
    columns = list(zip(*rows)) or [()] * len(headers)

    def numeric(column):
        known = [cell for cell in column if not undefined(cell)]
        return known and all(isinstance(cell, numbers.Number) for cell in known)

    return "".join("r" if numeric(column) else "l" for column in columns)
