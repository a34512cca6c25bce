"""The stages of ``diff``: what a released run wrote, compared with what this code makes of the same input."""

import dataclasses
import gzip
import itertools
import os
import re
import tempfile
import typing

import numpy as np

from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.dataset.splitting import split_instances
from recommenders_utils.dataset.store import SPLITS
from recommenders_utils.io import ReleasedIterator
from recommenders_utils.released.candidates import seed_of
from recommenders_utils.released.export import BEFORE, RATINGS, RECORDS, export_released
from recommenders_utils.released.files import DISLIKED, GROUP_EDGES, group_name, group_of
from recommenders_utils.released.order import in_file_order
from recommenders_utils.released.vocabulary import (
    DEFAULTS,
    count,
    number,
    vocabularies,
    vocabulary_file,
)

DOCS = "docs/paper-vs-released.md"
DATA, MODEL = f"{DOCS}#data-batches-training", f"{DOCS}#the-model"
GROUPS = [group_name(k) for k in range(1, len(GROUP_EDGES) + 2)]
FILES = [*(f"{split}_dataA" for split in SPLITS), DISLIKED, *GROUPS]
PICKLES = [vocabulary_file(kind) for kind in DEFAULTS]


@dataclasses.dataclass
class Row:
    """One line of the table.

    Attributes:
      stage: what is compared.
      theirs: their side, in a few words.
      ours: our side.
      difference: how much they differ, in the stage's own unit; None if there is nothing to compare.
      tolerance: largest difference that counts as equal.
      because: the cause of a larger difference, and where it is described.
      details: JSON-able, for the record.
    """

    stage: str
    theirs: str
    ours: str
    difference: typing.Optional[float]
    tolerance: float = 0.0
    because: str = ""
    details: dict = dataclasses.field(default_factory=dict)

    def sound(self):
        """Whether nothing differs beyond tolerance."""
        return self.difference is None or bool(self.difference <= self.tolerance)

    def verdict(self):
        """``identical``, ``within tolerance``, ``differs because ...`` or ``not recorded``."""
        if self.difference is None:
            return "not recorded"
        if self.difference == 0:
            return "identical"
        if self.sound():
            return f"within tolerance ({self.tolerance:g})"
        return f"differs because {self.because}"


