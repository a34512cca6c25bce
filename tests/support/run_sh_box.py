"""A machine for the tests of run.sh: a copy of the checkout, and stand-ins for Python and conda.

Nothing of the machine's own is seen but a few standard tools: PATH, HOME and the system folders that
run.sh looks into are all inside the test's folder, whose name has spaces.
"""

import pathlib
import shutil
import signal
import subprocess
import sys

from places import CHECKOUT, SUPPORT

BASH = shutil.which("bash")
TOOLS = (*("bash", "cat", "chmod", "dirname", "env", "mkdir", "rm", "sed", "sleep", "tail"),)
# What run.sh needs of the checkout: paths start with these.
NEEDED = (
    *("run.sh", "environment", "requirements/", ".ci/"),
    *("dfar_tf/__init__.py", "dfar_tf/version.py", "dfar_tf/paths.py", "dfar_tf/manual.py"),
    *("recommenders_utils/__init__.py", "recommenders_utils/errors.py", "hparams/"),
)


class Box:
    """A copy of the checkout and a machine to run it on."""

    def __init__(self, folder):
        self.folder = folder
        self.checkout = folder / "my checkout"
        self.home = folder / "home of me"
        self.bin = folder / "bin"
        self.tools = folder / "tools"
        self.elsewhere = folder / "else where"
        for each in [self.home, self.bin, self.tools, self.elsewhere]:
            each.mkdir()
        for name in TOOLS:
            (self.tools / name).symlink_to(shutil.which(name))
        self.script(self.bin / "uname", "echo x86_64")
        copy_checkout(self.checkout)
        self.environment = {
            "PATH": f"{self.bin}:{self.tools}",
            "HOME": str(self.home),
            "TMPDIR": str(self.folder),
            "DFAR_SEARCH_ROOT": str(self.folder / "system"),
            "DFAR_TEST_JOBS": "1",
        }

    def script(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{BASH}\n{text}\n")
        path.chmod(0o755)
        return path

    def stub(self, source, behaviour, **variables):
        variables.update(BEHAVIOUR=behaviour, BOX=self.folder, REAL=sys.executable)
        lines = [f"{name}='{value}'" for name, value in sorted(variables.items())]
        return "\n".join([*lines, (SUPPORT / source).read_text()])

    def python(self, version, path=None, behaviour="works"):
        """A Python of that version, by default python3.X on PATH."""
        path = path or self.bin / "python{}.{}".format(*version.split("."))
        return self.script(path, self.stub("stub_python.sh", behaviour, VERSION=version))

    def conda(self, name="conda", version="3.7.9", behaviour="works", folder=None):
        """A conda whose environments get a Python of that version."""
        text = self.stub("stub_python.sh", "works", VERSION=version)
        self.script(self.folder / "conda-python", text)
        path = (folder or self.bin) / name
        return self.script(path, self.stub("stub_conda.sh", behaviour))

    def gpu(self, *capabilities):
        self.script(self.bin / "nvidia-smi", "printf '%s\\n' {}".format(" ".join(capabilities)))

    def start(self, *arguments, folder=None, program="run.sh", **variables):
        return subprocess.Popen(
            [BASH, str(self.checkout / program), *arguments],
            cwd=str(folder or self.elsewhere),
            env=dict(self.environment, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            start_new_session=True,
            # Whoever started the tests may have had Ctrl-C ignored, which a shell cannot undo.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments, **options):
        """Return the exit status, standard output and standard error."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self, word=""):
        """What the stand-ins were asked, in order: the lines that start with a word."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(word)]

    def forget(self):
        (self.folder / "calls").write_text("")

    def ran(self):
        """How the command was run: ``{name: value}``, and its arguments."""
        pairs = [line.split("=", 1) for line in (self.folder / "ran").read_text().splitlines()]
        arguments = [value for name, value in pairs if name == "argument"]
        return {name: value for name, value in pairs if name != "argument"}, arguments

    def environments(self):
        """The finished environments."""
        return sorted(path.parent.name for path in self.checkout.glob(".envs/*/.made-from"))

    def used(self):
        """The environment that the last command ran in."""
        path = pathlib.Path(self.calls("run ")[-1][len("run ") :])
        return path.parent.parent.name


def copy_checkout(target):
    """Copy what run.sh needs, as git lists it, with two commands and a private module."""
    command = ["git", "ls-files", "-z"]
    try:
        listed = subprocess.check_output(command, cwd=str(CHECKOUT), stderr=subprocess.DEVNULL)
        names = [name for name in listed.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):  # not a git checkout, or no git
        names = [str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("*") if path.is_file()]
        for folder in ["requirements", ".ci"]:
            names += [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / folder).glob("*")]
    for name in names:
        if name.startswith(NEEDED) and (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(CHECKOUT / name), str(target / name))
    commands = target / "dfar_tf" / "commands"
    commands.mkdir(parents=True)
    shutil.copy(str(CHECKOUT / "dfar_tf/commands/__init__.py"), str(commands))
    (commands / "_tools.py").write_text('"""Shared by commands."""\n')
    (commands / "amazon.py").write_text('"""Train on a ratings file.\n\nAt length.\n"""\n')
    (commands / "make_table.py").write_text("# A comment.\n" + 'r"""Make a table."""\nimport os\n')
