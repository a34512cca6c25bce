"""Makes an environment ``.envs/NAME`` and checks whether it is complete."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from machine import Failure, say

ROOT = pathlib.Path(__file__).resolve().parent.parent
ENVS = ROOT / ".envs"
FULL_VERSIONS = {"1.15": "1.15.0", "2.15": "2.15.1"}
AGAIN = (
    "Fix what the log names (often the network, a proxy, pip's index or a full disk) and run again; "
    "DFAR_PYTHON=/path/to/python selects another Python, DFAR_TF=1.15 or 2.15 another TensorFlow."
)
# Seconds between lines of progress in a terminal; and how many times rarer they are elsewhere.
EVERY, LESS_OFTEN = 1, 30
WIDTH = 80  # characters of such a line
# The user's settings that would put packages elsewhere do not count.
CLEAN = {
    "PYTHONPATH": "",
    "PYTHONNOUSERSITE": "1",
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
}


class Broken(Exception):
    """A step of the making failed; the log says why."""


class Environment:
    """An environment, made or not.

    It carries what it was made from: its Python in the first line of .made-from, then its requirement
    files; .made-from-test has the tests'. They are written last, so an interrupted installation has
    none and is made again.

    Args:
        name: tf1.15-py3.7, tf2.15-py3.11, tf2.15-py3.11-cuda, ... for a virtual environment;
            conda-1.15, conda-1.15-gpu, conda-2.15 or conda-2.15-cuda for conda's.
    """

    def __init__(self, name):
        self.name = name
        self.family = "1.15" if "1.15" in name else "2.15"
        self.prefix = ENVS / name
        self.python = self.prefix / "bin" / "python"
        self.log = ENVS / (name + ".log")
        self._stamp = self.prefix / ".made-from"
        self._test_stamp = self.prefix / ".made-from-test"
        self._lock = None
        self._begun = time.time()

    def requirements(self):
        """Its requirement files, in the order they are installed."""
        if self.name.startswith("conda-1.15"):
            return ["environment-gpu.yml" if self.name.endswith("gpu") else "environment.yml"]
        files = [f"requirements/tf{self.family}.txt"]
        if self.name.endswith("cuda"):
            files.append(f"requirements/tf{self.family}-cuda.txt")
        return files

    def test_requirements(self):
        """What the tests need in addition, in installation order."""
        return [f"requirements/test-tf{self.family}{end}.txt" for end in ("", "-nodeps")]

    def is_made(self, kind, origin=None):
        """Whether it is complete for ``kind`` (run or test), and made from ``origin`` if given."""
        if not os.access(str(self.python), os.X_OK):
            return False
        made_from, _, recipe = _text(self._stamp).partition("\n")
        if recipe != _recipe(self.requirements()) or (origin and made_from != origin):
            return False
        return kind == "run" or _text(self._test_stamp) == _recipe(self.test_requirements())

    def ensure(self, kind, origin, begin):
        """Makes what is missing.

        Args:
            kind: run or test.
            origin: line that says what its Python comes from.
            begin: called with the environment, makes its folder with a Python inside.

        Raises:
            Broken: it could not be made.
            Failure: the tests' packages could not be added; ``.envs`` cannot be written.
        """
        if self.is_made(kind, origin):
            return
        with _one_at_a_time() as self._lock:
            if not self.is_made("run", origin):
                say(
                    f"Making the environment .envs/{self.name}: TensorFlow "
                    f"{FULL_VERSIONS[self.family]} on {origin} (once, some minutes; the log is "
                    f".envs/{self.name}.log)"
                )
                shutil.rmtree(str(self.prefix), ignore_errors=True)
                self.log.write_text("")
                begin(self)
                if not self.name.startswith("conda-1.15"):  # made from its file with all there is
                    self._install(self.requirements())
                _write(self._stamp, origin + "\n" + _recipe(self.requirements()))
            if not self.is_made(kind, origin):
                say(f"Adding the tests' packages to .envs/{self.name}")
                with contextlib.suppress(FileNotFoundError):
                    self._test_stamp.unlink()
                try:
                    self._install(self.test_requirements())
                except Broken:
                    message = f"the tests' packages could not be added to .envs/{self.name}."
                    raise self.failure(message) from None
                _write(self._test_stamp, _recipe(self.test_requirements()))

    def logged(self, *command):
        """Runs a command whose output goes to the log; nothing waits for an answer."""
        command = list(map(str, command))
        with open(str(self.log), "ab") as log:
            log.write("\n$ {}\n".format(" ".join(command)).encode())
            log.flush()
            with subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ, **CLEAN),
                pass_fds=[self._lock],  # held while any of them still writes
            ) as process:
                try:
                    self._follow(process)
                except BaseException:
                    process.kill()
                    raise
        if process.returncode:
            raise Broken

    def _follow(self, process):
        """Waits for a process and says from time to time how far the log is."""
        in_terminal, shown = sys.stderr.isatty(), False
        while True:
            try:
                process.wait(EVERY if in_terminal else EVERY * LESS_OFTEN)
                break
            except subprocess.TimeoutExpired:
                text, shown = self._so_far(), True
                if in_terminal:
                    print(
                        f"\r  {text:<{WIDTH - 3}.{WIDTH - 3}}", end="", file=sys.stderr, flush=True
                    )
                else:
                    say("  " + text)
        if in_terminal and shown:
            print("\r" + " " * (WIDTH - 1) + "\r", end="", file=sys.stderr, flush=True)

    def _so_far(self):
        """``1 min 20 s: 14 packages found, Downloading numpy...``, by the log."""
        minutes, seconds = divmod(int(time.time() - self._begun), 60)
        log = _text(self.log)
        found = len(
            set(re.findall(r"^ *(?:Collecting|Downloading) (?:https?://\S*/)?([\w.]+)", log, re.M))
        )
        last = (log.strip().splitlines() or [""])[-1].strip()
        return f"{minutes} min {seconds:02d} s, {found} packages so far: {last}"

    def _install(self, files):
        pip = [self.python, "-m", "pip", "install"]
        for file in files:
            # pip's own version first, since an old pip may not know the others' wheels.
            tools = re.findall(r"^(?:pip|setuptools|wheel)==.*$", _text(ROOT / file), re.MULTILINE)
            if tools:
                self.logged(*pip, *tools)
            alone = ["--no-deps"] if file.endswith("-nodeps.txt") else []
            self.logged(*pip, *alone, "-r", ROOT / file)

    def last_lines(self, number):
        """The end of the log."""
        return "\n".join(_text(self.log).splitlines()[-number:])

    def failure(self, message):
        """Shows the end of the log; the Failure to raise."""
        say(f"----- the end of {self.log}:\n{self.last_lines(15)}\n-----")
        return Failure(f"{message} {AGAIN}")


def _recipe(files):
    return "".join(_text(ROOT / file) for file in files)


def _text(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _write(path, text):
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


@contextlib.contextmanager
def _one_at_a_time():
    """Holds the lock of ``.envs``, which ends with this process and what it started; gives its number."""
    try:
        ENVS.mkdir(parents=True, exist_ok=True)
        lock = os.open(str(ENVS / "lock"), os.O_WRONLY | os.O_CREAT, 0o666)
    except OSError as error:
        raise Failure(
            f"cannot write {ENVS}: {error.strerror}. Make the checkout writable"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is making an environment; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)
