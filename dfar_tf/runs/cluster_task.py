"""One task of a run on a cluster: its data, its part of the training, and the table by the evaluator."""

import contextlib
import os
import time

from dfar_tf.estimator.cluster.task import CHIEF, EVALUATOR, PS, VARIABLE
from dfar_tf.paths import shown, typed
from dfar_tf.runs.folder import FREE_KEYS, HPARAMS_FILE, RESULTS_FILE, RunFolder, read_settings
from dfar_tf.runs.growth import begun
from dfar_tf.runs.kept import data_to_resume, run_data
from dfar_tf.runs.steps import prepare_data, score_and_report, validation_metrics
from recommenders_utils.errors import UserError

LOOK_EVERY = 0.5  # seconds between two checks for the run's folder
SAY_EVERY = 60.0  # seconds between two lines while waiting for it


def enter_run(task, hparams, command, run_dir, resume=False, given=(), init_from=None):
    """Runs a task of a run for which all tasks get the same flags.

    The chief makes the folder, the others wait for it.

    Args:
      task: ``Task`` that this process is.
      hparams: the merged hyper-parameters.
      command: the command line, for the record.
      run_dir: the run's folder, the same and shared by all tasks.
      resume: resume the run in ``run_dir``.
      given: keys given as flags.
      init_from: folder of a run whose weights and vocabulary it begins with, or None.

    Returns:
      dict, as written to ``results.json``, in the evaluator; None in the others.

    Raises:
      UserError: bad input of any kind; no ``run_dir``.
      KeyboardInterrupt: with a message that says how to resume.
    """
    if run_dir is None:
        raise UserError(
            f"run_dir: not given, but {VARIABLE} names a cluster, whose tasks share the run's "
            "folder. Give every task the same --run_dir, on a shared disk."
        )
    started = time.time()
    folder = RunFolder(run_dir)
    if task.kind == PS:
        return run_task(task, folder, None, started)
    say = folder.say if task.kind == CHIEF else print
    if resume:
        store, hparams = data_to_resume(run_dir, hparams, given, say)
    else:
        store, hparams = prepare_data(hparams, given, say)
    # The chief writes the weights; the others need the vocabulary only.
    store, start = begun(init_from, hparams, store, resume or task.kind != CHIEF, say)
    if task.kind == CHIEF:
        folder.open(hparams, store, command, resume, start)
    else:
        _wait_for(folder.file(HPARAMS_FILE), task)
        folder.check_same(hparams)
        folder.attach(hparams, store)
    try:
        return run_task(task, folder, store, started)
    except KeyboardInterrupt:
        again = f"start all its tasks again with --resume (run folder {shown(run_dir)})"
        raise KeyboardInterrupt(f"To resume: {again}") from None


def join_run(task, run_dir, given):
    """Runs a task of the run in a folder, with the folder's hyper-parameters.

    Args:
      task: ``Task`` that this process is.
      run_dir: the run's folder.
      given: hyper-parameters given as flags: where it runs and what it prints, not what is trained.

    Returns:
      As ``enter_run``.

    Raises:
      UserError: no run there; ``given`` would change what is trained.
    """
    if not run_dir or not os.path.exists(os.path.join(run_dir, HPARAMS_FILE)):
        raise UserError(
            f"run_dir: {run_dir or 'not given'}: holds no run to join ({HPARAMS_FILE} is "
            "missing). Give the folder of a run, or start one with"
            f" `{typed('amazon')}` under this {VARIABLE}."
        )
    changing = sorted(set(given) - set(FREE_KEYS))
    if changing:
        raise UserError(
            f"--{changing[0]}: a task that joins uses the run's own settings ({HPARAMS_FILE}); "
            f"expected only " + ", ".join(FREE_KEYS) + ". Leave it out."
        )
    started = time.time()
    folder = RunFolder(run_dir)
    hparams = read_settings(folder.path).replace(**given)
    task.hide_devices(hparams.device)
    if task.kind == PS:
        return run_task(task, folder, None, started)
    store, hparams = run_data(run_dir, hparams, given, print)
    folder.attach(hparams, store)
    return run_task(task, folder, store, started)


def run_task(task, folder, store, started):
    """Runs a task of a run whose folder exists.

    Args:
      task: ``Task`` that this process is.
      folder: the run's ``RunFolder``, with its hyper-parameters unless the task is a server.
      store: a ``SequenceStore``; None for a parameter server.
      started: when this process began, seconds since 1970.

    Returns:
      dict, as written to ``results.json``, in the evaluator; None in the others.
    """
    from dfar_tf.estimator.cluster.training import serve_parameters, train_task
    from dfar_tf.estimator.messages import heard

    print(f"cluster: this is {task}; run folder {shown(folder.path)}", flush=True)
    if task.kind == PS:
        serve_parameters(task, folder.path, folder.file(RESULTS_FILE))
        return None
    hparams, say, note = folder.hparams, print, None
    if task.kind == CHIEF:
        sizes = ", ".join(f"{number} {kind}" for kind, number in task.sizes.items())
        folder.say(f"cluster: {sizes}; asynchronous, so no two runs are the same")
    elif task.kind == EVALUATOR:
        say, note = folder.say, folder.note
    with folder.held() if task.kind == CHIEF else contextlib.nullcontext(), heard(say, note):
        trained = train_task(task, hparams, store, folder.path, validation_metrics(hparams))
    if task.kind == EVALUATOR:
        return score_and_report(folder, store, trained, started, cluster=task.sizes)
    print(f"cluster: {task} is done; the evaluator writes the results", flush=True)
    return None


def _wait_for(path, task):
    said = -SAY_EVERY
    while not os.path.exists(path):
        if time.monotonic() - said >= SAY_EVERY:
            print(f"cluster: {task} waits for the chief to make {shown(path)}", flush=True)
            said = time.monotonic()
        time.sleep(LOOK_EVERY)
