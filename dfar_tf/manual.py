"""What the program tells about itself: its commands, their flags, its version.

It is asked before there is an environment, and must not make one: the standard library alone, no
TensorFlow, and nothing written.
"""

import ast
import os
import re
import sys
import textwrap

from dfar_tf.commands import check_command, listing, source_of
from dfar_tf.paths import HPARAMS, PROGRAM
from dfar_tf.version import __version__
from recommenders_utils.errors import BAD_INPUT, UserError

READER_LEFT = 141  # exit status
WIDTH, COLUMN = 80, 28  # characters of a line, and before the meaning of a flag
GPUS = "numbers of the GPUs to use, such as 0 or 0,1; short for --device=gpu:0,1"
PAPER = "take the paper's settings where the defaults differ: --learning_rate=0.0001"
ALL = "all flags, with types and bounds; the lines above are the flags most often changed"
# What a command shows of the hyper-parameters unless it has KEYS of its own.
KEYS = (
    *("ratings", "min_item_records", "min_user_records", "rating_threshold", "model_type"),
    *("epochs", "learning_rate", "batch_size", "seed", "device"),
)
TESTS = """\
run the tests on every TensorFlow this machine can hold

bash run.sh test [pytest's arguments ...]

  tests/layers              only these tests
  -k WORD                   only tests with this word in their name
  -x                        stop at the first failure
  -m slow                   the slow tests, which are left out otherwise

DFAR_TF=1.15 or 2.15 chooses one TensorFlow. DFAR_TEST_JOBS=1 or 2 says how many
suites run at a time. All arguments are pytest's (https://docs.pytest.org)."""
_KEY = re.compile(r"  (?P<name>\w+):(?P<value> [^#]*)?(?P<mark># )(?P<text>.*)")
_PLAIN = re.compile(r"  (?P<name>\w+): *(?P<value>[^#]*)")


def answer(arguments):
    """Prints what the arguments ask for, if they ask for help, the version or no known command.

    Args:
      arguments: the command's name and its flags.

    Returns:
      Exit status, or None if a command is to be run.
    """
    first, *rest = arguments or [""]
    command = first.replace("_", "-")
    try:
        if first in ("-V", "--version", "version"):
            return _print(f"dfar-tf {__version__}")
        if first in ("", "-h", "--help", "help"):
            rest = [word for word in rest if not word.startswith("-")] if first == "help" else []
            return _print(help_of(rest[0].replace("_", "-")) if rest else listing())
        if command != "test":
            check_command(command)
        asked = [word for word in rest if re.match(r"(-h|--?help(=.*)?)$", word)]
        return _print(help_of(command, asked[0].endswith("=all"))) if asked else None
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


def help_of(command, everything=False):
    """The help of a command: what it does, its own flags, and the usual or all hyper-parameters.

    Raises:
      UserError: no such command.
    """
    if command == "test":
        return TESTS
    check_command(command)
    about = constants_of(command)
    text = about["__doc__"].strip().replace("bash run.sh", PROGRAM).replace("``", "")
    lines = [*_wrapped(text), "", "flags:"]
    for name, (default, meaning) in about["FLAGS"].items():
        lines += _entry(name, _shown(default), meaning)
    values = defaults(about.get("DATA", "amazon"))
    if everything:
        lines += _entry("gpus", "", GPUS)
        lines += _entry("paper_settings", "", PAPER)
        for title, keys in schemas():
            lines += ["", title] if keys else []
            for key in keys.values():
                value = values.get(key["name"], key["value"])
                lines += [f"  --{key['name']}={value}  ({key['kind']})"]
                lines += _hanging(key["meaning"], 6)
        return "\n".join(line for long in lines for line in _cut(long))
    keys = schema()
    if about.get("KEYS", KEYS):
        lines += ["", "hyper-parameters, which are flags too:"]
    for name in about.get("KEYS", KEYS):
        shown = "model" if name == "model_type" else name
        lines += _entry(shown, values[name], _brief(keys[name]))
    return "\n".join([*lines, "", *_entry("help", "all", ALL)])


def constants_of(command):
    """The docstring of a command and its constants (FLAGS, KEYS, DATA), read without importing it."""
    with open(source_of(command), encoding="utf-8") as stream:
        tree = ast.parse(stream.read())
    found = {"__doc__": ast.get_docstring(tree), "FLAGS": {}}
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper():
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def schemas():
    """(title, keys) of base.yaml, then of each model: its own keys, which two models may share."""
    base = keys_of("base")
    yield "hyper-parameters, which are flags too:", base
    for file in sorted(os.listdir(HPARAMS)):
        if re.match(r"model_\w+\.yaml$", file):
            keys = keys_of(file[: -len(".yaml")])
            own = {name: key for name, key in keys.items() if name not in base}
            yield f"for model {file[len('model_') : -len('.yaml')]}:", own


def schema():
    """The keys of base.yaml and of every model's file: ``{name: key}`` as of ``keys_of``."""
    found = {}
    for _, keys in schemas():
        found.update(keys)
    return found


def keys_of(file):
    """The keys that a file of ``hparams/`` declares, from its text.

    Returns:
      ``{name: {"name", "value", "kind", "meaning"}}``, all text; the value as written.
    """
    keys, column, key = {}, 0, None
    for line in _lines(file):
        match = _KEY.match(line)
        if match:
            column, key = match.start("mark"), dict(match.groupdict(), name=match.group("name"))
            keys[key["name"]] = key
        elif key and line[:column].strip() == "" and line[column : column + 1] == "#":
            key["text"] += " " + line[column + 1 :].strip()
        else:
            key = None
    for key in keys.values():
        key["kind"], _, key["meaning"] = key.pop("text").partition(": ")
        key["value"] = (key["value"] or "").strip()
    return {name: key for name, key in keys.items() if key["meaning"]}


def defaults(dataset):
    """``{key: text}`` of the values that a data set's commands start from, with the model dfar."""
    values = {}
    for file in ("base", dataset, None, "model_dfar"):
        for line in _lines(file or "protocol_" + values["protocol"]):
            match = _PLAIN.match(line)
            if match:
                values[match.group("name")] = match.group("value").strip()
    return values


def _lines(file):
    with open(os.path.join(HPARAMS, file + ".yaml"), encoding="utf-8") as stream:
        return stream.read().splitlines()


def _print(text):
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `| head`; Python would say so once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_LEFT
    return 0


def _entry(name, value, meaning):
    """A flag with its default, and its meaning beside it."""
    head = f"  --{name}={value}"
    lines = _hanging(meaning, COLUMN)
    if len(head) + 2 > COLUMN:
        return [*_cut(head), *lines]
    return [head.ljust(COLUMN) + lines[0].strip(), *lines[1:]]


def _brief(key):
    """A key's meaning, with the choices that it has."""
    choices = re.search(r"\(([^()]*)\)$", key["kind"])
    return key["meaning"] + (f" ({choices.group(1)})" if choices else "")


def _shown(default):
    return "" if default is None else str(default).lower() if default is False else default


def _hanging(text, column):
    indent = " " * column
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _wrapped(text):
    """Each paragraph filled; examples keep their lines."""
    parts = text.split("\n\n")
    return "\n\n".join(textwrap.fill(part, WIDTH) for part in parts).splitlines()


def _cut(line):
    return textwrap.wrap(line, WIDTH, subsequent_indent="      ") or [""]
