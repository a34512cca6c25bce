"""A prepared log as plain rows, to compare with what was recorded or counted by hand."""

from places import HPARAMS

BASE = HPARAMS / "base.yaml"


def as_rows(store):
    """The same from a store."""
    out = {}
    for k, user in enumerate(store.user_ids):
        part = slice(store.user_offsets[k], store.user_offsets[k + 1])
        ids = store.item_ids[store.items[part] - 1]
        out[user] = list(zip(ids, store.labels[part].tolist(), store.times[part].tolist()))
    return out


def instance_lines(store, split):
    """Instances as lines of the released text format."""
    part = store.splits[split]
    for user, end in zip(part.users, part.ends):
        history = slice(store.user_offsets[user], end)
        items = store.item_ids[store.items[history] - 1]
        target = (store.labels[end], store.user_ids[user], store.item_ids[store.items[end] - 1])
        columns = (store.labels[history], items, ["default_cat"] * len(items), store.times[history])
        joined = [",".join(map(str, column)) for column in columns]
        yield "\t".join([*map(str, target), "default_cat", str(store.times[end]), *joined])
