"""Batches as in the released code: its item ids, its draws, its order of lines.

RELEASED, data, 6 and batches. Letters: B batch, T history, C candidates, K negatives.
"""

import itertools
import random
from typing import Dict, Iterator, Optional, Tuple

import numpy as np

from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import HParams
from recommenders_utils.io.sequential_iterator import SequentialIterator
from recommenders_utils.released.order import in_file_order
from recommenders_utils.released.vocabulary import category_of, released_ids, vocabularies

MIN_BATCH = 5  # a training batch of fewer targets is dropped
DAY = 86400.0
SHORTEST = 0.5  # days that a shorter time counts as before its logarithm


class ReleasedIterator(SequentialIterator):
    """Batches of a ``SequenceStore`` with the released vocabulary's ids.

    An item that is in no vocabulary has id 0, which is also the padding id, at positions and candidates
    whose mask is 1. Training lines are shuffled by Python's ``random``, seeded with ``hparams.seed``
    before the first epoch; every epoch shuffles the previous order and continues the same stream,
    so a resumed epoch is found by repeating the draws before it. Every target has label 1.

    Args:
      store: the prepared or imported data.
      hparams: as of ``SequentialIterator``.

    Raises:
      UserError: ``train_targets`` is not ``all``; ``epoch_share`` is below 1; the vocabulary is unknown
        (see ``vocabularies``).
    """

    def __init__(self, store: SequenceStore, hparams: HParams) -> None:
        super().__init__(store, hparams)
        if hparams.train_targets != "all":
            raise UserError(
                f"train_targets: {hparams.train_targets!r}, but iterator=released uses every next "
                "item as a target with label 1. Use"
                " train_targets=all or iterator=sequential."
            )
        if self.share < 1:
            raise UserError(
                f"epoch_share: {self.share}, but iterator=released trains every target in each epoch, in "
                "one stream of draws. Use --iterator=sequential, or leave epoch_share out."
            )
        self.vocabularies = vocabularies(store)
        self.ids = np.append(np.int32(0), released_ids(store.item_ids, self.vocabularies["item"]))
        self.lines = in_file_order(store, store.splits["train"].users)
        self._states: Dict[
            int, list
        ] = {}  # batch size -> states before epoch 0, 1, ...: (random's, order of lines)

    @property
    def num_items(self) -> int:
        """Entries of the item vocabulary, labels among them."""
        return len(self.vocabularies["item"])

    def steps_per_epoch(self, batch_size: Optional[int] = None, shards: int = 1) -> int:
        """Training steps of an epoch, without a last batch that is too small."""
        _refuse_shards(shards)
        size = batch_size or self.hp.batch_size
        return self.num_train() // size + (self.num_train() % size >= MIN_BATCH)

    def train_batches(
        self,
        epoch: int,
        batch_size: Optional[int] = None,
        first: int = 0,
        shard: Tuple[int, int] = (0, 1),
    ) -> Iterator[Dict[str, np.ndarray]]:
        """Yields the batches of one epoch from ``first`` on: [B, 1 + K] of target and negatives."""
        _refuse_shards(shard[1])
        size = batch_size or self.hp.batch_size
        instances = self.store.splits["train"]
        for chosen, candidates in itertools.islice(self._draw(epoch, size), first, None):
            labels = np.zeros(candidates.shape, np.float32)
            labels[:, 0] = 1
            mask = np.ones(candidates.shape, np.float32)
            users, ends = instances.users[chosen], instances.ends[chosen]
            yield self._batch(chosen, users, ends, candidates, mask, labels)

    def eval_batches(
        self,
        split: str,
        batch_size: Optional[int] = None,
        rows: Optional[np.ndarray] = None,
    ) -> Iterator[Dict[str, np.ndarray]]:
        """As ``SequentialIterator.eval_batches``, under released ids."""
        for batch in super().eval_batches(split, batch_size, rows):
            yield {**batch, "candidates": self.ids[batch["candidates"]]}

    def histories(
        self, users: np.ndarray, ends: np.ndarray
    ) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As ``SequentialIterator.histories``, with released ids."""
        items, labels, mask = super().histories(users, ends)
        return self.ids[items], labels, mask

    def _draw(self, epoch, size):
        """Yields (rows [B], candidates [B, 1 + K] released ids) of an epoch's batches."""
        states = self._states.setdefault(size, [])
        if not states:
            states.append((random.Random(self.hp.seed).getstate(), self.lines.tolist()))
        for earlier in range(len(states) - 1, epoch):
            for _ in self._draw_from(states[earlier], size, states):
                pass
        return self._draw_from(states[epoch], size, states if epoch == len(states) - 1 else [])

    def _draw_from(self, state, size, states):
        """Draws one epoch; at its end the next one's state is appended to ``states``."""
        generator = random.Random()
        generator.setstate(state[0])
        order = list(state[1])
        generator.shuffle(order)
        ends = self.store.splits["train"].ends
        targets = self.ids[self.store.items[ends]]
        before = len(states)
        for start in range(0, len(order), size):
            rows = np.array(order[start : start + size])
            if len(rows) >= MIN_BATCH:
                yield rows, self._negatives(targets[rows].tolist(), generator)
        if len(states) == before:
            states.append((generator.getstate(), order))

    def _negatives(self, targets, generator):
        """[B, 1 + K] targets, each with negatives of the batch drawn again while they equal it."""
        if len(set(targets)) == 1:
            raise UserError(
                "a training batch has only one item (released id "
                f"{targets[0]}) and so no negative to draw; use iterator=sequential"
            )
        count, last = self.hp.train_num_ngs, len(targets) - 1
        draw = generator.randint
        rows = []
        for target in targets:
            row = [target]
            while len(row) <= count:
                negative = targets[draw(0, last)]
                if negative != target:
                    row.append(negative)
            rows.append(row)
        return np.array(rows, np.int32)

    def released_rows(self, batch: Dict[str, np.ndarray], split: str) -> Dict[str, np.ndarray]:
        """A batch as the arrays that the released code feeds, one row per candidate.

        Args:
          batch: of ``train_batches`` or ``eval_batches``.
          split: its split. The release fills categories and times of histories in training only.

        Returns:
          dict of arrays of B * C rows under the released names: labels [n, 1], users, items, cates,
          time [n], user_history (which are labels), item_history, item_cate_history, mask, mask_u,
          time_diff, time_from_first_action and time_to_now [n, T].
        """
        real = batch["candidate_mask"] > 0  # [B, C]
        part = self.store.splits[split]
        users, ends = part.users[batch["instance"]], part.ends[batch["instance"]]
        user_table = {name: k for k, name in enumerate(self.vocabularies["user"], 1)}
        user_ids = np.array([user_table.get(str(name), 0) for name in self.store.user_ids[users]])
        name, categories = category_of(self.store), self.vocabularies["category"]
        category = categories.index(name) + 1 if name in categories else 0
        mask = batch["history_mask"]
        each = {
            "users": user_ids,
            "cates": np.full(len(users), category),
            "time": self.store.times[ends].astype(np.float32),
            "user_history": batch["history_labels"],
            "item_history": batch["history_items"],
            "item_cate_history": (mask * category * (split == "train")).astype(np.int32),
            "mask": mask,
            "mask_u": mask,
            **self._times(users, ends, split == "train"),
        }
        rows = np.repeat(np.arange(len(users)), real.sum(axis=1))
        flat = {name: values[rows] for name, values in each.items()}
        flat["items"] = batch["candidates"][real]
        flat["labels"] = batch["labels"][real][:, None]
        return flat

    def _times(self, users, ends, filled):
        """The released time features [B, T]: logarithms of days, zeros where they are not filled."""
        length = self.hp.max_seq_length
        names = ("time_diff", "time_from_first_action", "time_to_now")
        features = {name: np.zeros((len(users), length), np.float32) for name in names}
        for row, (user, end) in enumerate(zip(users, ends)):
            if not filled:
                break
            times = np.asarray(self.store.times[self.store.user_offsets[user] : end + 1]) / DAY
            days = (np.diff(times), times[1:] - times[0], times[-1] - times[:-1])
            for name, values in zip(names, days):
                values = np.log(np.maximum(values, SHORTEST))[-length:]
                features[name][row, : len(values)] = values
        return features


def _refuse_shards(shards):
    if shards > 1:
        raise UserError(
            f"iterator: 'released' draws one stream of batches, which {shards} processes cannot share; "
            "expected one process. Use --iterator=sequential or train without workers."
        )
