"""The sequential iterator: fixed-length histories with label histories, masks and candidates.

As in Microsoft Recommenders a batch is a dict of arrays; here each is cut from the store by one
vectorised gather, and nothing is stored per instance that can be gathered.

Letters: B batch, T history (``max_seq_length``), C candidates, N instances.
"""

from typing import Dict, Iterator, Optional, Tuple

import numpy as np

from recommenders_utils.backend import tf
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.hparams import HParams
from recommenders_utils.io.shares import epoch_rows, share_size

# name -> (dtype, rank): what a batch holds.
BATCH = {
    "user": (np.int32, 1),  # [B] row of the user
    "instance": (np.int32, 1),  # [B] row of the instance in its split
    "history_items": (np.int32, 2),  # [B, T] oldest first, 0 past the end
    "history_labels": (np.int32, 2),  # [B, T] feedback, 0 past the end
    "history_mask": (np.float32, 2),  # [B, T] 1 at real positions
    "candidates": (np.int32, 2),  # [B, C]
    "candidate_mask": (np.float32, 2),  # [B, C] 1 at real candidates
    "labels": (np.float32, 2),  # [B, C]
}
# Record-level extras of a store that a batch holds of each instance's target, as ``target_<name>`` [B].
TARGET_EXTRAS = ("finish", "dwell")


