"""Why an item was recommended, in words: which records of the history moved its score.

Leave-one-out: the history is scored again without each of its records. What the item's logit loses is what
the record gave; it works for every model and asks nothing of its inside.

Letters: n records that the model reads, K items.
"""

import csv

import numpy as np

from dfar_tf.serving.histories import Histories
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.text import open_text, readable

WHOLE = 50  # newest records looked at where a model reads whole histories
RAISED, LOWERED = 2, 1  # records told for each item
LEAST = 0.005  # of a logit, below which a record is said not to move the item
IDS = (
    "item",
    "item_id",
    "itemid",
    "id",
    "iid",
    "movieid",
    "movie_id",
    "asin",
    "video_id",
    "videoid",
)
TITLES = ("title", "name", "item_name", "movie_title", "caption")


def moved_by(run, histories, row, items):
    """What each record of a history gives to the logits of items.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      histories: ``Histories``.
      row: of them.
      items: int [K], rows of the store's items.

    Returns:
      (items [n], labels [n], gains float64 [n, K]): the records that the model reads, oldest first, and the
      logit of each item with all of them minus that without the record.
    """
    read, labels = (part[-(run.vocabulary.length or WHOLE) :] for part in histories.of(row))
    count = len(read)
    if not count or not len(items):
        return read, labels, np.zeros([count, len(items)])
    keep = [np.arange(count), *(np.delete(np.arange(count), k) for k in range(count))]
    shorter = Histories(
        np.cumsum([0, *map(len, keep)]),
        np.concatenate([read[index] for index in keep]),
        np.concatenate([labels[index] for index in keep]),
        np.full(len(keep), histories.users[row], np.int32),
        np.zeros(len(keep), np.int64),
    )
    state = run.scorer.encode(run.vocabulary.arrays(shorter))
    logits = run.scorer.score(state, run.vocabulary.candidates(items)[None]).astype(np.float64)
    return read, labels, logits[0] - logits[1:]


def reasons(run, histories, row, items, titles=None):
    """A sentence for each item; arguments as of ``moved_by``, ``titles`` maps raw ids to titles.

    Returns:
      [K] str, such as ``you liked a (+0.41) and disliked b (+0.12); against it: you liked c (-0.20)``.
    """
    read, labels, gains = moved_by(run, histories, row, items)
    names = [(titles or {}).get(str(name), str(name)) for name in run.vocabulary.item_ids(read)]
    words = [name.replace("_", " ") + ":" for name in run.store.level_names] or [
        "disliked",
        "liked",
    ]
    told = [f"{words[label]} {name}" for name, label in zip(names, labels)]
    return [_sentence(told, gains[:, place]) for place in range(len(items))]


def _sentence(told, gains):
    order = np.argsort(-gains, kind="stable")
    raised = [k for k in order[:RAISED] if gains[k] >= LEAST]
    lowered = [k for k in order[::-1][:LOWERED] if gains[k] <= -LEAST]
    if not len(told):
        return "no record of the history is known, so this holds for anyone without a history"
    if not raised and not lowered:
        return "no single record of the history moves it"
    parts = []
    if raised:
        parts.append("you " + " and ".join(f"{told[k]} ({gains[k]:+.2f})" for k in raised))
    if lowered:
        against = " and ".join(f"{told[k]} ({gains[k]:+.2f})" for k in lowered)
        parts.append(f"against it: you {against}")
    return "; ".join(parts)


def read_titles(path):
    """``{raw id: title}`` of a CSV or TSV file, plain or gzip.

    Its columns are found by their names (``item`` or ``item_id``, ``title`` or ``name``); without such a
    header the first column is the id and the second the title. Further columns are passed over.

    Raises:
      UserError: no such file, not text, or a row without a title.
    """
    with readable(path):
        with open(path, "rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
        with open_text(path, packed, "utf-8-sig") as stream:
            first = stream.readline()
            tab = "\t" if "\t" in first else ","
            header = [
                cell.split(":")[0].strip().lower()
                for cell in next(csv.reader([first], delimiter=tab), [])
            ]
            ids = [k for k, name in enumerate(header) if name in IDS]
            named = [k for k, name in enumerate(header) if name in TITLES]
            found, line = {}, 1
            rows = csv.reader(stream, delimiter=tab)
            if ids and named:
                columns = ids[0], named[0]
            else:
                columns = 0, 1
                _add(found, next(csv.reader([first], delimiter=tab), []), columns, path, line)
            for row in rows:
                line += 1
                _add(found, row, columns, path, line)
    return found


def _add(found, row, columns, path, line):
    if not row:
        return
    if len(row) <= max(columns):
        raise UserError(
            f"{path}:{line}: {shortened(','.join(row))!r} has no title; expected an id and a title, "
            "as in i1,The first item. Give a CSV or TSV of both."
        )
    found[row[columns[0]].strip()] = row[columns[1]].strip()
