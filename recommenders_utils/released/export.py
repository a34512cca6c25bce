"""Writes a store as the files of the released preparation."""

import os
from typing import Callable, List

import numpy as np

from recommenders_utils.dataset.store import SPLITS, SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_directory
from recommenders_utils.released.files import DISLIKED, GROUP_EDGES, MARK, group_name, group_of
from recommenders_utils.released.order import (
    has_last_records,
    in_file_order,
    is_leave_one_out,
    line_targets,
    user_order,
)
from recommenders_utils.released.vocabulary import (
    DEFAULTS,
    category_of,
    vocabularies,
    vocabulary_file,
    write_vocabulary,
)

RATINGS = "amazon_review_recommendersA.csv"  # the filtered records, gathered by user
RECORDS = ("preprocessed_output", "instance_outputA")  # with and without the split's name
BEFORE = ".before_neg_sampling"  # the release overwrites these; here they stay, to be compared


def export_released(
    store: SequenceStore, folder: str, say: Callable[[str], None] = print
) -> List[str]:
    """Writes ``train_dataA``, ``valid_dataA``, ``test_dataA``, the length groups and vocabularies.

    Of a store that was prepared from ratings with leave one out also the files in between: the filtered
    records, and the lines before negatives were drawn. ``test_data_neg`` is written if its negatives
    were drawn (``candidate_sampling=released``) or imported. Of generated records, a file ``SYNTHETIC``
    says so. All files are written, or none.

    Args:
      store: SequenceStore.
      folder: folder to make; an earlier export in it is replaced.
      say: called with lines of progress.

    Returns:
      Names of the files, in the order written.

    Raises:
      UserError: the folder holds something else; the category of the imported lines varied.
    """
    _require_replaceable(folder)
    if store.meta.get("category", "") is None:
        raise UserError(
            f"{store.meta.get('name', 'the data')}: the imported lines have several categories, which "
            "are not kept, so that the files cannot be written again"
        )
    lines = _Lines(store, category_of(store))
    written = []
    with atomic_directory(folder) as temporary:

        def write(name, content):
            with open(os.path.join(temporary, name), "w", encoding="utf-8", newline="") as stream:
                stream.writelines(content)
            written.append(name)

        names = vocabularies(store)
        if "user_order" in store.extras and is_leave_one_out(store):
            write(RATINGS, lines.ratings())
            for name in RECORDS:
                write(name, lines.records(with_split=name == RECORDS[0]))
            # Not used, and also empty in the recorded preparation.
            write("train_data_pos", ())
        whole = is_leave_one_out(store) and has_last_records(store)
        for split in SPLITS:
            if split != "train" and whole:
                write(f"{split}_dataA{BEFORE}", lines.targets(split))
            write(f"{split}_dataA", lines.instances(split))
        for number in range(1, len(GROUP_EDGES) + 2):
            write(group_name(number), lines.instances("test", number))
        if "disliked_candidates" in store.extras:
            write(DISLIKED, lines.disliked())
        for kind in DEFAULTS:
            name = vocabulary_file(kind)
            write_vocabulary(os.path.join(temporary, name), kind, names[kind])
            written.append(name)
        if store.meta.get("synthetic"):
            write(MARK, ["The records of these files were generated.\n"])
    sizes = ", ".join(f"{len(part)} {split}" for split, part in store.splits.items())
    marked = " (SYNTHETIC)" if MARK in written else ""
    say(f"data: wrote {len(written)} released files{marked}, {sizes} instances, to {folder}")
    if DISLIKED not in written:
        say(f"data: no {DISLIKED}: its negatives are drawn only with candidate_sampling=released")
    return written


