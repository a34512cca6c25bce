"""Whole histories of any length as flat arrays."""

import typing

import numpy as np

from recommenders_utils.dataset.store import Instances, SequenceStore


class Histories(typing.NamedTuple):
    """H histories, oldest record first; m records in all.

    Attributes:
      offsets: int64 [H + 1], history h is the records ``[h]`` to ``[h + 1]``.
      items: int [m], item ids from 1; 0 is an unknown item, which keeps its place.
      labels: int [m], 1 liked, 0 disliked.
    """

    offsets: np.ndarray
    items: np.ndarray
    labels: np.ndarray

    @property
    def count(self) -> int:  # type: ignore[override]
        """H."""
        return len(self.offsets) - 1

    def part(self, start: int, stop: int) -> "Histories":
        """Histories ``start`` to ``stop``."""
        offsets = self.offsets[start : stop + 1]
        return Histories(
            offsets - offsets[0],
            self.items[offsets[0] : offsets[-1]],
            self.labels[offsets[0] : offsets[-1]],
        )

    def recent(self, count: int) -> typing.Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The newest ``count`` records of each history: (history, index into items, age), each [r].

        Age is 1 for a history's last record, 2 for the one before it, and so on.
        """
        lengths = np.minimum(np.diff(self.offsets), count)
        rows = np.repeat(np.arange(self.count), lengths)
        ages = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
        return rows, self.offsets[1:][rows] - ages, ages


def from_lists(
    items: typing.Sequence[typing.Sequence[int]],
    labels: typing.Optional[typing.Sequence[typing.Sequence[int]]] = None,
) -> Histories:
    """Histories from one list of item ids, and one of labels (all liked if None), per history."""
    lengths = np.array([len(row) for row in items], np.int64)
    flat = np.concatenate([np.zeros(0, np.int64), *(np.asarray(r, np.int64) for r in items)])
    if labels is None:
        liked = np.ones(len(flat), np.int8)
    else:
        liked = np.concatenate([np.zeros(0, np.int8), *(np.asarray(r, np.int8) for r in labels)])
        if [len(row) for row in labels] != lengths.tolist():
            raise ValueError("items and labels of a history differ in length")
    return Histories(np.append(0, np.cumsum(lengths)), flat, liked)


def of_instances(store: SequenceStore, instances: Instances) -> Histories:
    """The histories of instances: their users' records before the target."""
    starts = np.asarray(store.user_offsets)[instances.users]
    lengths = np.asarray(instances.ends) - starts
    offsets = np.append(0, np.cumsum(lengths))
    at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return Histories(offsets, np.asarray(store.items)[at], np.asarray(store.labels)[at])
