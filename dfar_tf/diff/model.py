"""The stages of ``diff`` that need the model or its scores: checkpoint, predictions, metrics."""

import numpy as np

from dfar_tf.diff.stages import DATA, MODEL, Row, groups_of
from recommenders_utils.errors import UserError
from recommenders_utils.io import ReleasedIterator
from recommenders_utils.released.metrics import (
    DIGITS,
    NAMES,
    read_any_predictions,
    released_values,
)

SCORES = 1e-5  # largest accepted difference of a prediction
FIGURES = 1e-4  # and a figure of four digits that was computed from such predictions
_SHOWN = {"auc": "AUC", "mean_mrr": "MRR", "ndcg@10": "N@10", "logloss": "LL"}


def checkpoint_rows(path, store, hparams):
    """Loads a released checkpoint and checks that all of it is used.

    Args:
      path: the checkpoint.
      store: the imported data, for the vocabulary.
      hparams: hyper-parameters of a ``dfar_released``; sizes are the checkpoint's.

    Returns:
      (rows, (hparams, number of items, {our variable: array})).

    Raises:
      UserError: no checkpoint, not one of the released DFAR, or one of fewer items than the data's.
    """
    from dfar_tf.diff.checkpoint import (
        mapping_rows,
        read_variables,
        released_sizes,
        translate,
    )
    from dfar_tf.estimator.scoring import scoring_session, short_name

    theirs = read_variables(path)
    sizes, num_items = released_sizes(theirs, path)
    hparams = hparams.replace(**sizes)
    values = translate(theirs, hparams, num_items, path)
    with scoring_session(hparams, num_items, values) as (session, model, _, _):
        loaded = dict(zip(map(short_name, model.weights), session.run(model.weights)))
    off = max(float(abs(loaded[name] - value).max()) for name, value in values.items())
    mapping = mapping_rows(theirs, hparams)
    used = [row for row in mapping if row[2] != "(not used)"]
    rows = [
        Row(
            "checkpoint: variables",
            f"{len(theirs)}, {len(theirs) - len(used)} of them not used",
            f"{len(loaded)} of {sum(v.size for v in loaded.values()):,} numbers",
            off if len(loaded) == len(used) else np.inf,
            because=f"the graphs have other variables; see {MODEL}",
            details={"mapping": mapping},
        )
    ]
    entries = ReleasedIterator(store, hparams).num_items
    if num_items < entries:
        raise UserError(
            f"{path}: {num_items + 1} rows of the item table, but the vocabulary of the data files has "
            f"{entries} entries and the padding: the checkpoint may belong to another run. Give "
            "the one of this run."
        )
    rows.append(
        Row(
            "checkpoint: item table",
            f"{num_items + 1:,} rows",
            f"{entries:,} entries and the padding",
            abs(num_items - entries),
            because=f"the vocabulary is another run's; see {DATA} row 21",
        )
    )
    return rows, (hparams, num_items, values)


def our_scores(store, split, model):
    """Scores of every row of a split in file order, from the recorded weights; float64 [rows]."""
    from dfar_tf.estimator.scoring import score_batches

    hparams, num_items, values = model
    iterator = ReleasedIterator(store, hparams)
    masks = [batch["candidate_mask"] > 0 for batch in iterator.eval_batches(split)]
    scores = score_batches(iterator.eval_batches(split), values, hparams, num_items)
    return np.concatenate([s[m] for s, m in zip(scores, masks)]).astype(np.float64)


def prediction_rows(split, theirs, frame, scores):
    """Compares their predictions with ours.

    Args:
      split: ``test`` or ``valid``.
      theirs: their frame (see ``read_any_predictions``), or None.
      frame: the split's rows with labels and users by the files.
      scores: ours [rows], or None without a checkpoint.
    """
    stage = f"predictions: {split}"
    if theirs is None or scores is None:
        return [
            Row(stage, *("-" if x is None else f"{len(x):,} rows" for x in (theirs, scores)), None)
        ]
    if len(theirs) != len(scores):
        off, details = np.inf, {}
    else:
        gap = abs(theirs["score"].to_numpy() - scores)
        labels = int((theirs["label"].to_numpy() != frame["label"].to_numpy()).sum())
        off = float(gap.max()) if not labels else np.inf
        details = {"mean": float(gap.mean()), "other_labels": labels}
    because = f"the file has other lines or weights, or the graphs differ; see {MODEL}"
    shown = [f"{len(each):,} rows" for each in (theirs, scores)]
    return [Row(stage, *shown, off, SCORES, because, details)]


def metric_rows(recorded, store, frames):
    """The recorded figures beside ours: of their predictions by our metrics, and of our predictions.

    Args:
      recorded: their ``metrics.json``.
      store: the imported data.
      frames: {(split, "theirs" or "ours"): frame}.
    """
    rows = []
    for (split, whose), frame in frames.items():
        figures = {split: recorded.get(split)}
        parts = {split: frame}
        if split == "test":
            for name, chosen in groups_of(store).items():
                figures[f"test, {name}"] = recorded.get("test_by_length_group", {}).get(name)
                parts[f"test, {name}"] = frame[chosen] if len(chosen) == len(frame) else None
        for name, theirs in figures.items():
            if theirs and parts[name] is not None and len(parts[name]):
                rows.append(_metric_row(name, whose, theirs, parts[name]))
    return rows


def _metric_row(part, whose, theirs, frame):
    exact = {NAMES.get(name, name): value for name, value in released_values(frame).items()}
    rounded = {name: round(exact[name], DIGITS) for name in theirs if name in exact}
    missing = sorted(set(theirs) - set(exact))
    off = {name: abs(value - theirs[name]) for name, value in rounded.items()}
    difference = np.inf if missing else round(float(np.max([*off.values()])), DIGITS)
    return Row(
        f"metrics: {part}, {whose}",
        _figures(theirs),
        _figures(rounded),
        difference,
        0.0 if whose == "theirs" else FIGURES,
        f"the figures follow other rules; see {DATA} rows 26 and 27",
        {"theirs": theirs, "ours": exact},
    )


def _figures(values):
    return " ".join(f"{text} {values[k]:.4f}" for k, text in _SHOWN.items() if k in values)


def rows_of(store, split):
    """A split's rows as the frame that metrics need, in the order of the iterator."""
    import pandas as pd

    part = store.splits[split]
    real = np.asarray(part.candidates) > 0
    instance = np.repeat(np.arange(len(part)), real.sum(axis=1))
    return pd.DataFrame(
        {
            "instance": instance,
            "user": store.user_ids[part.users[instance]],
            "label": np.asarray(part.labels)[real],
        }
    )


def read_theirs(path):
    """Their predictions, or None."""
    return None if path is None else read_any_predictions(path)
