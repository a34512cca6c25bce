"""The exact best K of the whole catalogue: a history encoded once, the catalogue scored in blocks.

Letters: H histories, T history, I items of the catalogue, K asked for.
"""

import dataclasses
import time

import numpy as np
import pandas as pd

from dfar_tf.serving.explain import head_groups
from dfar_tf.serving.reasons import reasons
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.places import Excluded, top_k

ENCODED = 128  # histories encoded together
CELLS = 1 << 24  # scores held at a time: 64 MiB


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


def recommend(
    run, histories, k=20, exclude_seen=True, explain=False, titles=None, exclude_disliked=True
):
    """Yields the best K items of each history, in order.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      histories: ``Histories``.
      k: how many items.
      exclude_seen: leave out all items of the history, including those before the newest T.
      explain: add which records of the history moved each item, and what the two towers and the head
        pairs say of a model that has them.
      titles: ``{raw id: title}``, shown beside the ids and in the explanation; or None.
      exclude_disliked: leave out the items that the history dislikes, where ``exclude_seen`` is off.

    Yields:
      Recommended; ranked by logit, equal ones by their row in the vocabulary. The first K of a full sort
      are the same.

    Raises:
      UserError: k below 1.
    """
    if k < 1:
        raise UserError(
            f"k: {k}, expected 1 or more. Give how many items to recommend, as in --k=20."
        )
    together = max(1, min(ENCODED, CELLS // run.store.num_items))
    for start in range(0, len(histories), together):
        part = slice(start, min(start + together, len(histories)))
        left_out = _left_out(run, histories, part, exclude_seen, exclude_disliked)
        yield from _of_part(run, histories, part, k, left_out, explain, titles)


def _left_out(run, histories, part, exclude_seen, exclude_disliked):
    """The ``Excluded`` items of some histories: all, those with a dislike, or none."""
    if not (exclude_seen or exclude_disliked):
        return None
    offsets = histories.offsets[part.start : part.stop + 1]
    records = slice(offsets[0], offsets[-1])
    items, chosen = histories.items[records], np.ones(offsets[-1] - offsets[0], bool)
    if not exclude_seen:
        chosen = histories.labels[records] < run.vocabulary.threshold
    counts = np.concatenate([[0], np.cumsum(chosen)])
    return Excluded(counts[offsets - offsets[0]], items[chosen])


def _of_part(run, histories, part, k, left_out, explain, titles):
    begun = time.perf_counter()
    arrays = run.vocabulary.arrays(histories, part)
    state = run.scorer.encode(arrays)
    count = part.stop - part.start
    best, values = top_k(run.catalogue.scores(state), k, left_out)
    each = (time.perf_counter() - begun) / count
    for row in range(count):
        begun = time.perf_counter()
        items = best[row][best[row] >= 0]
        frame = _table(run, items, values[row][: len(items)].astype(run.dtype))
        if titles is not None:
            frame.insert(2, "title", [titles.get(str(name), "") for name in frame["item"]])
        groups = None
        if explain and run.scorer.has_towers:
            one = {name: value[row : row + 1] for name, value in state.items()}
            explained = run.scorer.explain(one, run.vocabulary.candidates(items)[None])
            frame = frame.assign(**{name: explained[name][0] for name in sorted(explained)})
            groups = head_groups(
                run, {name: value[row : row + 1] for name, value in arrays.items()}
            )
        if explain:
            why = reasons(run, histories, part.start + row, items, titles)
            frame = frame.assign(because=why)
        seconds = each + time.perf_counter() - begun
        yield Recommended(part.start + row, frame, seconds, groups)


def _table(run, items, logits):
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(items) + 1),
            "item": run.vocabulary.item_ids(items),
            "score": run.probabilities(logits),
            "logit": logits,
        }
    )
