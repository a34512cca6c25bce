"""Batches for the models."""

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.hparams import HParams
from recommenders_utils.io.released_iterator import ReleasedIterator
from recommenders_utils.io.sequential_iterator import SequentialIterator

__all__ = ["ReleasedIterator", "SequentialIterator", "make_iterator"]

_ITERATORS = {"sequential": SequentialIterator, "released": ReleasedIterator}


def make_iterator(store: SequenceStore, hparams: HParams) -> SequentialIterator:
    """The iterator of ``hparams.iterator`` on a store; its ``num_items`` is a model's vocabulary."""
    return _ITERATORS[hparams.iterator](store, hparams)
