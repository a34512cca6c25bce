"""Raw ids and histories as the model reads them, and back; unknown items are left out and counted.

Letters: H histories, T history (``max_seq_length``), n records.
"""

import dataclasses

import numpy as np
import pandas as pd

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.ids import as_id

FORM = "item:label,item:label, oldest first, label 1 liked or 0 disliked, as in i1:1,i2:0"
TOGETHER = 1 << 22  # characters of histories parsed together, each record a few texts meanwhile
LONGEST = 1 << 20  # characters of one history: some hundred thousand records


@dataclasses.dataclass
class Histories:
    """H complete histories, before truncation to the newest T; n records of known items in all.

    Attributes:
      offsets: int64 [H + 1], history h is the records ``[h]`` to ``[h + 1]``.
      items: int32 [n], rows of the store's items, 0-based.
      labels: int8 [n], 1 liked, 0 disliked; the level, from 0, where the run's data have levels.
      users: int32 [H], rows of the users as the model knows them; -1 where unknown.
      unknown_items: int64 [H], records left out because their item is unknown.
    """

    offsets: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    users: np.ndarray
    unknown_items: np.ndarray

    def __len__(self):
        return len(self.users)

    def of(self, row):
        """(items, labels) of one history, all of its known records."""
        part = slice(self.offsets[row], self.offsets[row + 1])
        return self.items[part], self.labels[part]


