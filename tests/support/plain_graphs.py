"""Sessions that run graphs as they were built, without TensorFlow's graph optimiser.

For a few small steps the optimiser takes longer than the steps: a third of the time of a small
training. It may change how a sum is rounded, and nothing else that the tests in FOLDERS look at.
The other tests, and the processes that any test starts, have it, as a user's runs do.
"""

import contextlib

import pytest

FOLDERS = ("bench", "book", "commands", "experiments", "models", "reading", "runs", "serving")


@contextlib.contextmanager
def plain_graphs():
    """Every session that is made meanwhile in this process leaves its graph as it is."""
    from recommenders_utils.backend import tf  # not where no test of FOLDERS is run

    base = tf.Session.__bases__[0]  # of the sessions that an estimator makes, too
    make = base.__init__

    def make_plain(self, target="", graph=None, config=None):
        changed = tf.ConfigProto()
        changed.CopyFrom(config or tf.ConfigProto())
        changed.graph_options.rewrite_options.disable_meta_optimizer = True
        make(self, target, graph, changed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "__init__", make_plain)
        yield