class SequentialIterator:
    """Batches of a ``SequenceStore``.

    A store with extras ``finish`` (1 if the record was consumed to its end) or ``dwell`` (how long), [n]
    each, gives ``target_finish`` and ``target_dwell`` [B], for which FeedRec has losses. With ``bpr_labels:
    feedback`` there is ``target_labels`` [B] too, the observed feedback of each target.

    Args:
      store: the prepared data.
      hparams: needs ``max_seq_length``, ``train_targets``, ``train_num_ngs``, ``batch_size``,
        ``eval_batch_size`` and ``seed``.

    Raises:
      UserError: no training target is left by ``train_targets``.
    """

    def __init__(self, store: SequenceStore, hparams: HParams) -> None:
        self.store = store
        self.hp = hparams
        self.levels = store.levels  # [n]
        self.share = getattr(hparams, "epoch_share", 1.0)  # older runs lack the key
        self.target_extras = {
            name: np.asarray(store.extras[name], np.float32)
            for name in TARGET_EXTRAS
            if name in store.extras
        }
        if getattr(hparams, "bpr_labels", "train") == "feedback":  # other models lack the key
            self.target_extras["labels"] = np.asarray(store.labels, np.float32)
        # The id of each item, in the vocabulary of the batches, by the store's.
        self.ids = np.arange(store.num_items + 1, dtype=np.int32)
        train = store.splits["train"]
        self.train_rows = np.arange(len(train.ends))
        if hparams.train_targets == "positive":
            self.train_rows = np.flatnonzero(store.labels[train.ends] == 1)
        if not len(self.train_rows):
            raise UserError(
                f"train_targets: {hparams.train_targets!r} leaves no training instance of "
                f"{len(train.ends)}. Use train_targets=all, or another split or filter."
            )

    @property
    def num_items(self) -> int:
        """Number of items in the vocabulary of the batches; ids start at 1, 0 is padding."""
        return self.store.num_items

    def num_train(self) -> int:
        """Training instances of an epoch."""
        return share_size(len(self.train_rows), self.share)

    def num_rows(self) -> int:
        """Rows of an epoch's batches: its instances."""
        return self.num_train()

    def steps_per_epoch(self, batch_size: Optional[int] = None, shards: int = 1) -> int:
        """Training steps of an epoch over all its shards; each shard's last batch may be smaller."""
        step = batch_size or self.hp.batch_size
        counts = (self.num_train() - np.arange(shards) + shards - 1) // shards  # rows k::n
        return int((-(-counts // step)).sum())

    def train_batches(
        self,
        epoch: int,
        batch_size: Optional[int] = None,
        first: int = 0,
        shard: Tuple[int, int] = (0, 1),
    ) -> Iterator[Dict[str, np.ndarray]]:
        """Yields the batches of one epoch, shuffled and with negatives drawn by (seed, epoch).

        With ``epoch_share`` below 1 an epoch is the next share of the targets (see ``shares.py``).
        ``train_num_ngs`` negatives of a target are drawn uniformly from the batch's other targets,
        never its own item; column 0 is the target. A batch with one distinct item draws from the
        catalogue instead.

        Args:
          epoch: number of the epoch, from 0.
          batch_size: instances per batch; by default ``hparams.batch_size``.
          first: number of batches to skip; their negatives are drawn all the same.
          shard: (k, n): only rows k, k + n, k + 2n, ... of the epoch's order. The n shards of
            an epoch are all of it, each instance once; each draws its negatives by (seed, epoch, k, n).
        """
        random = np.random.RandomState([self.hp.seed, epoch])
        if self.share < 1:
            kept = epoch_rows(len(self.train_rows), self.share, self.hp.seed, epoch)
            rows = self.train_rows[kept]
        else:
            rows = random.permutation(self.train_rows)
        number, shards = shard
        if shards > 1:
            rows = rows[number::shards]
            # Otherwise all shards would draw the same numbers.
            random = np.random.RandomState([self.hp.seed, epoch, number, shards])
        step = batch_size or self.hp.batch_size
        instances = self.store.splits["train"]
        skip_negatives(min(first * step, len(rows)), self.hp.train_num_ngs, random)
        for start in range(first * step, len(rows), step):
            chosen = rows[start : start + step]
            users, ends = instances.users[chosen], instances.ends[chosen]
            targets = self.store.items[ends]  # [B]
            negatives = in_batch_negatives(
                targets, self.hp.train_num_ngs, self.store.num_items, random
            )
            candidates = np.concatenate([targets[:, None], negatives], axis=1)
            labels = np.zeros(candidates.shape, np.float32)
            observed = self.hp.train_targets == "feedback"
            labels[:, 0] = self.store.labels[ends] if observed else 1
            mask = np.ones(candidates.shape, np.float32)
            yield self._batch(chosen, users, ends, candidates, mask, labels)

    def eval_batches(
        self,
        split: str,
        batch_size: Optional[int] = None,
        rows: Optional[np.ndarray] = None,
    ) -> Iterator[Dict[str, np.ndarray]]:
        """Yields a split's instances in order, with their stored candidates.

        Args:
          split: name of the split.
          batch_size: instances per batch; by default ``hparams.eval_batch_size``.
          rows: the instances to yield; all of the split if None.
        """
        instances = self.store.splits[split]
        step = batch_size or self.hp.eval_batch_size
        rows = np.arange(len(instances.ends)) if rows is None else rows
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            candidates = np.asarray(instances.candidates[chosen])
            counts = instances.counts[chosen]
            mask = (np.arange(candidates.shape[1]) < counts[:, None]).astype(np.float32)
            yield self._batch(
                chosen,
                instances.users[chosen],
                instances.ends[chosen],
                candidates,
                mask,
                np.asarray(instances.labels[chosen], np.float32),
            )

    def train_dataset(
        self,
        first_epoch: int = 0,
        batch_size: Optional[int] = None,
        first_batch: int = 0,
        shard: Tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        """An endless ``tf.data`` pipeline of epochs ``first_epoch``, ``first_epoch + 1``, ...

        Args:
          first_epoch: number of the first epoch, from 0.
          batch_size: instances per batch; by default ``hparams.batch_size``.
          first_batch: number of batches of the first epoch to skip.
          shard: as of ``train_batches``.

        Raises:
          UserError: there are more shards than instances.
        """
        batches = self._endless(first_epoch, batch_size, first_batch, shard)
        return self._dataset(batches, 1 + self.hp.train_num_ngs)

    def _endless(self, first_epoch, batch_size, first_batch, shard):
        """The generator function behind ``train_dataset``; arguments and errors as of it."""
        if shard[1] > self.num_rows():
            raise UserError(
                f"{shard[1]} processes train, but there are {self.num_rows()} training instances; "
                "expected at least one each. Use fewer workers."
            )

        def batches():
            epoch, first = first_epoch, first_batch
            while True:
                yield from self.train_batches(epoch, batch_size, first, shard)
                epoch, first = epoch + 1, 0

        return batches

    def eval_dataset(
        self,
        split: str,
        batch_size: Optional[int] = None,
        rows: Optional[np.ndarray] = None,
    ) -> tf.data.Dataset:
        """A ``tf.data`` pipeline over a split, once, in order; arguments as of ``eval_batches``."""
        width = self.store.splits[split].candidates.shape[1]
        return self._dataset(lambda: self.eval_batches(split, batch_size, rows), width)

    def _batch(self, rows, users, ends, candidates, candidate_mask, labels):
        items, history_labels, mask = self.histories(users, ends)
        return {
            **{f"target_{name}": values[ends] for name, values in self.target_extras.items()},
            "user": users.astype(np.int32),
            "instance": rows.astype(np.int32),
            "history_items": items,
            "history_labels": history_labels,
            "history_mask": mask,
            "candidates": candidates.astype(np.int32),
            "candidate_mask": candidate_mask,
            "labels": labels,
        }

    def histories(
        self, users: np.ndarray, ends: np.ndarray
    ) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gathers the newest T records before flat index ``ends`` of each user.

        Args:
          users: [B] user rows.
          ends: [B] flat index just past the history.

        Returns:
          items [B, T] int32, labels [B, T] int32, or levels where the log has them, mask [B, T]
          float32, left-aligned.
        """
        length = self.hp.max_seq_length
        starts = np.maximum(self.store.user_offsets[users], ends - length)  # [B]
        index = starts[:, None] + np.arange(length)  # [B, T]
        real = index < ends[:, None]
        index = np.where(real, index, 0)
        items = np.where(real, self.store.items[index], 0).astype(np.int32)
        labels = np.where(real, self.levels[index], 0).astype(np.int32)
        return items, labels, real.astype(np.float32)

    def _dataset(self, batches, width):
        sizes = {"candidates": width, "candidate_mask": width, "labels": width}
        kinds = {**BATCH, **{f"target_{name}": (np.float32, 1) for name in self.target_extras}}
        types = {name: dtype for name, (dtype, _) in kinds.items()}
        shapes = {
            name: [None, sizes.get(name, self.hp.max_seq_length)][:rank]
            for name, (_, rank) in kinds.items()
        }
        return tf.data.Dataset.from_generator(batches, types, shapes).prefetch(4)


def skip_negatives(rows: int, count: int, random: np.random.RandomState) -> None:
    """Draws and discards as many numbers as ``in_batch_negatives`` does for ``rows`` targets."""
    for start in range(0, rows, 1 << 16):
        random.random_sample([min(1 << 16, rows - start), count])


def in_batch_negatives(
    targets: np.ndarray, count: int, num_items: int, random: np.random.RandomState
) -> np.ndarray:
    """Draws negatives uniformly from the other targets of a batch, never the row's own item.

    No rejection: in the sorted targets a row's own item is one block, which the draw skips.

    Args:
      targets: [B] item ids.
      count: negatives per row.
      num_items: size of the catalogue, for a batch that holds one distinct item.
      random: ``numpy.random.RandomState``.

    Returns:
      [B, count] item ids.

    Raises:
      UserError: the catalogue has a single item.
    """
    uniform = random.random_sample([len(targets), count])
    ordered = np.sort(targets)
    if ordered[0] == ordered[-1]:
        if num_items < 2:
            raise UserError("The catalogue has a single item: there is no negative to draw.")
        ordered = np.arange(1, num_items + 1)
    first = np.searchsorted(ordered, targets, side="left")[:, None]  # [B, 1]
    own = np.searchsorted(ordered, targets, side="right")[:, None] - first
    drawn = (uniform * (len(ordered) - own)).astype(np.int64)  # [B, count]
    return ordered[drawn + own * (drawn >= first)]
