"""The exact best K of the whole catalogue: a history encoded once, the catalogue scored in blocks.

Letters: H histories, T history, I items of the catalogue, K asked for.
"""

import dataclasses
import time

import numpy as np
import pandas as pd

from dfar_tf.serving.explain import check_explainable, head_groups
from recommenders_utils.errors import UserError

ENCODED = 128  # histories encoded together
# Pairs of history and item scored together: enough to fill the processor, few enough for its cache.
PAIRS = 8192


@dataclasses.dataclass
class Recommended:
    """The list of one history.

    Attributes:
      row: which of the histories it is of.
      items: DataFrame of ``rank``, ``item``, ``score``, ``logit`` and what ``explain`` adds.
      seconds: time it took; of histories encoded or scored together, its share.
      head_groups: shares of attention by feedback of query and key (see ``head_groups``), or None.
    """

    row: int
    items: pd.DataFrame
    seconds: float
    head_groups: dict = None


def recommend(run, histories, k=20, exclude_seen=False, explain=False):
    """Yields the best K items of each history, in order.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      histories: ``Histories``.
      k: how many items.
      exclude_seen: leave out all items of the history, including those before the newest T.
      explain: add what the model's two towers and its head pairs say.

    Yields:
      Recommended; ranked by logit, equal ones by their row in the vocabulary. The first K of a full sort
      are the same.

    Raises:
      UserError: k below 1; a model that ``explain`` does not support.
    """
    if k < 1:
        raise UserError(
            f"k: {k}, expected 1 or more. Give how many items to recommend, as in --k=20."
        )
    if explain:
        check_explainable(run)
    for start in range(0, len(histories), ENCODED):
        part = slice(start, min(start + ENCODED, len(histories)))
        yield from _of_part(run, histories, part, k, exclude_seen, explain)


def _of_part(run, histories, part, k, exclude_seen, explain):
    begun = time.perf_counter()
    arrays = run.vocabulary.arrays(histories, part)
    state = run.scorer.encode(arrays)
    count = part.stop - part.start
    share = (time.perf_counter() - begun) / count
    block = min(run.store.num_items, PAIRS)
    together = max(1, PAIRS // block)
    for first in range(0, count, together):
        begun = time.perf_counter()
        rows = slice(first, min(first + together, count))
        some = {name: value[rows] for name, value in state.items()}
        seen = None
        if exclude_seen:
            seen = [
                np.unique(histories.of(part.start + row)[0]) for row in range(rows.start, rows.stop)
            ]
        best = top_k(run, some, k, seen, block)
        each = share + (time.perf_counter() - begun) / (rows.stop - rows.start)
        for row, (items, logits) in enumerate(best, rows.start):
            begun = time.perf_counter()
            frame, groups = _table(run, items, logits), None
            if explain:
                one = {name: value[row : row + 1] for name, value in state.items()}
                explained = run.scorer.explain(one, run.vocabulary.candidates(items)[None])
                frame = frame.assign(**{name: explained[name][0] for name in sorted(explained)})
                groups = head_groups(
                    run, {name: value[row : row + 1] for name, value in arrays.items()}
                )
            seconds = each + time.perf_counter() - begun
            yield Recommended(part.start + row, frame, seconds, groups)


def top_k(run, state, k, seen=None, block=PAIRS):
    """The best K of the catalogue for encoded histories, by a merge over blocks of it.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      state: what ``Scorer.encode`` gave, H rows.
      k: how many.
      seen: sorted item rows to leave out, an array a history; or None.
      block: items scored at a time.

    Returns:
      List of H pairs (item rows, logits), each of K or, in a smaller catalogue, fewer.
    """
    rows = len(next(iter(state.values())))
    best = [(np.zeros(0, np.int64), np.zeros(0, run.dtype))] * rows
    for start in range(0, run.store.num_items, block):
        items = np.arange(start, min(start + block, run.store.num_items))
        logits = run.scorer.score(state, run.vocabulary.candidates(items)[None])  # [H, block]
        for row in range(rows):
            left_out = None
            if seen is not None:
                left_out = seen[row][np.searchsorted(seen[row], start) :] - start
                left_out = left_out[left_out < len(items)]
            best[row] = _merged(best[row], items, logits[row], k, left_out)
    return best


def _merged(best, items, logits, k, left_out):
    kept, known = best
    if left_out is not None and len(left_out):
        items, logits = np.delete(items, left_out), np.delete(logits, left_out)
    if len(known) == k:
        # An equal item later in the vocabulary does not displace an earlier one.
        better = logits > known[-1]
        items, logits = items[better], logits[better]
    elif len(logits) > k:
        better = logits >= np.partition(logits, -k)[-k]
        items, logits = items[better], logits[better]
    items, logits = np.concatenate([kept, items]), np.concatenate([known, logits])
    order = np.lexsort((items, -logits))[:k]
    return items[order], logits[order]


def _table(run, items, logits):
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(items) + 1),
            "item": run.vocabulary.item_ids(items),
            "score": run.probabilities(logits),
            "logit": logits,
        }
    )
