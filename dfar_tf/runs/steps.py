"""The steps of a run: prepare, validate, score, report."""

import contextlib
import time

from dfar_tf.models import is_untrained
from dfar_tf.objectives import objective_of
from dfar_tf.paths import ROOT, in_checkout, shown
from dfar_tf.runs.baselines import closing_lines, untrained_figures
from dfar_tf.runs.chance import chance_lines
from dfar_tf.runs.data import find_data
from dfar_tf.runs.folder import FREE_KEYS, RESULTS_FILE
from dfar_tf.runs.observed import (
    observe_run,
    observed_auc,
    observed_line,
    observed_table,
    with_disliked_targets,
)
from dfar_tf.runs.paper import paper_row, same_counts, shown_column, table1_columns
from dfar_tf.runs.ranking import rank_run, ranking_table
from dfar_tf.runs.slices import write_slices
from dfar_tf.runs.tables import results_rows, results_table
from dfar_tf.runs.untrained import load_fitted, observe_fitted, rank_fitted
from recommenders_utils.checksums import checked_write, write_checked_json
from recommenders_utils.dataset.features import with_features
from recommenders_utils.dataset.preparation import data_line, prepare, statistics_table
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.names import is_full
from recommenders_utils.evaluation.predictions import evaluate_file
from recommenders_utils.hparams.schema import to_yaml
from recommenders_utils.tables import to_csv
from recommenders_utils.untrained.scoring import split_predictions


def prepare_data(hparams, given=(), say=print, engine=None, note=None):
    """The prepared data of a run: a prepared folder as it is, or a log that is found and prepared.

    Args:
      hparams: the merged hyper-parameters.
      given: keys the user gave; what a source needs overridden does not touch these.
      say: called with each line to print.
      engine: as ``prepare`` takes it.
      note: called with each line of detail; ``say`` if None.

    Returns:
      (SequenceStore, hparams), the latter with the source's overrides and name, and without the paper's
      column where the log is not the paper's (see ``shown_column``).

    Raises:
      UserError: see ``find_data``, ``prepare`` and ``SequenceStore.load``.
    """
    note = note or say
    if hparams.prepared:
        store = SequenceStore.load(in_checkout(hparams.prepared))
        note(f"data: {store.meta['name']}, prepared in {shown(hparams.prepared)}")
    else:
        source, reader = find_data(hparams, ROOT, say)
        note(f"data: {shown(source.path)}, {source.how}")
        overrides = {key: value for key, value in source.overrides.items() if key not in given}
        if "name" not in given:
            overrides["name"] = source.name
        hparams = hparams.replace(cache_dir=in_checkout(hparams.cache_dir), **overrides)
        about = hparams.data, hparams.name, source.synthetic
        store = prepare(source.path, *about, note, reader, engine)
    sizes = ()
    if hparams.item_features:
        if hparams.iterator == "released":
            raise UserError(
                "item_features: iterator=released has the release's item ids, without features. Give "
                "--iterator=sequential, or leave item_features out."
            )
        path, columns = in_checkout(hparams.item_features), hparams.item_feature_columns
        store, sizes = with_features(store, path, columns, note)
    if store.level_names and hparams.iterator == "released":
        raise UserError(
            "levels: iterator=released has the release's two labels. Give --iterator=sequential, or an "
            "adapter without levels."
        )
    hparams = hparams.replace(
        item_feature_sizes=sizes, levels=store.level_names, level_threshold=store.level_threshold
    )
    column = shown_column(hparams.paper_column, given, store.meta)
    say_statistics(store, note, column)
    return store, hparams.replace(name=store.meta["name"], paper_column=column)


def say_statistics(store, say=print, column="none"):
    """Prints Table 1's row of the data, with the paper's column beside it if one is named."""
    say("\n" + statistics_table(store.meta, table1_columns(column)) + "\n")


