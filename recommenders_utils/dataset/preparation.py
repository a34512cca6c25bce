"""From a log to a SequenceStore: read, filter, split, draw candidates, keep the result."""

import argparse
import hashlib
import json
import os
import time
from typing import Any, Callable, Dict, Optional

import numpy as np

from recommenders_utils.dataset.candidates import candidate_seed, draw_candidates
from recommenders_utils.dataset.engines.numpy import NumpyEngine
from recommenders_utils.dataset.engines.progress import Clock, filter_lines
from recommenders_utils.dataset.splitting import split_instances
from recommenders_utils.dataset.store import FORMAT_VERSION, SPLITS, DamagedStore, SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.files import sha256_of, slug
from recommenders_utils.reading.records import ratings_reader
from recommenders_utils.released.candidates import draw_as_released
from recommenders_utils.tables import format_table
from recommenders_utils.temporaries import restore

# The keys of the data section that shape the arrays; the others (history length, train targets
# and negatives, length groups, folders) act when batches are made from them.
SHAPING_KEYS = (
    "rating_min",
    "rating_max",
    "rating_threshold",
    "max_malformed",
    "min_item_records",
    "min_user_records",
    "core_filter",
    "split",
    "split_ratio",
    "tie_order",
    "valid_num_ngs",
    "test_num_ngs",
    "candidate_sampling",
    "candidate_seed",
    "duplicates",
    "utc_offset_hours",
)
# Keys added later: at these values they are left out, so that older prepared data are still found.
_AS_BEFORE = {"duplicates": "first", "utc_offset_hours": 0.0}


def prepare(
    path: str,
    data: Any,
    name: Optional[str] = None,
    synthetic: bool = False,
    say: Callable[[str], None] = print,
    reader: Any = None,
    engine: Any = None,
) -> SequenceStore:
    """The prepared sequences of a log, from the cache if input and protocol are the same.

    Args:
      path: the log, a ratings file (see ``recognise.ratings``) unless ``reader`` says otherwise; the
        first file of several.
      data: object with the attributes of the ``data`` section of ``hparams/base.yaml``.
      name: what to call the data; ``data.name`` by default.
      synthetic: whether the ratings were generated; every report then says so.
      say: called with each line of progress.
      reader: the log's ``RecordReader``; by default that of a ratings file.
      engine: what turns the log into sequences (see ``engines``); by default a ``NumpyEngine``. The
        arrays are the same, so data prepared by another engine are reused.

    Returns:
      SequenceStore, memory-mapped from ``<cache_dir>/<name>-<fingerprint>``.

    Raises:
      UserError: bad input, a split by time of a log that has none, a filter or split that leaves
        nothing, a folder that cannot be written.
    """
    begun = time.perf_counter()
    name = name or data.name
    reader = reader or ratings_reader(path)
    _require_times(reader, data.split)
    protocol = protocol_of(data)
    fingerprint = _fingerprint(reader.paths, protocol, synthetic, reader.form.identity())
    folder = prepared_folder(data.cache_dir, name, fingerprint)
    store = _cached(folder, fingerprint, say)
    if store is not None:
        say(f"data: reused {folder} ({time.perf_counter() - begun:.2f} s)")
        for line in _filtered(store.meta):
            say("data: " + line)
        return store
    engine = engine or NumpyEngine()
    store = _build(reader, argparse.Namespace(**{**_AS_BEFORE, **protocol}), engine, say)
    store.meta.update(
        name=name,
        source=store.meta["preparation_report"]["reading"]["file"],
        synthetic=bool(synthetic),
        protocol=protocol,
        fingerprint=fingerprint,
    )
    if reader.form.levels:
        store.meta["levels"] = {
            "names": reader.form.levels,
            "threshold": reader.form.threshold_level,
        }
    try:
        store.save(folder)
    except OSError as error:
        # Another run may have written the same folder in the meantime.
        other = _cached(folder, fingerprint, say)
        if other is None:
            raise UserError(
                f"{folder}: the prepared data cannot be written: {error.strerror or error}; free "
                "space there or set cache_dir to another folder"
            ) from error
        return other
    say(f"data: prepared {folder} ({time.perf_counter() - begun:.2f} s)")
    return SequenceStore.load(folder)


def prepared_folder(cache_dir: str, name: str, fingerprint: str) -> str:
    """Where the prepared arrays of a log are kept."""
    return os.path.join(cache_dir, f"{slug(name, '_.')[:60] or 'ratings'}-{fingerprint[:12]}")


def protocol_of(data: Any) -> Dict[str, Any]:
    """The keys of ``data`` that shape the arrays, as a JSON-able dict."""
    values = {key: getattr(data, key, _AS_BEFORE.get(key)) for key in SHAPING_KEYS}
    kept = {k: v for k, v in values.items() if k not in _AS_BEFORE or v != _AS_BEFORE[k]}
    return json.loads(json.dumps(kept))


def _filtered(meta):
    """The sentences of ``filter_lines`` for prepared data; none where they were not filtered here."""
    counts = meta.get("preparation_report", {}).get("filter", {})
    if "read" not in counts or "min_user_records" not in meta["protocol"]:
        return []
    return filter_lines(meta["statistics"], counts, meta["protocol"])


