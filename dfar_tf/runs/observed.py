"""Every observed target of a run scored with its label: will the user like this item?"""

import dataclasses

import numpy as np

from dfar_tf.runs.tables import heading, results_rows
from recommenders_utils.checksums import checked_write
from recommenders_utils.dataset.store import Instances
from recommenders_utils.dataset.training import disliked_test_targets
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.observed import calibration, check_labels, observed_figures
from recommenders_utils.evaluation.predictions import read_predictions
from recommenders_utils.evaluation.targets import all_test_targets
from recommenders_utils.tables import format_table, to_csv

PREDICTIONS_FILE, CALIBRATION_FILE = "predictions_observed.csv", "calibration.csv"
TOGETHER = 1024  # targets scored at a time


def with_disliked_targets(store):
    """A store whose test split ends with the disliked targets, each alone as in validation.

    Scored with the others, they cost no graph of their own.
    """
    test, disliked = store.splits["test"], disliked_test_targets(store)
    count = len(disliked)
    alone = np.zeros([count, test.candidates.shape[1]], test.candidates.dtype)
    alone[:, 0] = store.items[disliked.ends]
    joined = Instances(
        *(np.concatenate([getattr(test, k), getattr(disliked, k)]) for k in ("users", "ends")),
        np.concatenate([test.candidates, alone]),
        np.concatenate([test.labels, np.zeros(alone.shape, test.labels.dtype)]),
        np.concatenate([test.counts, np.ones(count, test.counts.dtype)]),
    )
    return dataclasses.replace(store, splits={**store.splits, "test": joined})


def observed_auc(flat, store, split):
    """AUC of the scores of a split's liked targets against those of its disliked ones.

    Args:
      flat: predictions of the split, one row per candidate in instance order, the target first.
      store: of ``with_disliked_targets``, if ``split`` is ``test``.
      split: ``valid`` or ``test``.

    Returns:
      A float; None where the targets are all liked or all disliked.
    """
    _, targets = np.unique(flat["instance"], return_index=True)
    labels = np.asarray(store.labels)[store.splits[split].ends]
    if len(set(labels.tolist())) < 2:
        return None
    frame = {
        "instance": np.arange(len(labels)),
        "user": flat["user"][targets],
        "label": labels,
        "score": flat["score"][targets],
    }
    return float(evaluate_predictions(frame, ["auc"])["auc"])


def observed_line(figures):
    """``observed_auc`` of the splits that have one as a line of text, "" if none has.

    Args:
      figures: ``{"valid": AUC, "test": AUC}``, as in a run's results.
    """
    names = (("valid", "validation"), ("test", "test"))
    said = [f"{figures[split]:.4f} {name}" for split, name in names if split in figures]
    return "observed feedback, AUC of liked against disliked targets: " * bool(said) + ", ".join(
        said
    )


def check_observed(hparams, store):
    """Raises UserError if ``targets: observed`` cannot be done, before anything is trained for it."""
    if hparams.targets == "observed":
        check_labels(all_test_targets(store).labels)


def observe_run(folder, store, checkpoint):
    """Scores the observed targets with a checkpoint; arguments and result as of ``observe_with``."""
    from dfar_tf.estimator.scorer import Scorer
    from recommenders_utils.io import make_iterator

    hparams = folder.hparams
    iterator = make_iterator(store, hparams)
    scorer = Scorer(hparams, iterator.num_items, store.num_users, checkpoint)

    def score(users, ends):
        logits = []
        for start in range(0, len(ends), TOGETHER):
            part = slice(start, start + TOGETHER)
            items, labels, mask = iterator.histories(users[part], ends[part])
            histories = {"history_items": items, "history_labels": labels, "history_mask": mask}
            state = scorer.encode({**histories, "user": users[part]})
            logits.append(scorer.score(state, iterator.ids[store.items[ends[part]]][:, None])[:, 0])
        logits = np.concatenate(logits).astype(np.float64)
        return np.exp(-np.logaddexp(0, -logits))

    try:
        return observe_with(score, folder, store)
    finally:
        scorer.close()


def observe_with(score, folder, store):
    """Scores the observed targets, writes ``predictions_observed.csv`` and ``calibration.csv``.

    Args:
      score: (users [N], ends [N]) -> probability [N] that the user likes the record ``end``.
      folder: the run's ``RunFolder``.
      store: its ``SequenceStore``.

    Returns:
      ``{name: figure}`` of ``observed_figures``, from the file, and ``calibration``, its rows.

    Raises:
      UserError: see ``check_labels``.
    """
    import pandas as pd

    targets = all_test_targets(store)
    check_labels(targets.labels)
    frame = {
        "instance": range(len(targets.ends)),
        "user": store.user_ids[targets.users],
        "item": store.item_ids[store.items[targets.ends] - 1],
        "label": targets.labels,
        "score": score(targets.users, targets.ends),
    }
    path = folder.file(PREDICTIONS_FILE)
    with checked_write(path, newline="") as stream:
        pd.DataFrame(frame).to_csv(stream, index=False)
    stored = read_predictions(path)
    table = calibration(stored["label"], stored["score"])
    table = table.astype(object).where(table.notna(), None)
    with checked_write(folder.file(CALIBRATION_FILE), newline="") as stream:
        stream.write(to_csv(list(table.columns), table.to_numpy().tolist()))
    return {**observed_figures(stored), "calibration": table.to_dict("records")}


def observed_table(figures, results):
    """The figures and the calibration as text.

    Args:
      figures: as of ``observe_with``.
      results: the run's: ``model``, ``data``, ``synthetic`` and ``protocol``.
    """
    shown = {name: figures[name] for name in ("auc", "gauc", "logloss")}
    headers, rows = results_rows(shown)
    rows.append(["calibration error", figures["ece"]])
    title = (
        heading(results["model"], results["data"], "test, observed feedback", results["synthetic"])
        + f"\n{figures['targets']:,} observed targets with their own labels, "
        f"{figures['share_liked']:.1%} liked; {figures['gauc_excluded_users']:,} users of one label "
        "left out of GAUC"
    )
    bins = [
        [f"{b['low']:.1f} to {b['high']:.1f}", f"{b['count']:,}", b["mean_score"], b["share_liked"]]
        for b in figures["calibration"]
    ]
    parts = [
        format_table(headers, rows, title, "lr"),
        format_table(["score", "targets", "mean score", "share liked"], bins, None, "lrrr"),
    ]
    protocol = results["protocol"]
    train_targets, advice = (
        protocol.get("train_targets"),
        "train_targets=feedback and train_num_ngs=0",
    )
    if train_targets is None:
        parts.append(
            "Untrained: its score ranks and is no probability, so log loss and bins say nothing."
        )
    elif train_targets != "feedback":
        parts.append(
            f"Trained with train_targets={train_targets}, where every target has label 1: its score says\n"
            f"how likely an item is next, not whether the user likes it. Train with {advice}\n"
            "to predict that."
        )
    elif protocol.get("train_num_ngs") != 0:
        parts.append(
            "Trained with drawn negatives of label 0 beside the observed targets: its score is lower than\n"
            f"the share liked. Train with {advice} to predict that."
        )
    return "\n\n".join(parts)
