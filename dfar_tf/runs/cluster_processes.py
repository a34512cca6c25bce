"""The processes of a cluster on this machine: start, watch, restart, stop."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

from dfar_tf.estimator.cluster.task import CHIEF, EVALUATOR, PS, VARIABLE, WORKER, without_proxies
from dfar_tf.paths import IN_CHECKOUT, ROOT, shown
from dfar_tf.runs.cage import caged
from recommenders_utils.errors import BAD_INPUT, UserError
from recommenders_utils.files import write_json

LOGS, TASKS_FILE = (
    "cluster",
    "tasks.json",
)  # in the run folder: a log per task, and the list of tasks
GRACE = 10.0  # seconds a process has to exit when terminated


class Processes:
    """One process per task, each in its own session, so that Ctrl-C reaches it only through us.

    Linux kills them when this process dies, however it does.

    A context manager: when it exits, for whatever reason, no process is left.

    Args:
      folder: the run's ``RunFolder``.
      sizes: {kind: how many} of chief, worker and ps; an evaluator is added.
      flags: of every process.
      restarts: maximum number of restarts, in total.
      say: called with each line to print.
      network: handles of the namespaces they run in (see ``cage``); none for the machine's own.
    """

    def __init__(self, folder, sizes, flags, restarts, say=print, network=()):
        self.folder, self.restarts, self.say, self.network = folder, restarts, say, network
        self.flags = [f"--run_dir={folder.path}", *flags]
        ports = free_ports(sum(sizes.values()))
        self.cluster = {
            kind: [f"127.0.0.1:{ports.pop()}" for _ in range(count)]
            for kind, count in sizes.items()
            if count
        }
        self.running = {}  # (kind, index): Popen
        self.started = {}  # the same, of all that ever ran

    def __enter__(self):
        os.makedirs(self.folder.file(LOGS), exist_ok=True)
        try:
            for kind in (PS, CHIEF, WORKER):
                for index in range(len(self.cluster.get(kind, ()))):
                    self._start(kind, index)
            self._start(EVALUATOR, 0)
        except BaseException:
            self.end()
            raise
        self.say(f"cluster: {len(self.running)} processes; logs in {shown(self.folder.file(LOGS))}")
        return self

    def __exit__(self, *_):
        self.end()

    def alive(self):
        """The kinds that have a process running."""
        return {kind for kind, _ in self.running}

    def look(self):
        """Notes which tasks have exited, and restarts those that died.

        Returns:
          None, or a message if one died and may not be restarted.

        Raises:
          UserError: a task's own.
        """
        for task, process in list(self.running.items()):
            status = process.poll()
            if status is None:
                continue
            del self.running[task]
            name, log = "{} {}".format(*task), self._log_file(*task)
            if status == 0:
                continue
            if status == BAD_INPUT:
                raise UserError(f"{name}: {_error_in(log)} Its log is {shown(log)}.")
            how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
            if not self.restarts:
                return f"{name} died ({how}) and is not restarted; see {shown(log)}."
            self.restarts -= 1
            self.say(f"cluster: {name} died ({how}); restarted, {self.restarts} restarts left")
            self._start(*task)
        return None

    def end(self):
        """Stops all processes: terminates them first, then kills them."""
        try:
            self._signal(signal.SIGTERM)
            until = time.monotonic() + GRACE
            while self.running and time.monotonic() < until:
                self.running = {t: p for t, p in self.running.items() if p.poll() is None}
                time.sleep(0.05)
        finally:  # a second Ctrl-C does not leave them running either
            self._signal(signal.SIGKILL)
            for process in self.running.values():
                process.wait()
            self.running = {}

    def _start(self, kind, index):
        environment = dict(
            without_proxies(os.environ),
            PYTHONUNBUFFERED="1",
            **({"PYTHONPATH": ROOT} if IN_CHECKOUT else {}),
            **{
                VARIABLE: json.dumps(
                    {"cluster": self.cluster, "task": {"type": kind, "index": index}}
                )
            },
        )
        with open(self._log_file(kind, index), "ab") as log:
            process = subprocess.Popen(
                caged([sys.executable, "-m", "dfar_tf", "cluster", *self.flags], self.network),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self.network,
            )
        self.running[kind, index] = self.started[kind, index] = process
        described = {
            "{} {}".format(*task): {
                "pid": each.pid,
                "address": dict(enumerate(self.cluster.get(task[0], ()))).get(task[1]),
                "log": os.path.basename(self._log_file(*task)),
            }
            for task, each in self.started.items()
        }
        write_json(os.path.join(self.folder.file(LOGS), TASKS_FILE), described)

    def _log_file(self, kind, index):
        return os.path.join(self.folder.file(LOGS), f"{kind}-{index}.log")

    def _signal(self, number):
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)


def free_ports(count):
    """Ports of loopback that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _error_in(path):
    """The last message in a command's log, without the word ``error``."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = [line.strip() for line in stream if line.startswith("error: ")]
    return lines[-1][len("error: ") :] if lines else "ended with status 2."
