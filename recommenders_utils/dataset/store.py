"""Sequences once, as flat arrays, and the instances that point into them."""

import dataclasses
import os
from typing import Any, Dict, List

import numpy as np

from recommenders_utils.dataset.filtering import statistics
from recommenders_utils.errors import UserError
from recommenders_utils.files import (
    atomic_directory,
    atomic_write,
    read_json,
    sha256_of,
    write_json,
)
from recommenders_utils.reading.forms import LEVEL, LEVELS
from recommenders_utils.temporaries import restore

FORMAT_VERSION = 2
SPLITS = ("train", "valid", "test")

_SEQUENCE_DTYPES = {
    "user_offsets": np.int64,
    "items": np.int32,
    "labels": np.int8,
    "times": np.int64,
    "user_ids": None,  # numpy unicode, as wide as the longest id
    "item_ids": None,
}
_INSTANCE_DTYPES = {
    "users": np.int32,
    "ends": np.int64,
    "candidates": np.int32,
    "labels": np.int8,
    "counts": np.int32,
}
META_CHECKSUM = "meta.sha256"
_EXTRA = "extra_"  # beginning of an extra array's file name


# What reading a damaged meta.json or array may raise; RecursionError of nested JSON.
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError),
    *(OverflowError, RecursionError, MemoryError),
)


class DamagedStore(UserError):
    """Prepared arrays that are missing, of another version, or differ from their checksums."""


@dataclasses.dataclass
class Instances:
    """The instances of one split: N targets, each with the history before it.

    Attributes:
      users: int32 [N], row of the user.
      ends: int64 [N], flat index of the target record; its history is the user's records before
        it, ``[user_offsets[user], end)``, never empty.
      candidates: int32 [N, C] item ids, first column the target, 0 past ``counts``; None in
        training, where negatives come from the batch.
      labels: int8 [N, C], label of each candidate, 0 past ``counts``; None in training.
      counts: int32 [N], how many candidates are real; None in training.
    """

    users: np.ndarray
    ends: np.ndarray
    candidates: Any = None
    labels: Any = None
    counts: Any = None

    def __len__(self) -> int:
        return len(self.users)

    def arrays(self) -> Dict[str, np.ndarray]:
        """The arrays that are there, by name."""
        return {k: getattr(self, k) for k in _INSTANCE_DTYPES if getattr(self, k) is not None}


