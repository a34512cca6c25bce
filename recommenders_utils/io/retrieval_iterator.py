"""Training batches for ranking the whole catalogue: many negatives, and every position of a sequence.

Letters: B rows of a batch, T history, N targets, C candidates of a target, K negatives.
"""

from typing import Dict, Iterator, Mapping, Optional, Tuple

import numpy as np

from recommenders_utils.backend import tf
from recommenders_utils.dataset.negatives import NegativeSampler
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.dataset.training import training_counts
from recommenders_utils.hparams import HParams
from recommenders_utils.io.sequential_iterator import BATCH, SequentialIterator
from recommenders_utils.io.shares import epoch_rows, share_size

# What a run made before these keys existed was trained with.
PAPER = {
    "negatives": "in_batch",
    "shared_negatives": False,
    "logq_correction": False,
    "positions": "last",
    "dislike_loss": "none",
}
FULL_SOFTMAX = "full_softmax"


def differs_from_paper(values: Mapping[str, object]) -> bool:
    """Whether the flat hyper-parameters ask for batches that only ``RetrievalIterator`` makes."""
    changed = any(values.get(key, default) != default for key, default in PAPER.items())
    return changed or values.get("loss") == FULL_SOFTMAX


class RetrievalIterator(SequentialIterator):
    """``SequentialIterator`` whose training batches follow ``PAPER``'s keys and ``full_softmax``.

    A training batch has, beside the histories [B, T] of BATCH, which validation reads as ever:

    * ``target_at`` [N, 2]: row and column of the last record before each target (``positions: all``);
      without it target n belongs to row n, N = B;
    * ``candidates``, ``candidate_mask``, ``labels`` [N, C]: the target, then negatives of its own;
    * ``shared`` [K]: negatives of all targets (``shared_negatives``), then C = 1;
    * ``candidate_offsets`` [N, C] and ``shared_offsets`` [K]: logs of the draw's expected counts
      (``logq_correction``);
    * ``target_labels`` [N]: the observed feedback of the target, 1 or 0.

    With ``positions: all`` a row is a piece of a user's training records of at most T + 1, cut from the
    newest back, and each of them but the first is a target once.

    Negatives of batch b are drawn by (seed, epoch, b, shard), so that a resumed run draws the same.

    Raises:
      UserError: as of ``SequentialIterator``; more negatives than items.
    """

    def __init__(self, store: SequenceStore, hparams: HParams) -> None:
        values = hparams.values()
        self.settings = {key: values.get(key, default) for key, default in PAPER.items()}
        super().__init__(store, hparams)
        self.full = values["loss"] == FULL_SOFTMAX
        self.of_all = self.settings["positions"] == "all"
        count = 0 if self.full else hparams.train_num_ngs
        self.sampler = NegativeSampler(self.settings["negatives"], count, training_counts(store))
        self.shared = bool(self.settings["shared_negatives"]) or self.full
        kept = store.splits["train"].ends
        self.liked_only = hparams.train_targets == "positive"
        if self.liked_only and self.settings["dislike_loss"] == "none":
            kept = kept[self.train_rows]
        else:  # disliked targets stay, for their own loss
            self.train_rows = np.arange(len(kept))
        if self.of_all:
            self._cut(kept)

    def _cut(self, ends):
        """Pieces of at most T targets, ``piece_users`` and ``piece_ends`` (past their last input)."""
        store, length = self.store, self.hp.max_seq_length
        self.is_target = np.zeros(len(store.items), bool)
        self.is_target[ends] = True
        users = np.searchsorted(store.user_offsets, ends, side="right") - 1
        last = np.full(store.num_users, -1, np.int64)
        np.maximum.at(last, users, ends)
        first = np.asarray(store.user_offsets[:-1], np.int64)
        spans = np.where(last > first, last - first, 0)  # targets that a user may have
        counts = -(-spans // length)
        owners = np.repeat(np.arange(store.num_users), counts)
        number = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        piece_ends = last[owners] - number * length
        # A piece without a target has nothing to train.
        sums = np.append(0, np.cumsum(self.is_target))
        begins = np.maximum(first[owners], piece_ends - length)
        some = sums[piece_ends + 1] > sums[begins + 1]
        self.piece_users, self.piece_ends = owners[some], piece_ends[some]

    def num_rows(self) -> int:
        """Rows of an epoch: pieces of sequences, or targets."""
        return share_size(self._all_rows(), self.share)

    def num_train(self) -> int:
        """Training targets of an epoch; where it takes a share of the pieces, their mean number."""
        whole = int(self.is_target.sum()) if self.of_all else len(self.train_rows)
        return round(whole * self.num_rows() / self._all_rows())

    def _all_rows(self):
        return len(self.piece_users) if self.of_all else len(self.train_rows)

    def steps_per_epoch(self, batch_size: Optional[int] = None, shards: int = 1) -> int:
        """Training steps of an epoch over all its shards; each shard's last batch may be smaller."""
        step = batch_size or self.hp.batch_size
        counts = (self.num_rows() - np.arange(shards) + shards - 1) // shards
        return int((-(-counts // step)).sum())

    def train_batches(
        self,
        epoch: int,
        batch_size: Optional[int] = None,
        first: int = 0,
        shard: Tuple[int, int] = (0, 1),
    ) -> Iterator[Dict[str, np.ndarray]]:
        """Yields the batches of one epoch; arguments as of ``SequentialIterator.train_batches``."""
        number, shards = shard
        order = epoch_rows(self._all_rows(), self.share, self.hp.seed, epoch)[number::shards]
        step = batch_size or self.hp.batch_size
        for batch, start in enumerate(range(first * step, len(order), step), first):
            random = np.random.RandomState([self.hp.seed, epoch, batch, number, shards])
            yield self._train_batch(order[start : start + step], random)

    def _train_batch(self, chosen, random):
        if self.of_all:
            users, ends = self.piece_users[chosen], self.piece_ends[chosen]
            starts = np.maximum(self.store.user_offsets[users], ends - self.hp.max_seq_length)
            index = starts[:, None] + np.arange(1, self.hp.max_seq_length + 1)  # [B, T]
            there = (index <= ends[:, None]) & self.is_target[np.minimum(index, ends[:, None])]
            at = np.argwhere(there).astype(np.int32)  # [N, 2]
            records, instances = index[there], chosen
        else:
            instances = self.train_rows[chosen]
            part = self.store.splits["train"]
            users, ends = part.users[instances], part.ends[instances]
            at, records = None, ends
        targets = self.store.items[records]  # [N]
        observed = self.store.labels[records].astype(np.float32)
        candidates, mask = targets[:, None], np.ones([len(targets), 1], np.float32)
        more = {"target_labels": observed}
        count = self.sampler.count
        if self.shared and count:
            more["shared"] = self.sampler.draw(random, targets, [count])
        elif count:
            drawn = self.sampler.draw(random, targets, [len(targets), count])
            candidates = np.concatenate([candidates, drawn], 1)
            mask = np.concatenate([mask, drawn != targets[:, None]], 1).astype(np.float32)
        if self.settings["logq_correction"]:
            more["candidate_offsets"] = self.sampler.log_expected(candidates)
            if "shared" in more:
                more["shared_offsets"] = self.sampler.log_expected(more["shared"])
        labels = np.zeros(candidates.shape, np.float32)
        labels[:, 0] = 1 if self.hp.train_targets == "all" else observed
        if self.liked_only:  # a disliked target is nothing to the main loss
            mask = mask * observed[:, None]
        if at is not None:
            more["target_at"] = at
        return {**self._batch(instances, users, ends, candidates, mask, labels), **more}

    def train_dataset(
        self,
        first_epoch: int = 0,
        batch_size: Optional[int] = None,
        first_batch: int = 0,
        shard: Tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        """As of ``SequentialIterator.train_dataset``."""
        batches = self._endless(first_epoch, batch_size, first_batch, shard)
        length = self.hp.max_seq_length
        width = 1 if self.shared else 1 + self.sampler.count
        shapes = {
            name: [None, length if name.startswith("history") else width][:rank]
            for name, (_, rank) in BATCH.items()
        }
        types = {name: dtype for name, (dtype, _) in BATCH.items()}

        def add(name, dtype, shape):
            types[name], shapes[name] = dtype, shape

        add("target_labels", np.float32, [None])
        if self.of_all:
            add("target_at", np.int32, [None, 2])
        if self.shared and self.sampler.count:
            add("shared", np.int32, [self.sampler.count])
        if self.settings["logq_correction"]:
            add("candidate_offsets", np.float32, [None, width])
            if "shared" in shapes:
                add("shared_offsets", np.float32, [self.sampler.count])
        for name in self.target_extras:
            add(f"target_{name}", np.float32, [None])
        return tf.data.Dataset.from_generator(batches, types, shapes).prefetch(4)
