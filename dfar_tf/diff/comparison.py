"""``diff``: a released run beside this code, stage by stage, in one table."""

import dataclasses
import glob
import json
import os
import re

from dfar_tf.diff import model as model_stages
from dfar_tf.diff import stages as stages
from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import versions
from dfar_tf.settings import merge_hparams
from recommenders_utils.errors import UserError
from recommenders_utils.files import read_json, slug, write_json
from recommenders_utils.released.files import find_file
from recommenders_utils.released.instances import import_released
from recommenders_utils.tables import format_table, to_csv

HEADERS = ("stage", "theirs", "ours", "difference", "verdict")


class ReleasedRun:
    """Where the files of a released run are.

    Args:
      folders: folders, searched in turn; if none has ``train_dataA``, their subfolders as well.
      checkpoint: a checkpoint's prefix, or None to look for the only one.
      predictions: a predictions file of the test set, or None to look for it.
      ratings: the ratings that the run was prepared from, or None to look for ``ratings_*.csv``.

    Raises:
      UserError: a missing folder or file; several checkpoints to choose from.
    """

    def __init__(self, folders, checkpoint=None, predictions=None, ratings=None):
        for folder in folders:
            if not os.path.isdir(folder):
                raise UserError(f"{folder}: no such folder, expected that of a released run")
        self.name = slug(os.path.basename(os.path.normpath(folders[0])))
        if find_file(folders, "train_dataA") is None:
            folders = [
                *sorted(f for d in folders for f in glob.glob(os.path.join(d, "*/"))),
                *folders,
            ]
        self.folders = folders
        for path in (predictions, ratings):
            if path is not None and not os.path.isfile(path):
                raise UserError(f"{path}: no such file")
        self.checkpoint = checkpoint or self._checkpoint()
        self.predictions = {
            "test": predictions or self._one("predictions_test*.csv*"),
            "valid": self._one("predictions_valid*.csv*"),
        }
        self.ratings = ratings or self._one("ratings_*.csv*")
        self.batches = self._one("iterator_batches_T*_bs*_ngs*_seed*.npz")
        self.metrics = self._metrics()
        # Recorded files may say what ``random`` was seeded with before the negatives were drawn.
        named = re.search(r"after_neg_sampling_seed(\d+)", find_file(folders, "valid_dataA") or "")
        self.seed = int(named.group(1)) if named else None

    def find(self, name):
        """Path of a file by the release's name, or None."""
        return find_file(self.folders, name)

    def _one(self, pattern):
        found = [
            p for folder in self.folders for p in sorted(glob.glob(os.path.join(folder, pattern)))
        ]
        return found[0] if found else None

    def _checkpoint(self):
        found = [p for folder in self.folders for p in glob.glob(os.path.join(folder, "*.index"))]
        if len(found) > 1:
            raise UserError(
                f"{', '.join(sorted(found))}: several checkpoints; choose one with --checkpoint"
            )
        return found[0][: -len(".index")] if found else None

    def _metrics(self):
        """The first ``metrics.json`` that has figures of a split."""
        for folder in self.folders:
            path = os.path.join(folder, "metrics.json")
            try:
                recorded = read_json(path) if os.path.isfile(path) else {}
            except (ValueError, OSError) as error:
                raise UserError(f"{path}: not a JSON file: {error}") from error
            if isinstance(recorded, dict) and {"test", "valid"} & set(recorded):
                groups = recorded.get("test_by_length_group", {})
                for figures in (*map(recorded.get, ("test", "valid")), *dict(groups).values()):
                    _require_figures(path, figures)
                return recorded
        return {}


def _require_figures(path, figures):
    if figures is not None and not (
        isinstance(figures, dict) and all(isinstance(v, float) for v in figures.values())
    ):
        raise UserError(
            f"{path}: expected figures by name for test, valid and each length group, got {figures!r:.60}"
        )


def diff_released(run, given=None, output=None, command="", say=print):
    """Compares every stage that the run recorded, prints the table and writes it.

    Args:
      run: ReleasedRun.
      given: hyper-parameters to change, by key.
      output: folder of ``diff-<name>.json`` and ``.csv``; ``results/`` in the checkout if None.
      command: the command line, for the record.
      say: called with each line to print.

    Returns:
      List of Row; nothing differs beyond tolerance if all are ``sound()``.

    Raises:
      UserError: a damaged file or a malformed line, by file and line.
    """
    # Sizes and settings of the release; the checkpoint's sizes are taken over.
    hparams = merge_hparams(
        **{"protocol": "released", "model_type": "dfar_released", **(given or {})}
    )
    store = import_released(run.folders, "released run", say)
    rows = stages.file_rows(run, store)
    rows += stages.preparation_rows(run, store, hparams, say)
    rows += stages.vocabulary_rows(store)
    rows += stages.split_rows(store, hparams)
    rows += stages.batch_rows(run, store, hparams)
    rows += _model_rows(run, store, hparams)
    headline = f"released run in {', '.join(map(shown, run.folders))}"
    say("\n" + format_table(HEADERS, [_cells(row) for row in rows], headline, "lllrl"))
    _write(rows, run, output, command, say)
    bad = [row.stage for row in rows if not row.sound()]
    compared = sum(row.difference is not None for row in rows)
    say(
        f"{len(bad)} of {compared} comparisons differ beyond tolerance: {'; '.join(bad)}"
        if bad
        else f"{compared} comparisons: nothing differs beyond tolerance"
    )
    return rows


def _model_rows(run, store, hparams):
    rows, model = [], None
    if run.checkpoint is None:
        rows.append(stages.Row("checkpoint", "-", "-", None))
    else:
        rows, model = model_stages.checkpoint_rows(run.checkpoint, store, hparams)
    frames = {}
    for split in ("valid", "test"):
        theirs = model_stages.read_theirs(run.predictions[split])
        frame = model_stages.rows_of(store, split)
        scores = None if model is None else model_stages.our_scores(store, split, model)
        rows += model_stages.prediction_rows(split, theirs, frame, scores)
        if theirs is not None:
            frames[split, "theirs"] = theirs
        if scores is not None:
            frames[split, "ours"] = frame.assign(score=scores)
    return rows + model_stages.metric_rows(run.metrics, store, frames)


def _cells(row):
    difference = "-" if row.difference is None else f"{row.difference:.3g}"
    return [row.stage, row.theirs, row.ours, difference, row.verdict()]


def _write(rows, run, output, command, say):
    folder = output or in_checkout("results")
    name = "diff-" + run.name
    record = [{**dataclasses.asdict(row), "verdict": row.verdict()} for row in rows]
    # JSON has no infinity, which marks values that cannot be compared at all.
    record = json.loads(json.dumps(record), parse_constant=str)
    path = os.path.join(folder, name + ".json")
    write_json(path, {"command": command, "versions": versions(), "stages": record})
    to_csv(HEADERS, [_cells(row) for row in rows], os.path.join(folder, name + ".csv"))
    say(f"\nwritten: {shown(path)} and {name}.csv")
