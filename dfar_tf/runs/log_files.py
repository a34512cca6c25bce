"""The files of a log: one, several by a glob or a list, and those beside them that are not read."""

import glob
import os
import re

from dfar_tf.paths import in_checkout, listed, shown
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.layout import detect

_MAGIC = re.compile(r"[*?[]")
_NAMED = 5  # siblings that are named, not only counted


def log_files(text):
    """Paths of the files that ``--interactions`` names, each once, in the order in which they are read.

    Args:
      text: a path, a glob such as ``log_*.csv``, or several of them with commas between. The files of a
        glob are in the order of their names, numbers in them counting as such (2 before 10).

    Raises:
      UserError: a glob that matches no file.
    """
    found = []
    for part in listed(text):
        path = in_checkout(part)
        if not _MAGIC.search(part) or os.path.exists(path):
            found.append(path)
            continue
        matched = [each for each in glob.glob(path, recursive=True) if os.path.isfile(each)]
        if not matched:
            raise UserError(
                f"--interactions={shown(path)}: no file matches this pattern. Expected at least one; "
                "check the folder and the pattern, in quotes so that the shell leaves it alone."
            )
        found += sorted(matched, key=_in_order)
    return list(dict.fromkeys(found))


def layouts_of(layout, paths, form):
    """The ``Layout`` of each file, which must have the columns of the first.

    Args:
      layout: of the first file.
      paths: all files.
      form: the ``Form`` that they are read with.

    Raises:
      UserError: a file of other columns; see ``detect``.
    """
    layouts = [layout]
    for path in paths[1:]:
        other = detect(path, form.keys.get("delimiter"))
        if (other.header, other.width) != (layout.header, layout.width):
            raise UserError(
                f"{shown(path)}: its columns ({other.found()}) are not those of "
                f"{shown(layout.path)} ({layout.found()}). Name files of the same columns, or one file."
            )
        layouts.append(other)
    return layouts


def unread_siblings(layout, paths):
    """The line that names files which look like parts of the same log and are not read; None without any.

    They are in the folder of the first file, have its name up to the digits in it, and its columns.
    """
    folder, name = os.path.split(layout.path)
    shape = _shape(name)
    if shape is None or os.path.basename(folder).startswith("."):  # files of DataFrames are hidden
        return None
    try:
        beside = sorted(os.listdir(folder or os.curdir), key=_in_order)
    except OSError:
        return None
    beside = [os.path.join(folder, each) for each in beside if _shape(each) == shape]
    unread = [path for path in beside if path not in paths and _same_columns(path, layout)]
    if not unread:
        return None
    names = ", ".join(os.path.basename(path) for path in unread[:_NAMED])
    if len(unread) > _NAMED:
        names += f" and {len(unread) - _NAMED} more"
    pattern = os.path.join(folder, re.sub(r"[0-9]+", "*", glob.escape(name)))
    return (
        f"data: not read, but of the same columns: {shortened(names, 400)}. "
        f"--interactions='{shown(pattern)}' reads them too"
    )


def _shape(name):
    """A name without the digits in it; None if it has none."""
    return re.sub(r"[0-9]+", "#", name) if re.search(r"[0-9]", name) else None


def _same_columns(path, layout):
    try:
        other = detect(path) if os.path.isfile(path) else None
    except UserError:
        return False
    return other is not None and (other.header, other.width) == (layout.header, layout.width)


def _in_order(name):
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]
