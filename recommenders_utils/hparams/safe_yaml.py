"""YAML of texts, numbers, truths and lists, safe to read from anybody.

PyYAML's safe loader makes no objects, but a small file can still keep it busy for ever: merge keys (``<<``)
double with every level, and a scalar with a wrong tag ends in whatever Python raises.
"""

from typing import IO, Any

import yaml

LONGEST = 128 << 10  # characters; reading takes about a second for each 100 KiB


class PlainLoader(yaml.SafeLoader):
    """A safe loader that refuses merge keys and calls whatever is wrong with a value a YAMLError."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuses merge keys, for which settings have no use."""
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
            # A wrong value of a timestamp, truth or number ends in any of these.
            problem = f"a value that is not of its type ({error})"
        except RecursionError:
            problem = "values nested too deeply"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class TreeLoader(PlainLoader):
    """Refuses aliases too, so that what is read is no larger than its text."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node:
        """Refuses an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "an alias '*'; write the value out", mark)
        return super().compose_node(parent, index)


def read_text(stream: IO[str]) -> str:
    """The text of an open file; raises ``TooLong`` if no settings are as long."""
    text = stream.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise TooLong(f"over {LONGEST >> 10} KiB, expected a short file of 'key: value' lines")
    return text


class TooLong(ValueError):
    """More text than ``LONGEST``."""
