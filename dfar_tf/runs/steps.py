"""The steps of a run: prepare, validate, score, report."""

import contextlib
import time

from dfar_tf.paths import ROOT, in_checkout, shown
from dfar_tf.runs.data import find_data
from dfar_tf.runs.folder import RESULTS_FILE
from dfar_tf.runs.observed import observe_run, observed_table
from dfar_tf.runs.paper import paper_row, paper_table1
from dfar_tf.runs.ranking import rank_run, ranking_table
from dfar_tf.runs.slices import write_slices
from dfar_tf.runs.tables import results_rows, results_table
from recommenders_utils.dataset.preparation import prepare, statistics_table
from recommenders_utils.dataset.store import SequenceStore
from recommenders_utils.evaluation.metrics import evaluate_predictions
from recommenders_utils.evaluation.names import is_full
from recommenders_utils.evaluation.predictions import evaluate_file
from recommenders_utils.files import write_json
from recommenders_utils.tables import to_csv


def prepare_data(hparams, given=(), say=print, engine=None):
    """The prepared data of a run: a prepared folder as it is, or a log that is found and prepared.

    Args:
      hparams: the merged hyper-parameters.
      given: keys the user gave; what a source needs overridden does not touch these.
      say: called with each line to print.
      engine: as ``prepare`` takes it.

    Returns:
      (SequenceStore, hparams), the latter with the source's overrides and name.

    Raises:
      UserError: see ``find_data``, ``prepare`` and ``SequenceStore.load``.
    """
    if hparams.prepared:
        store = SequenceStore.load(in_checkout(hparams.prepared))
        say(f"data: {store.meta['name']}, prepared in {shown(hparams.prepared)}")
    else:
        source, reader = find_data(hparams, ROOT, say)
        say(f"data: {shown(source.path)}, {source.how}")
        overrides = {key: value for key, value in source.overrides.items() if key not in given}
        if "name" not in given:
            overrides["name"] = source.name
        hparams = hparams.replace(cache_dir=in_checkout(hparams.cache_dir), **overrides)
        about = hparams.data, hparams.name, source.synthetic
        store = prepare(source.path, *about, say, reader, engine)
    paper = None if hparams.paper_column == "none" else paper_table1(hparams.paper_column)
    say("\n" + statistics_table(store.meta, _table1_columns(paper)) + "\n")
    return store, hparams.replace(name=store.meta["name"])


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
    folder.say(f"best epoch {trained.best_epoch} of {len(trained.epochs)}; scoring with it")
    results = {
        "model": hparams.model_type,
        "loss": hparams.loss,
        "data": store.meta["name"],
        "synthetic": store.meta["synthetic"],
        "statistics": store.meta["statistics"],
        "protocol": {**hparams.to_dict()["data"], **store.meta["protocol"], "ties": hparams.ties},
        "data_fingerprint": store.meta["fingerprint"],
        "seed": hparams.seed,
        "parameters": trained.parameters,
        "best_epoch": trained.best_epoch,
        "epochs": trained.epochs,
        **score(folder, store, trained.checkpoint),
        "seconds": {"train": training_seconds, "all": time.time() - started},
        **more,
    }
    write_json(folder.file(RESULTS_FILE), results)
    report(results, hparams.paper_column, folder)
    return results


def score(folder, store, checkpoint):
    """Writes the files of predictions, and of ranks if wanted, and gives the metrics computed from them."""
    from dfar_tf.estimator.training import predict

    hparams, metrics = folder.hparams, {}
    for split in ("valid", "test"):
        flat = predict(hparams, store, split, checkpoint)
        path = folder.write_predictions(split, flat, store)
        # From the file, so that the command `metrics` gives the same.
        metrics[split] = evaluate_file(path, hparams.metrics, hparams.ties)
    if hparams.ranking == "full":
        metrics["ranking"] = rank_run(folder, store, checkpoint)
    if hparams.targets == "observed":
        metrics["observed"] = observe_run(folder, store, checkpoint)
    write_slices(folder, store)
    return metrics


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
    to_csv(
        headers,
        [[cell or "" if i < 6 else cell for i, cell in enumerate(r)] for r in lines],
        folder.file("results.csv"),
    )
    if paper and not _same_statistics(results["statistics"], paper_table1(paper_column)):
        folder.say("The paper's column is from its own log (Table 1), which this one is not.")
    seconds = results["seconds"]
    folder.say(
        f"\n{results['parameters']:,} parameters; {seconds['train']:.0f} s to train "
        f"{len(results['epochs'])} epochs, {seconds['all']:.0f} s in all; run folder "
        + shown(folder.path)
    )


@contextlib.contextmanager
def at(path):
    """Adds the folder's name to system errors that name no file."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def _same_statistics(ours, paper):
    return all(
        ours[key] == value
        for key, value in _table1_columns(paper).items()
        if key != "avg_records_per_user"
    )


def _table1_columns(paper):
    """Table 1 under the names of ``statistics``."""
    if paper is None:
        return None
    names = {"positive_records": "positive", "negative_records": "negative"}
    names["avg_records_per_user"] = "records_per_user"
    keys = ("users", "items", *names)
    return {key: paper[names.get(key, key)] for key in keys}