def file_rows(run, store):
    """Each data file and vocabulary against its import, written again."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        written = os.path.join(folder, "again")
        export_released(store, written, say=lambda line: None)
        for name in [*FILES, *PICKLES]:
            path = run.find(name)
            if path is not None:
                rows.append(_file_row(f"file: {name}", path, os.path.join(written, name)))
    return rows


def preparation_rows(run, store, data, say):
    """Every file that the ratings lead to, prepared here from the ratings alone."""
    path = run.ratings
    if path is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        data = data.replace(candidate_sampling="released", cache_dir=folder)
        if run.seed is not None:
            data = data.replace(candidate_seed=run.seed)
        ours = prepare(path, data.data, "diff", say=lambda line: None)
        seed = run.seed if run.seed is not None else _seed(store, ours)
        if seed is not None and seed != data.candidate_seed:
            data = data.replace(candidate_seed=seed)
            ours = prepare(path, data.data, "diff", say=lambda line: None)
        say(f"diff: prepared {os.path.basename(path)}, candidates drawn from seed {seed}")
        written = os.path.join(folder, "ours")
        names = export_released(ours, written, say=lambda line: None)
        drawn = [name for name in FILES if name != "train_dataA"]
        plain = [RATINGS, *RECORDS, "train_dataA", "valid_dataA" + BEFORE, "test_dataA" + BEFORE]
        rows = []
        for name in [*plain, *(drawn if seed is not None else ()), *PICKLES]:
            found = run.find(name)
            if found is not None and name in names:
                row = _file_row(f"prepared: {name}", found, os.path.join(written, name))
                row.because = f"the ratings or the filter differ, or see {DATA} rows 16, 17, 19"
                rows.append(row)
        if seed is None:
            rows.append(Row("prepared: negatives", "drawn from another seed", "-", None))
        return rows


def _seed(theirs, ours):
    """The seed of their candidates, from their first liked validation instance."""
    part = theirs.splits["valid"]
    liked = np.flatnonzero(part.counts > 1)
    numbers = {name: k for k, name in enumerate(ours.item_ids.tolist(), 1)}
    if not len(liked):
        return None
    names = theirs.item_ids[part.candidates[liked[0], : part.counts[liked[0]]] - 1].tolist()
    if not all(name in numbers for name in names):
        return None
    return seed_of(ours, [numbers[name] for name in names])


def _file_row(stage, theirs, ours):
    first, second = content(theirs), content(ours)
    if theirs.endswith(".pkl"):
        shown = [f"{len(each):,} bytes" for each in (first, second)]
        different = sum(a != b for a, b in itertools.zip_longest(first, second))
    else:
        first, second = first.split(b"\n"), second.split(b"\n")
        shown = [f"{len(each) - 1:,} lines" for each in (first, second)]
        different = sum(a != b for a, b in itertools.zip_longest(first, second))
    because = (
        f"the lines contain what is not kept: other categories, fractions of seconds; or see {DATA}"
    )
    return Row(stage, *shown, different, because=because)


def content(path):
    """Bytes of a file, unpacked if it is gzip."""
    with open(path, "rb") as stream:
        start = stream.read(2)
    with (gzip.open if start == b"\x1f\x8b" else open)(path, "rb") as stream:
        return stream.read()


def vocabulary_rows(store):
    """Compares the vocabularies with the counts of the files' lines."""
    if f"{next(iter(DEFAULTS))}_vocabulary" not in store.extras:
        return [Row("vocabularies", "-", "-", None)]
    theirs, counts, rows = vocabularies(store), count(store), []
    unknown = len(store.extras.get("unknown_last", ()))
    for kind in DEFAULTS:
        names = theirs[kind]
        because = f"the vocabulary was made from other lines; see {DATA} row 21"
        if kind == "item" and unknown:
            # Unknown targets add to counts: how many are needed for the order to be by count?
            needed = _additions([counts[kind].get(name, 0) for name in names])
            strange = len(set(counts[kind]) - set(names))
            ours = f"{len(counts[kind]):,} counted; {unknown} unknown targets explain the order"
            difference = max(0, needed - unknown) + strange
        else:
            ours_names = number(counts[kind])
            ours = f"{len(ours_names):,} entries"
            difference = sum(a != b for a, b in itertools.zip_longest(names, ours_names))
        stage = f"vocabulary: {kind}"
        rows.append(Row(stage, f"{len(names):,} entries", ours, difference, because=because))
    return rows


def _additions(counts):
    """Least sum of additions that makes ``counts`` never rise."""
    falling = np.maximum.accumulate(np.array(counts[::-1], np.int64))[::-1]
    return int((falling - counts).sum())


