"""Scores of a file's rows, streaming: each distinct history of a chunk is encoded once.

Letters: n rows of a chunk, H its distinct histories, C candidates of the longest of them.
"""

import dataclasses
import time

import numpy as np
import pandas as pd
from tqdm import tqdm

from dfar_tf.serving.rows import Rows, RowsOut
from recommenders_utils.tables import counted

CHUNK = 50000  # rows held at a time
ENCODED = 512  # histories encoded together
PAIRS = 8192  # pairs of history and candidate scored together


@dataclasses.dataclass
class Counts:
    """What was scored.

    Attributes:
      rows: in all.
      encoded: distinct histories, summed over the chunks.
      unseen_items: rows without a score, because the run's data do not have the item.
      unseen_users: rows scored with an empty history, because the run's data do not have the user.
      unknown_records: records left out of distinct histories, because the run's data do not have the item.
      seconds: time it took.
    """

    rows: int = 0
    encoded: int = 0
    unseen_items: int = 0
    unseen_users: int = 0
    unknown_records: int = 0
    seconds: float = 0.0

    def describe(self, meta):
        """The counts as lines for the user; ``meta`` is the store's."""
        rate = self.rows / self.seconds if self.seconds else 0.0
        synthetic = " (SYNTHETIC)" if meta["synthetic"] and "SYNTHETIC" not in meta["name"] else ""
        rows = f"{counted(self.rows, 'row')} in {self.seconds:.2f} s, {rate:,.0f} rows per second"
        histories = f"{self.encoded:,} histor" + ("y" if self.encoded == 1 else "ies")
        lines = [f"{meta['name']}{synthetic}: {rows}; {histories} encoded"]
        missing = "the run's data do not have the"
        for count, noun, one, several, what in (
            (self.unseen_items, "row", "has", "have", f"no score: {missing} item"),
            (
                self.unseen_users,
                "row",
                "is",
                "are",
                f"scored with an empty history: {missing} user",
            ),
            (self.unknown_records, "record", "is", "are", f"left out of histories: {missing} item"),
        ):
            if count:
                lines.append(f"{counted(count, noun)} {one if count == 1 else several} {what}")
        return "\n".join(lines)


def predict_file(run, path, output, show_progress=None, chunk=CHUNK):
    """Scores the rows of a file and writes them with their scores, in their order.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      path: input, see ``Rows``. With a column ``history`` that is the history, and a column
        ``user`` only says which user it belongs to; without one, the user's whole stored history is
        used.
      output: file to write, see ``RowsOut``: the input's columns and ``score``, the probability in full
        precision, which replaces a column of that name.
      show_progress: whether to show a bar with the rate; ``run.hparams.show_progress`` if None.
      chunk: rows held at a time.

    Returns:
      Counts. An unseen item has an empty score; an unseen user is scored with an empty history.

    Raises:
      UserError: see ``Rows`` and ``Vocabulary.parsed``; nothing is written then.
    """
    rows, counts, begun = Rows(path), Counts(), time.perf_counter()
    shown = run.hparams.show_progress if show_progress is None else show_progress
    with RowsOut(output) as out, tqdm(desc="scoring", unit=" rows", disable=not shown) as bar:
        for frame in rows.chunks(chunk):
            frame["score"] = score_chunk(run, frame, rows, counts)
            if run.store.meta["synthetic"]:
                frame["synthetic"] = "SYNTHETIC"
            out.write(frame)
            bar.update(len(frame))
    counts.seconds = time.perf_counter() - begun
    return counts


def score_chunk(run, frame, rows, counts):
    """Scores [n] of a chunk, of ``run.dtype``; NaN where the item is unseen. Adds to ``counts``."""
    vocabulary, users = run.vocabulary, None
    if "user" in rows.roles:
        rows_of = vocabulary.model_users if "history" in rows.roles else vocabulary.user_rows
        users = rows_of(frame[rows.roles["user"]].to_numpy())
    if "history" in rows.roles:
        keys = {"history": frame[rows.roles["history"]].to_numpy()}
        keys["user"] = np.full(len(frame), -1) if users is None else users
        owner = pd.DataFrame(keys).groupby(["history", "user"], sort=False).ngroup().to_numpy()
        _, first = np.unique(owner, return_index=True)
        histories = vocabulary.parsed(
            keys["history"][first],
            keys["user"][first],
            lambda row: rows.line(int(frame.index[first[row]])),
        )
    else:
        owner, distinct = pd.factorize(users)
        histories = vocabulary.stored(distinct)
        counts.unseen_users += int(np.count_nonzero(users < 0))
    items = vocabulary.item_rows(frame[rows.roles["item"]].to_numpy())
    counts.rows += len(frame)
    counts.encoded += len(histories)
    counts.unseen_items += int(np.count_nonzero(items < 0))
    counts.unknown_records += int(histories.unknown_items.sum())
    logits = score_pairs(run, histories, owner, items)
    return run.probabilities(np.where(items >= 0, logits, run.dtype(np.nan)))


def score_pairs(run, histories, owner, items):
    """Logits of pairs of history and item, each history encoded once.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      histories: ``Histories``, H of them.
      owner: [n] int, the history of each pair.
      items: [n] int, the store's item row of each pair; -1 gets the padding's logit, which means nothing.

    Returns:
      [n] of ``run.dtype``.
    """
    counts = np.bincount(owner, minlength=len(histories))
    # Histories of equally many candidates side by side make full rectangles.
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    by_place = np.argsort(place[owner], kind="stable")  # pairs, those of a history together
    sizes = counts[order]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    candidates = run.vocabulary.candidates(items)[by_place]
    logits = np.empty(len(items), run.dtype)
    for first in range(0, len(order), ENCODED):
        part = order[first : first + ENCODED]
        state = run.scorer.encode(run.vocabulary.arrays(histories, part))
        _score_part(
            run, state, starts[first:], sizes[first : first + len(part)], candidates, logits
        )
    result = np.empty_like(logits)
    result[by_place] = logits
    return result


def _score_part(run, state, starts, sizes, candidates, logits):
    """Scores the pairs of encoded histories in rectangles; ``sizes`` falls from row to row."""
    row = 0
    while row < len(sizes) and sizes[row]:
        width = min(int(sizes[row]), PAIRS)
        last = min(len(sizes), row + max(1, PAIRS // width))
        some = {name: value[row:last] for name, value in state.items()}
        for column in range(0, int(sizes[row]), width):
            places = column + np.arange(min(width, int(sizes[row]) - column))
            real = places < sizes[row:last, None]  # [rows, width]
            index = (starts[row:last, None] + places)[real]
            block = np.zeros(real.shape, np.int32)
            block[real] = candidates[index]
            logits[index] = run.scorer.score(some, block)[real]
        row = last


def probabilities(logits):
    """Sigmoid in float32 without overflow; NaN stays NaN."""
    small = np.exp(-np.abs(logits))
    with np.errstate(invalid="ignore"):  # old numpy warns of comparing NaN
        return (np.where(logits >= 0, 1.0, small) / (1.0 + small)).astype(np.float32)
