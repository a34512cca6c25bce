"""One run: prepare, train, evaluate, report."""

import time

from dfar_tf.models import is_untrained
from dfar_tf.paths import ROOT, resuming
from dfar_tf.runs import untrained
from dfar_tf.runs.baselines import check_untrained
from dfar_tf.runs.folder import RESULTS_FILE, RunFolder, open_run, read_results
from dfar_tf.runs.growth import begun
from dfar_tf.runs.kept import data_to_resume, run_data
from dfar_tf.runs.observed import check_observed
from dfar_tf.runs.ranking import check_ranking
from dfar_tf.runs.sittings import seconds_before
from dfar_tf.runs.steps import (
    at,
    begin,
    prepare_data,
    report,
    say_statistics,
    score,
    score_and_report,
    validation_metrics,
)
from recommenders_utils.checksums import write_checked_json
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.catalogue import checked_cutoffs
from recommenders_utils.evaluation.names import expand


def run_experiment(
    hparams, command="", run_dir=None, resume=False, given=(), echo=True, init_from=None
):
    """Prepares, trains, evaluates, prints the table and writes a run folder.

    Args:
      hparams: the merged hyper-parameters.
      command: the command line, for the record.
      run_dir: the run's folder; a new one under ``runs/`` if None.
      resume: resume the run in ``run_dir``.
      given: keys given as flags.
      echo: whether the run prints what it logs.
      init_from: folder of a run whose weights and vocabulary it begins with, or None.

    Returns:
      dict, as written to ``results.json``, and ``run_dir``, the run's folder.

    Raises:
      UserError: bad input of any kind.
      KeyboardInterrupt: with a message that says how to resume.
    """
    from dfar_tf.estimator.cluster.task import read_task

    if is_untrained(hparams.model_type):
        return _run_untrained(hparams, command, run_dir, resume, given, echo)
    task = read_task()
    if task is not None:
        task.hide_devices(hparams.device)
    from dfar_tf.estimator.session import choose_devices  # TensorFlow takes seconds to import
    from dfar_tf.models import check_model
    from recommenders_utils.io import make_iterator

    started = time.time()
    if resume and run_dir is None:
        raise UserError("--resume: give the folder of the run to resume as --run_dir.")
    # Refuse whatever can be refused before anything is prepared or written.
    check_model(hparams)
    expand(hparams.metrics)
    check_untrained(hparams)
    checked_cutoffs(hparams.ranking_cutoffs)
    choose_devices(hparams.device)
    if task is not None:
        from dfar_tf.runs.cluster_task import enter_run

        return enter_run(task, hparams, command, run_dir, resume, given, init_from)
    folder = RunFolder(run_dir, echo)
    store, hparams = _data(hparams, run_dir, resume, given, folder)
    make_iterator(store, hparams)
    store, start = begun(init_from, hparams, store, resume, folder.say)
    check_ranking(hparams, store)
    check_observed(hparams, store)
    with at(run_dir or ROOT):
        folder.open(hparams, store, command, resume, start)
    try:
        with at(folder.path), folder.held():
            begin(folder, store, given)
            return {**_train_and_report(folder, store, started), "run_dir": folder.path}
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"To resume: {resuming(command, folder.path)}") from None


def _data(hparams, run_dir, resume, given, folder):
    if resume:
        return data_to_resume(run_dir, hparams, given, folder.say, folder.note)
    return prepare_data(hparams, given, folder.say, note=folder.note)


def _train_and_report(folder, store, started):
    from dfar_tf.estimator.messages import heard
    from dfar_tf.estimator.training import train

    hparams = folder.hparams
    started -= seconds_before(folder.path)  # what other sittings took is told, too
    with heard(folder.say, folder.note):
        trained = train(hparams, store, folder.path, validation_metrics(hparams))
    return score_and_report(folder, store, trained, started)


def _run_untrained(hparams, command, run_dir, resume, given, echo):
    """``run_experiment`` of a model that is fitted by counting: no device, no TensorFlow."""
    from dfar_tf.estimator.cluster.task import read_task

    started = time.time()
    if resume and run_dir is None:
        raise UserError("--resume: give the folder of the run to resume as --run_dir.")
    if read_task() is not None:
        raise UserError(
            f"TF_CONFIG names a cluster, but {hparams.model_type} is fitted by counting, in seconds, by one "
            "process. Unset TF_CONFIG."
        )
    untrained.check(hparams)
    expand(hparams.metrics)
    check_untrained(hparams)
    checked_cutoffs(hparams.ranking_cutoffs)
    folder = RunFolder(run_dir, echo)
    store, hparams = _data(hparams, run_dir, resume, given, folder)
    check_ranking(hparams, store)
    check_observed(hparams, store)
    with at(run_dir or ROOT):
        folder.open(hparams, store, command, resume)
    with at(folder.path), folder.held():
        begin(folder, store, given)
        results = score_and_report(folder, store, untrained.fit_run(folder, store), started)
        return {**results, "run_dir": folder.path}


def evaluate_run(run_dir, given=None, echo=True):
    """Scores a finished run's best checkpoint again, rewrites its predictions and prints its tables.

    Args:
      run_dir: folder of the run.
      given: ``info`` hyper-parameters to change, such as ``metrics`` or ``ties``.
      echo: whether what is logged is printed too.

    Returns:
      dict, as written to ``results.json``.

    Raises:
      UserError: no finished run there, or its data have changed.
    """
    hparams = open_run(run_dir).replace(**(given or {}))
    results = read_results(run_dir)
    folder = RunFolder(run_dir, echo)
    store, hparams = run_data(run_dir, hparams, given or {}, folder.say)
    folder.attach(hparams, store)
    say_statistics(store, folder.say)
    check_ranking(hparams, store)
    check_observed(hparams, store)
    with at(run_dir), folder.held():
        ranked = "ranking" in results
        results.update(score(folder, store, _best(hparams, run_dir), ranked))
        write_checked_json(folder.file(RESULTS_FILE), results)
        report(results, hparams.paper_column, folder)
    return results


def _best(hparams, run_dir):
    if is_untrained(hparams.model_type):
        return untrained.Fitted(run_dir).checkpoint
    from dfar_tf.estimator.training import best_checkpoint

    return best_checkpoint(run_dir)
