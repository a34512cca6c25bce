"""A ``SequenceStore`` in, batches of fixed length for the models out."""

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.hparams import HParams
from recommenders_utils.io.released_iterator import ReleasedIterator
from recommenders_utils.io.retrieval_iterator import RetrievalIterator, differs_from_paper
from recommenders_utils.io.sequential_iterator import SequentialIterator

__all__ = ["ReleasedIterator", "RetrievalIterator", "SequentialIterator", "make_iterator"]

_ITERATORS = {"sequential": SequentialIterator, "released": ReleasedIterator}


def make_iterator(store: SequenceStore, hparams: HParams) -> SequentialIterator:
    """The iterator that the hyper-parameters need on a store; its ``num_items`` is a model's vocabulary."""
    kind = _ITERATORS[hparams.iterator]
    if kind is SequentialIterator and differs_from_paper(hparams.values()):
        kind = RetrievalIterator
    return kind(store, hparams)