def data_line(meta: Dict[str, Any]) -> str:
    """A store in one line: its name, how much of the log the filters left, and by which keys."""
    kept, parts = meta["statistics"], []
    report = meta.get("preparation_report", {})
    read = report.get("filter", {}).get("read")
    for what in ("users", "items", "records"):
        part = f"{kept[what]:,} {what}"
        if read and read[what] > kept[what]:
            key = f"min_{what[:-1]}_records"
            least = meta["protocol"].get(key, 0)
            part = f"{kept[what]:,} of {read[what]:,} {what}" + f" ({key}={least})" * (least > 1)
        parts.append(part)
    for drop in ("malformed", "dropped"):
        number = sum(found["count"] for found in report.get("reading", {}).get(drop, {}).values())
        parts += [f"{number:,} {drop} rows"] if number else []
    return f"data: {_label(meta)}: {', '.join(parts)}"


def statistics_table(meta: Dict[str, Any], paper_row: Optional[Dict[str, Any]] = None) -> str:
    """Table 1's row for a store as text, with the paper's if given.

    Args:
      meta: ``SequenceStore.meta``.
      paper_row: dict with Table 1's columns, or None.
    """
    columns = ("users", "items", "positive_records", "negative_records", "avg_records_per_user")
    rows = [(_label(meta), *_cells(meta["statistics"], columns))]
    if paper_row:
        rows.append(("paper, Table 1", *_cells(paper_row, columns)))
    return format_table(("", *columns), rows, align="lrrrrr", rule=False)


def _cached(folder, fingerprint, say):
    """The store in ``folder`` if it is intact and the right one, else None."""
    restore(folder)
    if not os.path.isdir(folder):
        return None
    try:
        store = SequenceStore.load(folder)
        if store.meta.get("fingerprint") != fingerprint:
            raise DamagedStore(f"{folder}: made from another input or protocol")
        return store
    except DamagedStore as damage:
        say(f"data: stale or damaged: {damage}")
        say("data: preparing it again")
        return None


def _build(reader, data, engine, say):
    clock = Clock()
    store, reading, counts = engine.gather(reader.title, reader, data, say, clock)
    counts["users_with_one_record"] = _require_histories(store, say)
    store.splits = split_instances(
        data.split,
        store.user_offsets,
        store.times,
        store.labels,
        data.split_ratio,
        data.utc_offset_hours,
    )
    add_candidates(store, data)
    sizes = ", ".join(f"{len(store.splits[name])} {name}" for name in SPLITS)
    say(f"data: {sizes} instances by {data.split} ({clock.lap('split'):.2f} s)")
    store.times = np.floor(store.times).astype(np.int64)
    store.meta = {
        "statistics": store.statistics(),
        "engine": engine.NAME,
        "preparation_report": {"reading": reading, "filter": counts, "seconds": clock.laps},
    }
    return store


def add_candidates(store: SequenceStore, data: Any) -> None:
    """Draws and stores the candidates of validation and test."""
    if data.candidate_sampling == "released":
        draw_as_released(store, data.candidate_seed, data.valid_num_ngs, data.test_num_ngs)
        return
    counts = np.bincount(store.items, minlength=store.num_items + 1)[1:]
    for name, number in (("valid", data.valid_num_ngs), ("test", data.test_num_ngs)):
        part = store.splits[name]
        part.candidates, part.labels, part.counts = draw_candidates(
            store.items[part.ends],
            store.labels[part.ends],
            number,
            counts,
            data.candidate_sampling,
            candidate_seed(data.candidate_seed, SPLITS.index(name)),
        )


def _require_histories(store, say):
    """Number of users with one record; they stay, but give no target."""
    single = int(np.count_nonzero(np.diff(store.user_offsets) == 1))
    if single == store.num_users:
        raise UserError(
            f"each of the {single} users has one record, so that no record has a history; check "
            "that the user column is the right one, or use a longer log"
        )
    if single:
        say(f"data: {single} users have one record: they give no instance, but their items count")
    return single


def _require_times(reader, split):
    """Raises UserError for a split by time of a log whose adapter says that it has none."""
    if reader.form.row_order and split != "leave_one_out":
        raise UserError(
            f"{reader.title}: adapter {reader.form.name} reads it without times (time: row_order), and "
            f"split={split} needs them; give --split=leave_one_out, or a time column in the adapter"
        )


def _fingerprint(paths, protocol, synthetic, identity):
    try:
        digests = [sha256_of(path) for path in paths]
    except OSError as error:
        raise UserError(
            f"{error.filename or paths[0]}: cannot be read: {error.strerror or error}"
        ) from error
    content = digests if len(digests) > 1 else digests[0]
    described = [FORMAT_VERSION, content, protocol, bool(synthetic)]
    described += [] if identity is None else [identity]
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _label(meta):
    return meta["name"] + (" (SYNTHETIC)" if meta["synthetic"] else "")


def _cells(row, columns):
    return [f"{float(row[c]):,.2f}" if c.startswith("avg") else f"{int(row[c]):,}" for c in columns]
