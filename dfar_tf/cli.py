"""The command line: absl flags made from the schema of the hyper-parameters, passed to a command."""

import contextlib
import difflib
import errno
import os
import re
import shlex
import signal
import sys

from absl import flags

from dfar_tf import manual
from dfar_tf.commands import get_command
from dfar_tf.paths import PROGRAM, listed, taken
from dfar_tf.settings import PAPER_SETTINGS, merge_hparams
from dfar_tf.terminal import escaped_output
from recommenders_utils.errors import BAD_INPUT, UserError, shortened
from recommenders_utils.tables import printable

# Flags whose value is a path: taken from the directory the user is in.
PATHS = (
    *("ratings", "cache_dir", "prepared", "run_dir", "predictions", "released", "output"),
    *(
        "runs",
        "items",
        "checkpoint",
        "file",
        "vocabulary",
        "results",
        "interactions",
        "adapter",
        "input",
        "data_dir",
        "cells",
        "init_from",
        "item_features",
    ),
)
LONGEST_NAME = 60  # characters of a flag's name
# absl's own: one reads flags from any file, the other ignores unknown flags.
OF_ABSL = ("flagfile", "undefok")
INTERRUPTED, READER_LEFT = 130, 141  # exit statuses
UNWRITABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EBUSY,
    errno.EIO,
    errno.EEXIST,  # a file in place of a folder
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)


class Options:
    """What the command line gave.

    Attributes:
      command: the whole command, to be shown and recorded.
      given: hyper-parameters given as flags, by key.
    """

    def __init__(self, command, given, own):
        self.command = command
        self.given = given
        self._own = own

    def __getattr__(self, name):
        try:
            return self.__dict__["_own"][name]
        except KeyError:
            raise AttributeError(name) from None

    def hparams(self, dataset=None):
        """Merges base < data set < protocol < model < flags; with ``--resume`` the run's own < flags.

        Args:
          dataset: name of a data set's file in ``hparams/``, or None.

        Raises:
          UserError: see ``prepare_hparams``; ``--resume`` without a run.
        """
        if self._own.get("resume"):
            from dfar_tf.runs.kept import resumed

            return resumed(self.run_dir, self.given)
        return merge_hparams(dataset, **self.given)


def main(arguments):
    """Runs one command.

    Args:
      arguments: the command's name and its flags.

    Returns:
      The exit status: 0; 2 for bad input; 130 when interrupted; 141 when the output's reader has
      closed it.
    """
    # SIGTERM ends a run like Ctrl-C does, so that it says how to resume.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        module = get_command(arguments[0])
        options = parse(module, arguments)
        with escaped_output():
            return module.run(options) or 0
    except UserError as error:
        return _fail(error)
    except KeyboardInterrupt as interrupt:
        print("\ninterrupted. " + printable(str(interrupt)), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has closed it; Python would report that again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror}. Free space or choose a writable folder.")


def parse(module, arguments):
    """Parses a command's flags.

    Raises:
      UserError: a flag that does not exist or has a bad value.
    """
    values = flags.FlagValues()
    schema = manual.schema()
    own = getattr(module, "FLAGS", {})
    for name, (default, meaning) in own.items():
        kind = flags.DEFINE_bool if isinstance(default, bool) else flags.DEFINE_string
        kind(name, default, meaning, flag_values=values)
    for name, key in schema.items():
        kind = flags.DEFINE_bool if key["kind"] == "bool" else flags.DEFINE_string
        kind(name, None, key["meaning"], flag_values=values)
    flags.DEFINE_alias("model", "model_type", flag_values=values)
    flags.DEFINE_string("gpus", None, manual.GPUS, flag_values=values)
    flags.DEFINE_bool("paper_settings", False, manual.PAPER, flag_values=values)
    _refuse_odd(arguments)
    try:
        rest = values(arguments)[1:]
    except (flags.Error, ValueError) as error:  # the latter: --no... with a value
        raise UserError(_reworded(str(error), arguments[0])) from None
    word = getattr(module, "WORD", None)  # the flag that a word without one is
    if rest and word and values[word].value is None:
        values[word].value = rest.pop(0)
    if rest:
        raise UserError(f"unexpected word {shortened(rest[0])!r}; flags are written --name=value.")
    given = {name: values[name].value for name in schema if values[name].value is not None}
    if values["paper_settings"].value:
        given = {**PAPER_SETTINGS, **given}
    if values["gpus"].value is not None:
        given["device"] = _device_of(values["gpus"].value, given.get("device"))
    chosen = {name: values[name].value for name in own}
    for table in (given, chosen):
        for name in PATHS:
            if name == "adapter" and table.get(name):
                from recommenders_utils.reading.adapters import is_path  # pandas

                if not is_path(table[name]):
                    continue  # one of ours, by name
            if table.get(name) and table[name] != "null":
                parts = listed(table[name]) if name == "interactions" else [table[name]]
                table[name] = ",".join(map(taken, parts))
    words = [PROGRAM, *map(shlex.quote, arguments)]
    return Options(" ".join(words), given, chosen)


def _refuse_odd(arguments):
    """Raises UserError for flags that absl accepts or fails on, though none of ours looks like that."""
    for text in arguments[1:]:
        name = text.lstrip("-").partition("=")[0]
        # absl compares an unknown name with every flag by a recursion as deep as the name is long.
        odd = len(name) > LONGEST_NAME or name in OF_ABSL
        if text.startswith("-") and odd:
            raise UserError(
                f"unknown flag {shortened(text.partition('=')[0])!r}. {arguments[0]} --help=all lists "
                "all flags."
            )


def _device_of(gpus, device):
    """``gpu:0,1`` of ``--gpus=0,1``.

    Raises:
      UserError: ``--device`` is given as well; not a list of different numbers.
    """
    if device is not None:
        raise UserError(
            f"--gpus={gpus} and --device={device}: give one of the two; --gpus=0,1 is short for "
            "--device=gpu:0,1."
        )
    numbers = re.findall(r"[0-9]+", gpus)
    if not re.match(r"[0-9]+(,[0-9]+)*$", gpus) or len(set(map(int, numbers))) < len(numbers):
        raise UserError(
            f"--gpus={gpus}: expected different GPU numbers separated by commas, such as --gpus=0 "
            "or --gpus=0,1; for the CPU use --device=cpu."
        )
    return "gpu:" + ",".join(str(int(number)) for number in numbers)


def _reworded(text, command):
    """What absl says about a flag, in plain words."""
    text = re.sub(r"^Unknown command line flag", "unknown flag", text)
    text = re.sub(
        r"Did you mean: (.*?) \?$", lambda near: _nearest_first(text, near.group(1)), text
    )
    text = re.sub(r"^flag (\S+): \('Non-boolean.*", r"\1: expected true or false", text)
    end = "" if text.endswith("?") else "."
    return f"{shortened(text, 300)}{end} {command} --help=all lists all flags."


def _nearest_first(text, names):
    """absl's suggestions, which it sorts by the alphabet."""
    given = re.search(r"'(.*?)'", text).group(1)
    names = names.split(", ")
    names.sort(key=lambda name: -difflib.SequenceMatcher(None, given, name).ratio())
    return "Did you mean " + " or ".join("--" + name for name in names) + "?"


def _fail(error):
    with contextlib.suppress(BrokenPipeError):
        print(f"error: {printable(str(error))}", file=sys.stderr)
    return BAD_INPUT