@dataclasses.dataclass
class SequenceStore:
    """All sequences and their instances; U users, n records.

    Attributes:
      user_offsets: int64 [U + 1], the records of user row u are ``[u]`` to ``[u + 1]``.
      items: int32 [n], 1-based item ids; 0 is left for padding.
      labels: int8 [n], 1 positive feedback, 0 negative.
      times: int64 [n], unix seconds, never decreasing within a user.
      user_ids: unicode [U], raw id of each user row.
      item_ids: unicode [I], item k has raw id ``item_ids[k - 1]``.
      splits: Instances by split name.
      meta: JSON-able description: name, source, synthetic, protocol, statistics, fingerprint, ...
      extras: further arrays by name, kept as they are; see
        ``recommenders_utils/released/order.py``.
    """

    user_offsets: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    times: np.ndarray
    user_ids: np.ndarray
    item_ids: np.ndarray
    splits: Dict[str, Instances]
    meta: dict
    extras: Dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def levels(self) -> np.ndarray:
        """int8 [n], the strength of each record's feedback from 0; its label where the log has two sides."""
        if LEVEL not in self.extras:
            return self.labels
        return np.asarray(self.extras[LEVEL]).astype(np.int8)

    @property
    def level_names(self) -> List[str]:
        """The strengths of feedback, weakest first; none where the log has two sides."""
        return list(self.meta.get(LEVELS, {}).get("names", []))

    @property
    def level_threshold(self) -> int:
        """The weakest level that is positive feedback; 1 where the log has two sides."""
        return int(self.meta.get(LEVELS, {}).get("threshold", 1))

    @property
    def num_users(self) -> int:
        """How many users there are."""
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        """How many items there are, padding not counted: an embedding needs one row more."""
        return len(self.item_ids)

    def history_lengths(self, split: str) -> np.ndarray:
        """How many records precede each target of ``split``: int64 [N], at least 1."""
        instances = self.splits[split]
        return np.asarray(instances.ends) - self.user_offsets[instances.users]

    def statistics(self) -> Dict[str, Any]:
        """Table 1's columns for these records (see ``filtering.statistics``)."""
        users = np.repeat(np.arange(self.num_users), np.diff(self.user_offsets))
        return statistics(users, self.items, self.labels)

    def check(self) -> None:
        """Raises ValueError unless the arrays are consistent."""
        n, offsets = len(self.items), self.user_offsets
        _require(len(offsets) == self.num_users + 1, "user_offsets and user_ids disagree in length")
        _require(offsets[0] == 0 and offsets[-1] == n, "user_offsets do not span the records")
        _require(np.all(np.diff(offsets) > 0), "a user has no record")
        _require(len(self.labels) == n and len(self.times) == n, "record arrays differ in length")
        falls = np.flatnonzero(np.diff(self.times) < 0) + 1
        _require(np.all(np.isin(falls, offsets)), "a user's records are not in time order")
        _require(_within(self.items, 1, self.num_items), "an item id is outside the vocabulary")
        _require(_within(self.labels, 0, 1), "a label is neither 0 nor 1")
        _require(set(self.splits) == set(SPLITS), "the splits are not train, valid, test")
        for name, part in self.splits.items():
            self._check_split(name, part)

    def _check_split(self, name, part):
        for key, array in part.arrays().items():
            _require(len(array) == len(part), f"{name}/{key} has another length")
        _require(_within(part.users, 0, self.num_users - 1), f"{name}/users out of range")
        starts, stops = self.user_offsets[part.users], self.user_offsets[1:][part.users]
        _require(
            np.all(starts < part.ends) and np.all(part.ends < stops),
            f"{name}/ends: a target is another user's record or has no history",
        )
        if part.candidates is None:
            return
        _require(part.labels is not None and part.counts is not None, f"{name}: labels or counts")
        _require(part.labels.shape == part.candidates.shape, f"{name}/labels have another shape")
        width = part.candidates.shape[1]
        _require(_within(part.counts, 1, width), f"{name}/counts out of range")
        real = np.arange(width) < np.asarray(part.counts)[:, None]
        ids = np.asarray(part.candidates)
        _require(_within(ids, 0, self.num_items), f"{name}/candidates out of range")
        _require(np.array_equal(ids > 0, real), f"{name}/candidates and counts disagree")
        _require(
            np.array_equal(ids[:, 0], self.items[part.ends]),
            f"{name}/candidates do not begin with the target",
        )

    def save(self, folder: str) -> None:
        """Writes one ``.npy`` file per array, ``meta.json`` and its checksum into ``folder``, or nothing.

        Raises:
          ValueError: the arrays are inconsistent (a defect of the caller).
          OSError: from writing.
        """
        self.check()
        with atomic_directory(folder) as temporary:
            checksums = {}
            for name, (array, dtype) in self.named_arrays().items():
                path = os.path.join(temporary, name)
                np.save(path, np.ascontiguousarray(array, dtype=dtype), allow_pickle=False)
                checksums[name] = sha256_of(path)
            meta = dict(self.meta, format_version=FORMAT_VERSION, arrays=checksums)
            path = os.path.join(temporary, "meta.json")
            write_json(path, meta)
            with atomic_write(os.path.join(temporary, META_CHECKSUM)) as stream:
                stream.write(sha256_of(path) + "\n")

    def named_arrays(self) -> Dict[str, Any]:
        """File name -> (array, dtype on disk)."""
        named = {k + ".npy": (getattr(self, k), dtype) for k, dtype in _SEQUENCE_DTYPES.items()}
        for split, part in self.splits.items():
            for key, array in part.arrays().items():
                named[f"{split}_{key}.npy"] = (array, _INSTANCE_DTYPES[key])
        named.update({f"{_EXTRA}{key}.npy": (array, None) for key, array in self.extras.items()})
        return named

    @classmethod
    def load(cls, folder: str) -> "SequenceStore":
        """Maps a saved store into memory after checking versions, checksums and shapes.

        Raises:
          DamagedStore: with the reason, if the folder is not a complete, unaltered store.
        """
        restore(folder)
        try:
            meta = read_json(os.path.join(folder, "meta.json"))
            version, checksums = meta["format_version"], meta.pop("arrays")
            _require(
                version == FORMAT_VERSION,
                f"it has format version {version}, this code writes {FORMAT_VERSION}",
            )
            _check_meta(folder)
            arrays = {}
            for name, checksum in checksums.items():
                path = os.path.join(folder, name)
                _require(sha256_of(path) == checksum, f"{name} differs from its checksum")
                arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
            store = cls.from_arrays(arrays, meta)
            store.check()
        except _DAMAGE as error:
            reason = str(error) or type(error).__name__
            raise DamagedStore(
                f"{folder}: not usable prepared data: {reason}; "
                "delete the folder and prepare the data again"
            ) from error
        return store

    @classmethod
    def from_arrays(cls, arrays: Dict[str, Any], meta: dict) -> "SequenceStore":
        """The store of arrays by file name, as ``named_arrays`` has them."""
        splits = {}
        for split in SPLITS:
            files = {k: f"{split}_{k}.npy" for k in _INSTANCE_DTYPES}
            splits[split] = Instances(**{k: arrays[f] for k, f in files.items() if f in arrays})
        extras = {f[len(_EXTRA) : -4]: arrays[f] for f in arrays if f.startswith(_EXTRA)}
        sequences = {k: arrays[k + ".npy"] for k in _SEQUENCE_DTYPES}
        return cls(splits=splits, meta=meta, extras=extras, **sequences)


def _check_meta(folder):
    checksum = os.path.join(folder, META_CHECKSUM)
    if os.path.exists(checksum):  # older stores have none
        with open(checksum, encoding="utf-8") as stream:
            expected = stream.read().strip()
        found = sha256_of(os.path.join(folder, "meta.json"))
        _require(found == expected, "meta.json differs from its checksum")


def _require(condition, reason):
    if not condition:
        raise ValueError(reason)


def _within(values, low, high):
    """Whether every value lies in [low, high]; an empty array does."""
    values = np.asarray(values)
    return values.size == 0 or bool(values.min() >= low and values.max() <= high)
