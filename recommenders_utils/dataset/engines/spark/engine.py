"""Parses a log with Spark, block by block; this process cuts the blocks and gathers their numbers."""

import functools
import itertools
from typing import Any, Callable, Iterable, Iterator

from recommenders_utils.dataset.engines.numpy import NumpyEngine
from recommenders_utils.dataset.engines.spark.session import spark_session
from recommenders_utils.errors import UserError

BLOCKS = 2  # for each of Spark's tasks at once; what is on its way stays in memory


class SparkEngine(NumpyEngine):
    """Gathers a log whose text is parsed on Spark's workers, by the same reader.

    Args:
      master: of a cluster; by default all cores of this machine.
    """

    NAME = "spark"

    def __init__(self, master=None):
        self.master = master

    def flat_map(
        self, say: Callable[[str], Any], function: Callable[..., Any], blocks: Iterable[Any]
    ) -> Iterator[Any]:
        """Yields what a function yields for each block, from Spark's workers; see ``spark_session``."""
        with spark_session(self.master) as session:
            context = session.sparkContext
            say(f"data: reading with Spark {session.version} on {context.master}")
            size, parse = BLOCKS * context.defaultParallelism, functools.partial(_told, function)
            for first in blocks:
                batch = [first, *itertools.islice(blocks, size - 1)]
                for found in context.parallelize(batch, len(batch)).flatMap(parse).collect():
                    if isinstance(found, Exception):
                        raise found
                    yield found


def _told(function, block):
    """What ``function`` yields; in the end what it raises of a log, which Spark would wrap."""
    try:
        yield from function(block)
    except (UserError, UnicodeDecodeError) as error:
        yield error