class Vocabulary:
    """Raw ids of a store as rows, and histories as arrays of the model's own ids.

    Args:
      store: the run's ``SequenceStore``.
      iterator: the run's iterator, whose vocabulary the model reads.
      length: T.
      newer: a store (see ``newer_histories``) whose users and histories replace the run's, or None.

    Attributes:
      histories: the store whose users and histories are in force.
      feedback: what may follow an item in a history -> its label, or its level where the data have levels.
    """

    def __init__(self, store, iterator, length, newer=None):
        self.store, self.length, self.histories = store, length, newer or store
        self.threshold, names = store.level_threshold, store.level_names
        self.feedback = {str(level): level for level in range(max(2, len(names)))}
        self.feedback.update((name, level) for level, name in enumerate(names))
        self.form = FORM
        if names:
            self.form = (
                f"item:level,item:level, oldest first, a level one of {', '.join(names)}, as in "
                f"i1:{names[-1]},i2:{names[0]}"
            )
        # The released iterator has ids of its own, with 0 for items its training never met.
        self.model_ids = iterator.ids
        self._items = pd.Index(np.asarray(store.item_ids).astype(object))
        self._model_users = pd.Index(np.asarray(store.user_ids).astype(object))
        self._users = self._model_users
        if newer:
            self._users = pd.Index(np.asarray(newer.user_ids).astype(object))

    def item_rows(self, raw):
        """int64 [n] rows of raw item ids of any type (see ``as_id``), -1 where unknown."""
        return self._items.get_indexer(_ids(raw))

    def user_rows(self, raw):
        """int64 [n] rows of ``histories`` for raw user ids of any type, -1 where unknown."""
        return self._users.get_indexer(_ids(raw))

    def model_users(self, raw):
        """int64 [n] rows of raw user ids as the model knows them, -1 where unknown."""
        return self._model_users.get_indexer(_ids(raw))

    def item_ids(self, rows):
        """Raw ids of item rows."""
        return self.store.item_ids[rows]

    def candidates(self, rows):
        """int32, the model's ids of item rows; padding's for -1."""
        return self.model_ids[np.asarray(rows) + 1]

    def stored(self, users):
        """The whole stored histories of user rows [H]; a user of row -1 has an empty one."""
        users, store = np.asarray(users, np.int64), self.histories
        known = users >= 0
        starts = np.where(known, store.user_offsets[users], 0)
        counts = np.where(known, store.user_offsets[users + 1] - starts, 0)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        records = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
        return Histories(
            offsets,
            np.asarray(store.items[records]) - 1,
            np.asarray(store.levels[records]),
            users.astype(np.int32) if store is self.store else self._of_model(users),
            np.zeros(len(users), np.int64),
        )

    def _of_model(self, users):
        """int32 [H], the model's rows of rows of ``histories``."""
        rows = self._model_users.get_indexer(self._users[users])
        return np.where(users >= 0, rows, -1).astype(np.int32)

    def parsed(self, texts, users=None, where=lambda row: "--history"):
        """Histories from their texts.

        Args:
          texts: [H] str in the form of ``self.form``; an empty one is an empty history.
          users: [H] rows of the users as the model knows them, -1 where unknown; all unknown if None.
          where: row of ``texts`` -> name of its place, for messages.

        Raises:
          UserError: a text in another form or over a million characters, named by its place.
        """
        for row, text in enumerate(texts):
            if len(text) > LONGEST:
                raise UserError(
                    f"{where(row)}: a history of {len(text):,} characters, expected at most "
                    f"{LONGEST:,}. Give its newest records."
                )
        texts = np.asarray(texts, dtype=object)
        ends = np.cumsum([len(text) for text in texts], dtype=np.int64) // TOGETHER
        cuts = np.flatnonzero(np.diff(ends)) + 1
        parts = [
            self._parsed(part, start, where)
            for start, part in zip((0, *cuts.tolist()), np.split(texts, cuts))
        ]
        rows, labels, owner = map(np.concatenate, zip(*parts))
        return _histories(rows, labels, owner, len(texts), users)

    def _parsed(self, texts, first, where):
        """(rows of items, -1 where unknown, labels, owners) of all records of some texts."""
        texts = pd.Series(texts).str.strip()
        filled = np.flatnonzero(texts.to_numpy() != "")
        if not len(filled):
            return np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0, np.int64)
        parts = texts.iloc[filled].str.split(",")
        owner = first + np.repeat(filled, parts.str.len().to_numpy().astype(np.int64))
        # Column by column: a text without a colon leaves the item's part empty.
        records = pd.Series(list(parts.explode()), dtype=object).str.strip().str.rpartition(":")
        raw, told = records[0].str.strip().to_numpy(), records[2].str.strip()
        labels = told.map(self.feedback).to_numpy(np.float64, na_value=np.nan)
        bad = np.flatnonzero((raw == "") | np.isnan(labels))
        if len(bad):
            found = shortened("".join(records.iloc[bad[0]]))
            raise UserError(
                f"{where(owner[bad[0]])}: {found!r} is not a record of a history; expected {self.form}."
            )
        return self.item_rows(raw).astype(np.int32), labels.astype(np.int8), owner

    def made(self, raw, labels, owner, count, users=None):
        """Histories from records: raw ids and labels [n], ``owner`` [n] rising rows below ``count``."""
        return _histories(self.item_rows(raw), np.asarray(labels), owner, count, users)

    def arrays(self, histories, part=slice(None)):
        """The newest T records of some histories as ``Scorer.encode`` reads them, left-aligned."""
        ends = histories.offsets[1:][part]
        starts = np.maximum(histories.offsets[:-1][part], ends - self.length)
        index = starts[:, None] + np.arange(self.length)  # [H, T]
        real = index < ends[:, None]
        index = np.where(real, index, 0)
        if not len(histories.items):
            items = labels = np.zeros(index.shape, np.int32)
        else:
            items, labels = self.candidates(histories.items[index]), histories.labels[index]
        return {
            "history_items": np.where(real, items, 0).astype(np.int32),
            "history_labels": np.where(real, labels, 0).astype(np.int32),
            "history_mask": real.astype(np.float32),
            "user": histories.users[part],
        }


def _histories(rows, labels, owner, count, users):
    known = rows >= 0
    counts = np.bincount(owner[known], minlength=count)
    return Histories(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rows[known].astype(np.int32),
        labels[known].astype(np.int8),
        np.asarray(np.full(count, -1) if users is None else users).astype(np.int32),
        np.bincount(owner[~known], minlength=count),
    )


def _ids(raw):
    """object [n], the ids as text."""
    ids = np.empty(len(raw), object)
    ids[:] = [as_id(each) for each in raw]
    return ids
