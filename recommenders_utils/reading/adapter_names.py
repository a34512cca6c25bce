"""Adapters by name: the YAML files of one folder."""

import glob
import os

from recommenders_utils.errors import UserError, suggest


def adapter_files(folder):
    """Paths of the adapters that come by name, sorted."""
    return sorted(glob.glob(os.path.join(folder, "*.yaml")))


def is_path(named):
    """Whether ``--adapter`` names a file rather than an adapter of ours."""
    return os.sep in named or "/" in named or named.lower().endswith((".yaml", ".yml"))


def path_of(named, folder):
    """The file of an adapter that is named by its name or its path.

    Raises:
      UserError: no adapter of that name.
    """
    path = os.path.join(folder, named + ".yaml")
    if is_path(named) or os.path.isfile(path):
        return named if is_path(named) else path
    names = [os.path.splitext(os.path.basename(file))[0] for file in adapter_files(folder)]
    raise UserError(
        f"--adapter={named}: no such adapter; {suggest(named, names)} Or give the path "
        "of a YAML file of your own"
    )
