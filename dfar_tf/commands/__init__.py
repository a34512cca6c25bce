"""The commands, one a module, found by name.

A command has a docstring whose first line is its help, ``FLAGS`` (name -> (default, meaning)) beyond
the hyper-parameters, and ``run(options)``, which only forwards to functions a notebook can call.
"""

import importlib
import os
import pkgutil

from recommenders_utils.errors import UserError, suggest


def command_names():
    """Names as typed: modules of this folder, ``_`` written as ``-``."""
    modules = pkgutil.iter_modules([os.path.dirname(__file__)])
    return sorted(module.name.replace("_", "-") for module in modules)


def get_command(name):
    """The module of a command.

    Raises:
      UserError: no such command.
    """
    names = command_names()
    if name not in names:
        raise UserError(f"unknown command {name!r}; {suggest(name, names)}")
    return importlib.import_module("dfar_tf.commands." + name.replace("-", "_"))