def split_rows(store, data):
    """Compares targets and candidates with our own rules.

    Args:
      store: the imported data.
      data: object with ``valid_num_ngs`` and ``test_num_ngs``.
    """
    offsets, lengths = store.user_offsets, np.diff(store.user_offsets)
    unknown = np.asarray(store.extras.get("unknown_last", ()), np.int64)
    longer = lengths.copy()
    longer[unknown] += 1  # the disliked last record that the files do not hold
    whole = np.concatenate([[0], np.cumsum(longer)])
    labels = np.zeros(whole[-1], np.int8)
    users = np.repeat(np.arange(store.num_users), lengths)
    labels[whole[users] + np.arange(len(users)) - offsets[users]] = store.labels
    times = np.zeros(whole[-1], np.int64)
    expected = split_instances("leave_one_out", whole, times, labels)
    rows = []
    for split in SPLITS:
        part, rule = store.splits[split], expected[split]
        theirs = set(zip(part.users.tolist(), (part.ends - offsets[part.users]).tolist()))
        ours = set(zip(rule.users.tolist(), (rule.ends - whole[rule.users]).tolist()))
        because = f"the targets are not those of leave one out; see {DATA} row 17"
        shown = [f"{len(each):,} targets" for each in (theirs, ours)]
        rows.append(Row(f"split: {split}", *shown, len(theirs ^ ours), because=because))
    for split in SPLITS[1:]:
        part = store.splits[split]
        liked = store.labels[part.ends] == 1
        num_negatives = getattr(data, f"{split}_num_ngs")
        counts = np.where(liked, 1 + num_negatives, 1)
        broken = (part.counts != counts) | (part.labels[:, 0] != liked)
        broken |= part.labels[:, 1:].any(axis=1)
        ordered = np.sort(part.candidates, axis=1)
        broken |= ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > 0)).any(axis=1)
        because = (
            f"they are not {num_negatives} distinct other items with label 0; see {DATA} row 24"
        )
        shown = [f"{int(each.sum()):,} rows" for each in (part.counts, counts)]
        rows.append(Row(f"candidates: {split}", *shown, int(broken.sum()), because=because))
    return rows


def batch_rows(run, store, hparams):
    """The recorded batches beside ours from the same seed."""
    path = run.batches
    if path is None:
        return [Row("batches", "-", "-", None)]
    size, negatives, length, seed = (
        int(re.search(rf"_{key}(\d+)", os.path.basename(path)).group(1))
        for key in ("bs", "ngs", "T", "seed")
    )
    hparams = hparams.replace(
        max_seq_length=length, train_num_ngs=negatives, batch_size=size, seed=seed
    )
    iterator = ReleasedIterator(store, hparams)
    with np.load(path, allow_pickle=False) as recorded:
        recorded = dict(recorded)
    rows = []
    for split, name in (("train", "train"), ("test", "test")):
        kinds = sorted({key.split("/")[0] for key in recorded if key.startswith(name)})
        made = _row_batches(iterator, split, size)
        differences, total = {}, 0
        for kind, ours in zip(kinds, made):
            for key in (key for key in recorded if key.startswith(kind + "/")):
                theirs = recorded[key].astype(np.float64)
                mine = ours[key.split("/")[1]]
                same = theirs.shape == mine.shape
                differences[key] = float(abs(theirs - mine).max()) if same else np.inf
                total += len(theirs) if key.endswith("/items") else 0
        because = f"rows, ids or draws differ; see {DATA} rows 21 to 23"
        rows.append(
            Row(
                f"batches: {name}",
                f"{len(kinds)} of {total:,} rows",
                f"seed {seed}, the same draws" if split == "train" else "file order",
                max(differences.values()),
                1e-6,  # logarithms of days, in float32
                because,
                differences,
            )
        )
    return rows


def _row_batches(iterator, split, size):
    """Yields batches as the released rows, ``size`` targets in training, ``size`` rows else."""
    if split == "train":
        for batch in iterator.train_batches(0, size):
            yield iterator.released_rows(batch, split)
        return
    kept = {}
    for batch in iterator.eval_batches(split):
        rows = iterator.released_rows(batch, split)
        kept = {k: np.concatenate([kept[k], v]) if k in kept else v for k, v in rows.items()}
        while len(kept["items"]) >= size:
            yield {k: v[:size] for k, v in kept.items()}
            kept = {k: v[size:] for k, v in kept.items()}


def groups_of(store):
    """{group's name: bool [rows]} of the test rows, in file order."""
    part = store.splits["test"]
    order = in_file_order(store, part.users)
    lengths = np.repeat(store.history_lengths("test")[order], part.counts[order])
    groups = np.array([group_of(length) for length in lengths])
    return {f"group{k}": groups == k for k in range(1, len(GROUP_EDGES) + 2)}
