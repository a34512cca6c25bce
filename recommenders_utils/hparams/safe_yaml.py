"""YAML of text, numbers, booleans and lists, safe to read from untrusted sources.

PyYAML's safe loader makes no objects, but a small file can still keep it busy forever: merge keys
(``<<``) double with every level, and a scalar with a wrong tag raises any Python error.
"""

from typing import IO, Any

import yaml

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


def read_text(stream: IO[str]) -> str:
    """The text of an open file; raises ``TooLong`` above the limit."""
    text = stream.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise TooLong(f"over {LONGEST >> 10} KiB, expected a short file of 'key: value' lines")
    return text


class TooLong(ValueError):
    """More text than ``LONGEST``."""
