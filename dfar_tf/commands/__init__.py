"""The commands: one module each, found by name.

A command has a docstring whose first line is its help, ``FLAGS`` (name -> (default, meaning)) in
addition to the hyper-parameters, and ``run(options)``, which only forwards to functions that a
notebook can call. It may have ``KEYS``, the hyper-parameters that its help shows, and ``DATA``, the
file of ``hparams/`` it starts from. These are literals, and what takes long to import is imported in
``run``, so that help needs nothing.
"""

import ast
import importlib
import os
import pkgutil
import textwrap

from dfar_tf.paths import IN_CHECKOUT, PROGRAM
from recommenders_utils.errors import UserError, shortened, suggest


def command_names():
    """Names as typed: modules of this folder, ``_`` written as ``-``."""
    modules = pkgutil.iter_modules([os.path.dirname(__file__)])
    return sorted(
        module.name.replace("_", "-") for module in modules if not module.name.startswith("_")
    )


def source_of(name):
    """Path of a command's module."""
    return os.path.join(os.path.dirname(__file__), name.replace("-", "_") + ".py")


def listing():
    """The usage text: each command and the first line of its help. Imports none of them."""
    lines = [f"usage: {PROGRAM} COMMAND [--flag=value ...]", ""]
    for name in command_names():
        with open(source_of(name), encoding="utf-8") as stream:
            text = ast.get_docstring(ast.parse(stream.read()))
        head = f"  {name:<16} "
        lines += textwrap.wrap(
            text.splitlines()[0], 80, initial_indent=head, subsequent_indent=" " * len(head)
        )
    return "\n".join([*lines, "", f"{PROGRAM} COMMAND --help tells a command's flags."])


def check_command(name):
    """Raises UserError if there is no such command; the message names the nearest."""
    names = command_names()
    if name not in names:
        if IN_CHECKOUT:
            names.append("test")
        raise UserError(f"unknown command {shortened(name)!r}; {suggest(name, names)}")


def get_command(name):
    """The module of a command.

    Raises:
      UserError: no such command.
    """
    check_command(name)
    return importlib.import_module("dfar_tf.commands." + name.replace("-", "_"))
