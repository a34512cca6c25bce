"""Reads one hyper-parameter file: sections of ``key: value  # comment`` lines.

A long comment continues on the next lines, each of which holds a ``#`` in the same column and nothing
before it. Comment lines in any other column are headings and notes.
"""

from functools import lru_cache
from typing import Iterator, Optional

import yaml

from recommenders_utils.errors import UserError, shortened, suggest
from recommenders_utils.hparams.safe_yaml import PlainLoader, parsed, read_text
from recommenders_utils.hparams.schema import SECTIONS


class Entry:
    """One key as a file gives it.

    Attributes:
      name, section: as written.
      where: ``file:line``, for messages.
      value: what YAML makes of it.
      comment: the trailing comment's text with its continuation lines, or "".
    """

    def __init__(self, path, section, key_node, value_node, lines):
        self.section, self.name = section, key_node.value
        line = key_node.start_mark.line
        self.where = f"{path}:{line + 1}"
        # The comment follows the value, or "key:" if the value starts on a later line. A value may
        # itself contain "#", so look after its end.
        ends_here = value_node.end_mark.line == line and value_node.start_mark.line == line
        end = value_node.end_mark if ends_here else key_node.end_mark
        self.comment = _comment(lines, line, end.column)
        self.value = _construct(value_node, path)


def _comment(lines, line, start):
    """The comment in ``lines[line]`` from column ``start`` on, with its continuation lines."""
    before, mark, text = lines[line][start:].partition("#")
    if not mark or before.strip(" :"):
        return ""
    column, parts = start + len(before), [text.strip()]
    for below in lines[line + 1 :]:
        if below[:column].strip(" ") or below[column : column + 1] != "#":
            break
        parts.append(below[column + 1 :].strip())
    return " ".join(filter(None, parts))


def read_entries(path: str) -> Iterator["Entry"]:
    """Yields the ``Entry`` of each key of one YAML file, in its order.

    Raises:
      UserError: no such file; not YAML; an unknown section; a key or section given twice; a value
        that would construct an object.
    """
    text = read_text(path)
    with parsed(path, "sections ({}) of 'key: value' lines".format(", ".join(SECTIONS))):
        root = _composed(text)
    lines = text.splitlines()
    for section_node, section in _items(root, path, "section"):
        name = section_node.value
        if name not in SECTIONS:
            raise UserError(
                f"{path}:{section_node.start_mark.line + 1}: unknown section '{shortened(name)}'; "
                + suggest(name, SECTIONS)
            )
        for key_node, value_node in _items(section, path, "key"):
            yield Entry(path, name, key_node, value_node, lines)


@lru_cache(maxsize=32)
def _composed(text: str) -> Optional[yaml.Node]:
    """The nodes of a text; a run merges the same few files a dozen times."""
    return yaml.compose(text, Loader=PlainLoader)


def _items(node, path, what):
    """The (key, value) nodes of a mapping; an empty file or section has none."""
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
        return []
    if not isinstance(node, yaml.MappingNode):
        raise UserError(
            f"{path}:{node.start_mark.line + 1}: expected '{what}: ...' lines, got something else"
        )
    seen = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise UserError(f"{path}:{line}: a {what} must be a plain word")
        if key.value in seen:
            raise UserError(
                f"{path}:{line}: {what} '{shortened(key.value)}' is given twice (first in line "
                f"{seen[key.value]}); keep one of them"
            )
        seen[key.value] = line
    return node.value


def _construct(node, path):
    """A node's plain value; tags that would make objects are refused."""
    loader = PlainLoader("")
    try:
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        raise UserError(
            f"{path}:{node.start_mark.line + 1}: {shortened(str(problem), 300)}; only "
            "plain text, numbers, true/false, null and lists are allowed"
        ) from None
    finally:
        loader.dispose()
