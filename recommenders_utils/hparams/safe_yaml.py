"""YAML of text, numbers, booleans and lists, safe to read from untrusted sources.

PyYAML's safe loader makes no objects, but a small file can still keep it busy forever: merge keys
(``<<``) double with every level, and a scalar with a wrong tag raises any Python error.
"""

import contextlib
import os
from typing import Any, Iterator

import yaml

from recommenders_utils.errors import UserError, shortened

DEEPEST = 40  # levels of values in one another
LONGEST = 128 << 10  # characters; reading takes about a second for each 100 KiB


class PlainLoader(yaml.SafeLoader):
    """A safe loader that refuses merge keys and raises YAMLError for every invalid value."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuses merge keys, which settings do not need."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, "a merge key '<<'; write the keys out", key.start_mark
                )
        super().flatten_mapping(node)

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        """Refuses deep nesting, whose cost PyYAML's scanner takes the square of."""
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "values nested too deeply", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_document(self, node: yaml.Node) -> Any:
        """A node's value.

        Raises:
          yaml.YAMLError: a value that is not what its tag says, or nested too deeply.
        """
        try:
            return super().construct_document(node)
        except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
            # An invalid timestamp, boolean or number raises any of these.
            problem = f"a value that does not fit its type ({error})"
        except RecursionError:
            problem = "values nested too deeply"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class TreeLoader(PlainLoader):
    """Also refuses aliases, so that the result is no larger than its text."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        """Refuses an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "an alias '*'; write the value out", mark)
        return super().compose_node(parent, index)


def read_text(path: str) -> str:
    """The text of a YAML file.

    Raises:
      UserError: no such file, with those there are; not UTF-8; over ``LONGEST`` characters.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read(LONGEST + 1)
    except FileNotFoundError:
        folder = os.path.dirname(str(path)) or "."
        if not os.path.isdir(folder):
            raise UserError(f"{path}: no such file, nor folder '{folder}'") from None
        there = sorted(name for name in os.listdir(folder) if name.endswith((".yaml", ".yml")))
        have = "it has " + ", ".join(there) if there else "it has no YAML file"
        raise UserError(f"{path}: no such file in '{folder}'; {have}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(text) > LONGEST:
        raise UserError(
            f"{path}: over {LONGEST >> 10} KiB, expected a short file of 'key: value' lines"
        )
    return text


@contextlib.contextmanager
def parsed(path: str, expected: str) -> Iterator[None]:
    """Context in which PyYAML's errors become UserErrors that name the line and what is expected."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = shortened(str(error.problem or error.context), 300)
        line = mark.line + 1 if mark else 1
        raise UserError(f"{path}:{line}: not YAML: {problem}; expected {expected}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; expected 'key: value' lines") from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise UserError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