class _Lines:
    """Yields lines of text; histories are joined from texts made once a user."""

    def __init__(self, store, category):
        self.store, self.category = store, category
        self.item_names = ["", *map(str, store.item_ids)]
        self._user, self._texts = None, None

    def ratings(self):
        """The filtered records by user, a user's by first appearance of the items in the file."""
        store = self.store
        rank = np.empty(store.num_items + 1, np.int64)
        rank[store.extras["item_order"]] = np.arange(store.num_items)
        for user in user_order(store):
            start, stop = store.user_offsets[user], store.user_offsets[user + 1]
            labels, items, times = self._of(user)
            name = store.user_ids[user]
            for k in np.argsort(rank[store.items[start:stop]], kind="stable"):
                yield f"{labels[k]}\t{name}\t{items[k]}\t{times[k]}\n"

    def records(self, with_split):
        """All records by user and time; the last is called test, the last but one valid."""
        for user in user_order(self.store):
            labels, items, times = self._of(user)
            name, count = self.store.user_ids[user], len(items)
            for k, (label, item, time) in enumerate(zip(labels, items, times)):
                split = SPLITS[max(0, k - count + 3)] + "\t" if with_split else ""
                yield f"{split}{label}\t{name}\t{item}\t{time}\t{self.category}\n"

    def targets(self, split):
        """The lines of a split before negatives are drawn, disliked test targets among them."""
        users, ends = line_targets(self.store)
        parts = np.full(len(self.store.items), SPLITS.index("test"))
        for number, name in enumerate(SPLITS[:2]):
            parts[self.store.splits[name].ends] = number
        chosen = parts[ends] == SPLITS.index(split)
        for user, end in zip(users[chosen], ends[chosen]):
            label, item, rest = self._line(user, end)
            yield f"{label}\t{self.store.user_ids[user]}\t{item}\t{rest}"

    def instances(self, split, group=None):
        """A split's lines with its negatives; of one length group only if given."""
        part = self.store.splits[split]
        lengths = self.store.history_lengths(split)
        for k in in_file_order(self.store, part.users):
            if group is not None and group_of(lengths[k]) != group:
                continue
            if part.candidates is None:
                yield from self._block(part.users[k], part.ends[k])
            else:
                real = slice(0, part.counts[k])
                yield from self._block(
                    part.users[k], part.ends[k], part.candidates[k, real], part.labels[k, real]
                )

    def disliked(self):
        """``test_data_neg``: disliked last records, called 1, with their negatives."""
        extras = self.store.extras
        for user, end, items in zip(
            extras["disliked_users"], extras["disliked_ends"], extras["disliked_candidates"]
        ):
            yield from self._block(user, end, items[items > 0], [1] + [0] * (len(items) - 1))

    def _block(self, user, end, candidates=None, labels=None):
        """The lines of one instance, its candidates one after the other."""
        label, item, rest = self._line(user, end)
        name = self.store.user_ids[user]
        if candidates is None:
            yield f"{label}\t{name}\t{item}\t{rest}"
            return
        for candidate, candidate_label in zip(candidates, labels):
            yield f"{candidate_label}\t{name}\t{self.item_names[candidate]}\t{rest}"

    def _line(self, user, end):
        """(label, item, the rest of the line from the category on) of a target."""
        labels, items, times = self._of(user)
        k = int(end - self.store.user_offsets[user])
        histories = (labels[:k], items[:k], [self.category] * k, times[:k])
        joined = "\t".join(map(",".join, histories))
        return labels[k], items[k], f"{self.category}\t{times[k]}\t{joined}\n"

    def _of(self, user):
        """(labels, items, times) of a user's records as texts."""
        if user != self._user:
            store = self.store
            part = slice(store.user_offsets[user], store.user_offsets[user + 1])
            items = [self.item_names[k] for k in store.items[part]]
            labels, times = (list(map(str, a[part].tolist())) for a in (store.labels, store.times))
            self._user, self._texts = user, (labels, items, times)
        return self._texts


def _require_replaceable(folder):
    """Raises UserError if writing the folder would destroy anything other than an earlier export."""
    if not os.path.exists(folder):
        return
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: is a file, expected a folder to write to")
    found = os.listdir(folder)
    if found and not {"train_dataA", vocabulary_file("item")} <= set(found):
        raise UserError(
            f"{folder}: holds something other than an earlier export ({sorted(found)[0]}, ...); "
            "give "
            "a new or empty folder"
        )
