"""Batches directly from any released instance file; nothing is stored.

Letters: B batch, T history, C candidates.
"""

from typing import Dict, Iterator, List, Sequence, Tuple

import numpy as np

from recommenders_utils.errors import UserError
from recommenders_utils.released.files import LABELS, Line, read_lines


def released_file_batches(
    path: str, names: Sequence[str], length: int, batch_size: int = 500
) -> Iterator[Tuple[Dict[str, np.ndarray], List[str]]]:
    """Yields batches of a file's lines, in their order; memory is that of one batch.

    Consecutive lines of one user and history are one instance, so that the history is encoded once.

    Args:
      path: file of released instance lines, plain or ``.gz``.
      names: the item vocabulary's entries, id k at k - 1; an item that is not there has id 0, as
        released (see ``recommenders_utils/released/vocabulary.py``).
      length: T, the number of newest records of a history to read.
      batch_size: B, instances per batch.

    Yields:
      (batch, users): ``history_items``, ``history_labels``, ``history_mask`` [B, T], ``candidates``,
      ``labels``, ``candidate_mask`` [B, C], and the B users' names.

    Raises:
      UserError: a file that cannot be read or has no line; a malformed line, by its number.
    """
    ids = {name: k for k, name in enumerate(names, 1)}
    group: List[List[Line]] = []
    previous = None
    for line, history in read_lines(path):
        if history == previous:
            group[-1].append(line)
            continue
        if len(group) == batch_size:
            yield _batch(group, ids, length)
            group = []
        group.append([line])
        previous = history
    if not group:
        raise UserError(f"{path}: the file is empty; expected released instance lines")
    yield _batch(group, ids, length)


def _batch(group, ids, length):
    rows, width = len(group), max(map(len, group))
    batch = {
        "history_items": np.zeros([rows, length], np.int32),
        "history_labels": np.zeros([rows, length], np.int32),
        "history_mask": np.zeros([rows, length], np.float32),
        "candidates": np.zeros([rows, width], np.int32),
        "labels": np.zeros([rows, width], np.float32),
        "candidate_mask": np.zeros([rows, width], np.float32),
    }
    for row, lines in enumerate(group):
        first = lines[0]
        # The last entry of a line's items and labels is its target.
        items = first.items.split(",")[:-1][-length:]
        batch["history_items"][row, : len(items)] = [ids.get(item, 0) for item in items]
        batch["history_labels"][row, : len(items)] = _labels(first, length)
        batch["history_mask"][row, : len(items)] = 1
        batch["candidates"][row, : len(lines)] = [ids.get(line.item, 0) for line in lines]
        batch["labels"][row, : len(lines)] = [LABELS[line.label] for line in lines]
        batch["candidate_mask"][row, : len(lines)] = 1
    return batch, [lines[0].user for lines in group]


def _labels(line, length):
    texts = line.labels.split(",")[:-1][-length:]
    try:
        return [LABELS[text] for text in texts]
    except KeyError as error:
        raise UserError(
            f"{line.where}: label {error} in the label history, expected 0 or 1"
        ) from None
