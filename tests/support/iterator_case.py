"""A small store in memory and hyper-parameters for its iterator."""

import types

import numpy as np

from recommenders_utils.dataset.store import Instances, SequenceStore

SETTINGS = {
    "max_seq_length": 4,
    "train_targets": "all",
    "train_num_ngs": 2,
    "batch_size": 5,
    "eval_batch_size": 3,
    "seed": 11,
}


def hparams(**overrides):
    return types.SimpleNamespace(**dict(SETTINGS, **overrides))


def make_store(lengths=(2, 6, 9, 3), num_items=7, seed=0):
    """Users of these many records; all but a user's last two targets train, the last ones test."""
    random = np.random.RandomState(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    records = offsets[-1]
    items = random.randint(1, num_items + 1, records).astype(np.int32)
    items[:2] = 1, 2  # two different items at least
    labels = (np.arange(records) % 3 != 0).astype(np.int8)
    users = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.setdiff1d(np.arange(records), offsets[:-1])  # every record with a history
    last = offsets[1:] - 1
    train = np.setdiff1d(ends, last)
    width = 3
    counts = np.array([width, 1, 2, width] * len(lengths))[: len(lengths)]
    candidates = random.randint(1, num_items + 1, [len(last), width])
    candidates[:, 0] = items[last]
    candidates[np.arange(width) >= counts[:, None]] = 0
    seen = np.zeros([len(last), width], np.int8)
    seen[:, 0] = labels[last]
    held_out = Instances(np.arange(len(lengths)), last, candidates, seen, counts)
    return SequenceStore(
        user_offsets=offsets,
        items=items,
        labels=labels,
        times=np.arange(records),
        user_ids=np.array([f"u{u}" for u in range(len(lengths))]),
        item_ids=np.array([f"i{i}" for i in range(num_items)]),
        splits={
            "train": Instances(users[train].astype(np.int32), train),
            "valid": held_out,
            "test": held_out,
        },
        meta={"name": "by hand"},
    )
