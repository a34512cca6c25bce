"""Batches for the models."""

from recommenders_utils.io.sequential_iterator import SequentialIterator

__all__ = ["SequentialIterator"]
