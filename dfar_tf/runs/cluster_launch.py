"""A cluster on this machine: one process per task on loopback, to try what several machines would do."""

import contextlib
import os
import signal
import sys
import threading
import time

from tqdm import tqdm

from dfar_tf.estimator.cluster.task import CHIEF, EVALUATOR, PS, WORKER
from dfar_tf.paths import resuming
from dfar_tf.runs.cage import NoNamespace, own_network
from dfar_tf.runs.cluster_processes import Processes
from dfar_tf.runs.folder import LOG_FILE, RunFolder
from dfar_tf.runs.kept import data_to_resume
from dfar_tf.runs.steps import begin, prepare_data
from recommenders_utils.errors import UserError
from recommenders_utils.evaluation.names import expand
from recommenders_utils.files import read_json
from recommenders_utils.tables import printable

LEAST = {"workers": 0, "ps": 1, "restarts": 0}
POLL = 0.2  # seconds
LEAVE = 60.0  # seconds a worker has to exit after chief and evaluator
DIED = 1  # exit status if processes died too often


def run_cluster(hparams, sizes, command="", run_dir=None, resume=False, given=(), expose=False):
    """Prepares the data, trains on a cluster of this machine's processes and prints the table.

    Args:
      hparams: the merged hyper-parameters.
      sizes: ``workers``, ``ps`` and ``restarts``, ints or their text.
      command: the command line, for the record.
      run_dir: the run's folder; a new one under ``runs/`` if None.
      resume: resume the run in ``run_dir``.
      given: keys given as flags.
      expose: run in the machine's own network, where others may reach the servers.

    Returns:
      The exit status: 0, or 1 if processes died too often.

    Raises:
      UserError: bad input of any kind, also from a task.
      KeyboardInterrupt: after all processes have ended, with a message that says how to resume.
    """
    from dfar_tf.models import check_model
    from recommenders_utils.io import make_iterator

    counts = {name: _count(name, sizes[name]) for name in LEAST}
    if resume and run_dir is None:
        raise UserError("--resume: give the folder of the run to resume as --run_dir.")
    if "," in hparams.device:
        raise UserError(
            f"device: {hparams.device!r}, but a task of a cluster uses one device; expected auto, "
            "cpu, "
            "gpu or gpu:N."
        )
    check_model(hparams)
    expand(hparams.metrics)
    folder = RunFolder(run_dir)
    if resume:
        store, hparams = data_to_resume(run_dir, hparams, given, folder.say, folder.note)
    else:
        store, hparams = prepare_data(hparams, given, folder.say, note=folder.note)
    iterator = make_iterator(store, hparams)
    shards = 1 + counts["workers"]
    iterator.steps_per_epoch(shards=shards)
    iterator.train_dataset(shard=(0, shards))  # raises if there are too few instances
    targets = iterator.num_train() * hparams.epochs
    try:
        with _network(expose, folder.say) as network, _hangup_interrupts():
            folder.open(hparams, store, command, resume)
            begin(folder, store, given)
            return _run(folder, counts, hparams, targets, network)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"To resume: {resuming(command, folder.path)}") from None


@contextlib.contextmanager
def _network(expose, say):
    """A network of the cluster's own; with ``expose`` the machine's. Yields what ``Processes`` takes."""
    if expose:
        say(
            "cluster: --expose: its servers listen on all addresses and do not authenticate clients"
        )
        yield ()
        return
    with contextlib.ExitStack() as stack:
        try:
            network = stack.enter_context(own_network())
        except NoNamespace as error:
            raise UserError(
                f"cluster: this system allows no network namespace ({error}), and TensorFlow's servers "
                "listen on all addresses of the machine, do not authenticate clients and run what they are "
                "sent. Add --expose to run all the same, behind a firewall (docs/cluster.md)."
            ) from None
        say("cluster: in a network namespace of its own, which nothing else can reach")
        yield network


@contextlib.contextmanager
def _hangup_interrupts():
    """Context in which the end of the terminal ends the run like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _run(folder, counts, hparams, targets, network):
    tasks = {CHIEF: 1, WORKER: counts["workers"], PS: counts["ps"]}
    flags = [f"--device={hparams.device}", "--show_progress=false"]
    say = tqdm.write if hparams.show_progress else print
    follower = _Follower(folder.file(LOG_FILE), say)
    bar = _Bar(folder, targets) if hparams.show_progress else None
    with Processes(folder, tasks, flags, counts["restarts"], say, network) as processes:
        try:
            return _watch(processes, follower, bar)
        finally:
            follower.show()
            if bar:
                bar.close()


def _watch(processes, follower, bar):
    leave = None
    while True:
        died = processes.look()
        follower.show()
        if bar:
            bar.show()
        if died:
            print(f"error: {printable(died)}", file=sys.stderr)
            return DIED
        left = processes.alive()
        if CHIEF not in left and EVALUATOR not in left:
            if WORKER not in left:
                return 0
            leave = leave or time.monotonic() + LEAVE
            if time.monotonic() > leave:
                print("cluster: stopping a worker that does not exit", flush=True)
                return 0
        time.sleep(POLL)


def _count(name, text):
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < LEAST[name]:
        raise UserError(f"--{name}: {text!r} is not a whole number >= {LEAST[name]}.")
    return number


class _Follower:
    """Prints what other processes append to a file from now on."""

    def __init__(self, path, say):
        self.path, self.say = path, say
        self.at = os.path.getsize(path) if os.path.exists(path) else 0

    def show(self):
        with open(self.path, "rb") as stream:
            stream.seek(self.at)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.at += len(whole)
        if whole:
            self.say(whole.decode("utf-8").rstrip("\n"))
            sys.stdout.flush()


class _Bar:
    """Training targets of all tasks together, from the chief's notes."""

    def __init__(self, folder, targets):
        from dfar_tf.estimator.cluster.hooks import PROGRESS_FILE
        from dfar_tf.estimator.training import CHECKPOINTS

        self.path = os.path.join(folder.file(CHECKPOINTS), PROGRESS_FILE)
        self.bar = tqdm(
            total=targets, unit=" targets", desc="cluster", leave=False, mininterval=0.5
        )

    def show(self):
        if os.path.exists(self.path):
            noted = read_json(self.path)
            reached = min(noted["step"] / noted["max_steps"], 1.0)
            # A chief that resumes from its checkpoint is behind where it was.
            self.bar.update(int(reached * self.bar.total) - self.bar.n)

    def close(self):
        self.bar.close()