def begin(folder, store, given=()):
    """Prints the two lines that a run begins with, and notes its settings in the log.

    Args:
      folder: the open ``RunFolder``.
      store: the data.
      given: keys given as flags; the second line tells them.
    """
    hparams = folder.hparams
    folder.say(data_line(store.meta))
    told = ("model_type", "loss", "seed", *FREE_KEYS, "name", "paper_column")
    values = hparams.values()
    own = [f"{key}={to_yaml(values[key])}" for key in values if key in given and key not in told]
    loss = [] if is_untrained(hparams.model_type) else [hparams.loss]
    what = ", ".join([hparams.model_type, *loss, f"seed {hparams.seed}", *own])
    folder.say(f"model: {what}; run folder {shown(folder.path)}")
    folder.note(hparams.describe() + "\n")


def validation_metrics(hparams):
    """The function that training validates with: predictions -> dict of metrics."""
    metrics = list(dict.fromkeys([*hparams.metrics, hparams.early_stop_metric]))
    metrics = [name for name in metrics if not is_full(name)]

    def evaluate(flat):
        values = evaluate_predictions(flat, metrics, hparams.ties)
        return {name: float(values[name]) for name in metrics}

    return evaluate


def score_and_report(folder, store, trained, started, **more):
    """Scores the best checkpoint, writes the run's results and prints its tables.

    Args:
      folder: the run's ``RunFolder``.
      store: the ``SequenceStore`` it trained on.
      trained: ``Trained``, what training gave.
      started: when the run began, seconds since 1970.
      more: what else the results say.

    Returns:
      dict, as written to ``results.json``.
    """
    hparams = folder.hparams
    training_seconds = time.time() - started
    if trained.epochs:
        folder.note(f"best epoch {trained.best_epoch} of {len(trained.epochs)}; scoring with it")
    results = {
        "model": hparams.model_type,
        "objective": objective_of(hparams),
        "loss": "none" if is_untrained(hparams.model_type) else hparams.loss,
        "data": store.meta["name"],
        "synthetic": store.meta["synthetic"],
        "statistics": store.meta["statistics"],
        "protocol": _protocol(hparams, store),
        "data_fingerprint": store.meta["fingerprint"],
        "seed": hparams.seed,
        "parameters": trained.parameters,
        "best_epoch": trained.best_epoch,
        "epochs": list(trained.epochs),
        **score(folder, store, trained.checkpoint),
        "seconds": {"train": training_seconds, "all": time.time() - started},
        **more,
    }
    write_checked_json(folder.file(RESULTS_FILE), results)
    report(results, hparams.paper_column, folder)
    return results


def _protocol(hparams, store):
    protocol = {**hparams.to_dict()["data"], **store.meta["protocol"], "ties": hparams.ties}
    if is_untrained(
        hparams.model_type
    ):  # it counts all training records, and reads whole histories
        del protocol["train_targets"]
        protocol["max_seq_length"] = "any length"
    return protocol


def score(folder, store, checkpoint, ranked=False):
    """Writes the files of predictions, and of ranks if wanted, and gives the metrics computed from them.

    ``ranked`` says that the folder has this checkpoint's ranks already.

    Beside them, as ``untrained``, what untrained models score on the same test rows, and as
    ``observed_auc`` the AUC of liked against disliked targets of each split that has both.
    """
    hparams, metrics = folder.hparams, {"observed_auc": {}}
    wider = with_disliked_targets(store)
    predict = _predictor(hparams, wider, checkpoint)
    for split in ("valid", "test"):
        flat = predict(split)
        auc = observed_auc(flat, wider, split)
        if auc is not None:
            metrics["observed_auc"][split] = auc
        kept = flat["instance"] < len(store.splits[split])
        flat = {name: values[kept] for name, values in flat.items()}
        path = folder.write_predictions(split, flat, store)
        # From the file, so that the command `metrics` gives the same.
        metrics[split] = evaluate_file(path, hparams.metrics, hparams.ties)
    if hparams.ranking == "full":
        metrics["ranking"] = _of_model(hparams, rank_run, rank_fitted)(folder, store, checkpoint)
    if hparams.targets == "observed":
        metrics["observed"] = _of_model(hparams, observe_run, observe_fitted)(
            folder, store, checkpoint
        )
    write_slices(folder, store, ranked)
    metrics["untrained"] = untrained_figures(store, hparams, folder.note)
    return metrics


