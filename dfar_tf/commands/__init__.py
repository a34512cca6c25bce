"""The commands: one module each, found by name.

A command has a docstring whose first line is its help, ``FLAGS`` (name -> (default, meaning)) in
addition to the hyper-parameters, and ``run(options)``, which only forwards to functions that a
notebook can call.
"""

import ast
import importlib
import os
import pkgutil

from dfar_tf.paths import PROGRAM
from recommenders_utils.errors import UserError, suggest


def command_names():
    """Names as typed: modules of this folder, ``_`` written as ``-``."""
    modules = pkgutil.iter_modules([os.path.dirname(__file__)])
    return sorted(module.name.replace("_", "-") for module in modules)


def listing():
    """The usage text: each command and the first line of its help. Imports none of them."""
    lines = [f"usage: {PROGRAM} COMMAND [--flag=value ...]", ""]
    for name in command_names():
        path = os.path.join(os.path.dirname(__file__), name.replace("-", "_") + ".py")
        with open(path, encoding="utf-8") as stream:
            text = ast.get_docstring(ast.parse(stream.read()))
        lines.append(f"  {name:<16} {text.splitlines()[0]}")
    return "\n".join([*lines, "", f"{PROGRAM} COMMAND --help tells a command's flags."])


def get_command(name):
    """The module of a command.

    Raises:
      UserError: no such command.
    """
    names = command_names()
    if name not in names:
        raise UserError(f"unknown command {name!r}; {suggest(name, names)}")
    return importlib.import_module("dfar_tf.commands." + name.replace("-", "_"))
