"""``bash run.sh test``: the suite under each TensorFlow, side by side where the machine has room."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from environment import SATISFIED, environment_python, variables
from machine import NO_PYTHON, Failure, answer, find_gpu, say
from making import ROOT

ROOM = 8 << 30  # bytes that must be free for two suites at once
PATIENCE = 10  # seconds in which an interrupted suite may end by itself
CLOSING = re.compile(r"^(\d+ [a-z]+|no tests ran).* in [0-9.]+s")


class Suite:
    """The tests under one TensorFlow; ``summary`` is its line of the end.

    Args:
        tf: TensorFlow 1.15, 2.15 or empty for that of DFAR_PYTHON.
    """

    def __init__(self, tf):
        self.label = f"TensorFlow {tf or 'for DFAR_PYTHON=' + os.environ.get('DFAR_PYTHON', '')}"
        self.failed, self.python, self.process, self.output = False, None, None, None
        try:
            self.python = environment_python(tf, "test")
        except Failure as failure:
            if str(failure):
                say(f"error: {failure}")
            self.failed = failure.status != NO_PYTHON
            why = (
                "FAILED, its environment could not be made"
                if self.failed
                else "not run, no Python for it was found"
            )
            self.summary = f"{self.label}: {why} (see above)"
            return
        self.label = (answer([self.python, SATISFIED, tf, "test"]) or self.label).strip()

    def start(self, folder, arguments):
        """Starts pytest, whose output goes to a file in a folder, unless it runs already."""
        if self.process is None:
            self.output = os.path.join(folder, self.label)
            with open(self.output, "wb") as stream:
                self.process = subprocess.Popen(
                    [self.python, "-m", "pytest", *arguments],
                    cwd=str(ROOT),
                    env=variables(self.python),
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                )

    def follow(self):
        """Shows all the output that there is and that comes, then sums up."""
        print(f"\n===== {self.label}", flush=True)
        with open(self.output, "rb") as stream:
            while True:
                ended = self.process.poll() is not None
                part = stream.read()
                sys.stdout.buffer.write(part)
                sys.stdout.flush()
                if ended and not part:
                    break
                if not part:
                    time.sleep(0.1)
            stream.seek(0)
            lines = stream.read().decode(errors="replace").splitlines()
        status = self.process.returncode
        # pytest's closing line, without its colours and its frame of equals signs.
        lines = [re.sub(r"\033\[[0-9;]*m", "", line).strip("= ") for line in lines]
        closing = [line for line in lines if CLOSING.match(line)]
        line = closing[-1] if closing else f"pytest ended with status {status} and no summary"
        self.failed = status != 0
        self.summary = f"{self.label}: {'FAILED, ' if self.failed else ''}{line}"


def run(wanted, arguments):
    """Runs the suites side by side or one after the other, and shows one after the other.

    Args:
        wanted: TensorFlow 1.15 or 2.15 for that alone; empty for all.
        arguments: pytest's.

    Returns:
        Exit status: 1 if a suite failed or none could be run, else 0.
    """
    is_one = wanted or os.environ.get("DFAR_PYTHON")
    suites = [Suite(tf) for tf in ([wanted] if is_one else ["1.15", "2.15"])]
    able = [suite for suite in suites if suite.python]
    with tempfile.TemporaryDirectory(prefix="dfar-test.") as folder:
        told = False
        try:
            if len(able) == 2 and side_by_side(arguments):
                for suite in able:
                    suite.start(folder, arguments)
                say(f"{able[1].label} runs at the same time; its output follows.")
            for suite in able:
                suite.start(folder, arguments)
                suite.follow()
        except KeyboardInterrupt:
            told = True
            raise
        finally:
            end([suite.process for suite in able if suite.process], told)
    print("\n" + "\n".join(suite.summary for suite in suites))
    return 1 if not able or any(suite.failed for suite in suites) else 0


def end(processes, told):
    """Ends the processes that still run.

    Args:
        processes: those of suites.
        told: whether they may have had Ctrl-C from the terminal; a second would cut short their tidying.
    """
    until = time.time() + (PATIENCE if told else 0)
    for number in (signal.SIGINT, signal.SIGKILL):
        while any(process.poll() is None for process in processes) and time.time() < until:
            time.sleep(0.05)
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)
        until = time.time() + PATIENCE
    for process in processes:
        process.wait()


def side_by_side(arguments):
    """Whether there is room for two suites: DFAR_TEST_JOBS=1 or 2 decides, else what the machine has."""
    jobs = os.environ.get("DFAR_TEST_JOBS", "")
    if jobs not in ("", "1", "2"):
        raise Failure(f"DFAR_TEST_JOBS={jobs}: expected 1 or 2")
    if jobs:
        return jobs == "2"
    if any(argument.startswith(("--pdb", "--trace")) for argument in arguments):
        return False  # one debugger at a time
    # Two TensorFlows do not share a GPU's memory well.
    return usable_cores() >= 2 and free_bytes() >= ROOM and not find_gpu()


def usable_cores(group="/sys/fs/cgroup"):
    """The cores that this process may use, by its affinity and by its control group."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _words(group, "cpu.max")
    return min(cores, int(quota[0]) / int(quota[1])) if quota and quota[0] != "max" else cores


def free_bytes(meminfo="/proc/meminfo", group="/sys/fs/cgroup"):
    """The memory that is free, by the machine and by the control group; 0 where neither tells."""
    words = _words("", meminfo)
    if "MemAvailable:" not in words:
        return 0
    free = int(words[words.index("MemAvailable:") + 1]) << 10
    limit, used = _words(group, "memory.max"), _words(group, "memory.current")
    if used and limit and limit[0] != "max":
        stat = _words(group, "memory.stat")
        cache = int(stat[stat.index("inactive_file") + 1]) if "inactive_file" in stat else 0
        free = min(free, int(limit[0]) - int(used[0]) + cache)
    return free


def _words(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="ascii") as stream:
            return stream.read().split()
    except (OSError, UnicodeDecodeError):
        return []