def _of_model(hparams, trained, untrained):
    return untrained if is_untrained(hparams.model_type) else trained


def _predictor(hparams, store, checkpoint):
    """Function of a split that scores its stored candidates."""
    if is_untrained(hparams.model_type):
        model = load_fitted(checkpoint)
        return lambda split: split_predictions(model, store, split)
    from dfar_tf.estimator.training import predict

    return lambda split: predict(hparams, store, split, checkpoint)


def report(results, paper_column, folder):
    """Prints the validation and test tables and writes ``results.csv``."""
    paper = None if paper_column == "none" else paper_row(results["model"], paper_column)
    lines = []
    for split in ("valid", "test"):
        beside = paper if split == "test" else None
        folder.say(
            "\n"
            + results_table(
                results[split],
                beside,
                model=results["model"],
                loss=results["loss"],
                dataset=results["data"],
                protocol=results["protocol"],
                seed=results["seed"],
                part=split,
                synthetic=results["synthetic"],
            )
        )
        _, rows = results_rows(results[split], beside or {})
        what = [results["data"], results["synthetic"] and "SYNTHETIC", results["model"]]
        lines += [[*what, results["loss"], results["seed"], split, *row] for row in rows]
    if "ranking" in results:
        about = results["model"], results["data"], results["synthetic"]
        folder.say("\n" + ranking_table(results["ranking"], *about))
        what = [results["data"], results["synthetic"] and "SYNTHETIC", results["model"]]
        what += [results["loss"], results["seed"], "test"]
        lines += [[*what, name, value, None, None] for name, value in results["ranking"].items()]
    if "observed" in results:
        folder.say("\n" + observed_table(results["observed"], results))
        what = [results["data"], results["synthetic"] and "SYNTHETIC", results["model"]]
        what += [results["loss"], results["seed"], "test observed"]
        figures = {k: v for k, v in results["observed"].items() if k != "calibration"}
        lines += [[*what, name, value, None, None] for name, value in figures.items()]
    line = observed_line(results.get("observed_auc", {}))
    if line:
        folder.say("\n" + line)
        what = [results["data"], results["synthetic"] and "SYNTHETIC", results["model"]]
        what += [results["loss"], results["seed"]]
        found = results["observed_auc"].items()
        lines += [[*what, split, "observed_auc", auc, None, None] for split, auc in found]
    headers = [
        "data",
        "synthetic",
        "model",
        "loss",
        "seed",
        "split",
        "metric",
        "ours",
        "paper",
        "difference",
    ]
    rows = [[cell or "" if i < 6 else cell for i, cell in enumerate(r)] for r in lines]
    with checked_write(folder.file("results.csv"), newline="") as stream:
        stream.write(to_csv(headers, rows))
    if paper and not same_counts(results["statistics"], paper_column):
        folder.say("The paper's column is from its own log (Table 1), which this one is not.")
    for line in _untrained_lines(results):
        folder.say("\n" + line)
    seconds = results["seconds"]
    if is_untrained(results["model"]):
        folder.say("Its scores rank and are no probabilities: its log loss says nothing.")
        trained = f"untrained; {seconds['train']:.1f} s to fit"
    else:
        trained = (
            f"{results['parameters']:,} parameters; {seconds['train']:.0f} s to train "
            f"{_epochs(len(results['epochs']))}, best {results['best_epoch']}"
        )
    folder.say(f"\n{trained}, {seconds['all']:.0f} s in all; run folder " + shown(folder.path))


def _epochs(number):
    return f"{number} epoch{'s'[: number != 1]}"


def _untrained_lines(results):
    trained = [] if is_untrained(results["model"]) else [(results["model"], results)]
    tested = [(name, found["test"]) for name, found in trained]
    return [*closing_lines(results.get("untrained", {}), trained), *chance_lines(tested)]


@contextlib.contextmanager
def at(path):
    """Adds the folder's name to system errors that name no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise
