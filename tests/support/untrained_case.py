"""Small random stores for the untrained models and the evaluation, by any split rule."""

import numpy as np

from recommenders_utils.dataset.splitting import split_instances
from recommenders_utils.dataset.store import SequenceStore

SPLIT_RULES = ("leave_one_out", "last_day", "noon_last_day", "ratio")


def random_store(seed=0, users=13, items=7, method="leave_one_out", lengths=(1, 12)):
    """A store with repeated items, disliked records and times over some days, in no particular sizes."""
    random = np.random.RandomState(seed)
    counts = random.randint(lengths[0], lengths[1] + 1, users)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    n = offsets[-1]
    times = random.randint(0, 6 * 24, n) * 3600
    for start, stop in zip(offsets, offsets[1:]):
        times[start:stop].sort()
    labels = (random.rand(n) < 0.7).astype(np.int8)
    return SequenceStore(
        user_offsets=offsets,
        items=random.randint(1, items + 1, n).astype(np.int32),
        labels=labels,
        times=times.astype(np.int64),
        user_ids=np.array([f"u{k}" for k in range(users)]),
        item_ids=np.array([f"i{k}" for k in range(items)]),
        splits=split_instances(method, offsets, times, labels),
        meta={},
    )


def training_rows(store):
    """Per user the list of (item, label, time) of training records, by a loop."""
    rows = []
    train = store.splits["train"]
    for user in range(store.num_users):
        ends = [end for owner, end in zip(train.users, train.ends) if owner == user]
        start = store.user_offsets[user]
        kept = range(start, max(ends) + 1) if ends else []
        rows.append([(store.items[r], store.labels[r], store.times[r]) for r in kept])
    return rows
