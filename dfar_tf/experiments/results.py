"""Result files: one table as CSV, Markdown and JSON, each of which says what it is of."""

import json
import os

from dfar_tf.experiments.run_folder import versions
from dfar_tf.experiments.tables import to_csv, to_markdown
from dfar_tf.paths import in_checkout, shown
from recommenders_utils.files import atomic_write, write_json


def write_results(name, headers, rows, about, output=None, notes=(), record=None, shown_as=None):
    """Writes ``<name>.csv``, ``.md`` and ``.json``.

    Args:
      name: of the files.
      headers: of the table.
      rows: of the table, numbers as numbers.
      about: dict of what the table is of: command, data, protocol, loss, seeds, ...; written into each
        file, as lines that begin with ``#`` into the CSV.
      output: folder; ``results/`` in the checkout if None.
      notes: lines below the Markdown table.
      record: what else goes into the JSON.
      shown_as: (headers, rows) of the Markdown table if it is not the same.

    Returns:
      Path of the files without their ending.
    """
    base = os.path.join(output or in_checkout("results"), name)
    os.makedirs(os.path.dirname(base), exist_ok=True)
    text = {key: v if isinstance(v, str) else json.dumps(v) for key, v in about.items()}
    with atomic_write(base + ".csv", newline="") as stream:
        stream.writelines(f"# {key}: {value}\n" for key, value in text.items())
        stream.write(to_csv(headers, rows))
    table = to_markdown(*(shown_as or (headers, rows)))
    parts = [f"# {name}", "\n".join(f"- {k}: {v}" for k, v in text.items()), table, *notes]
    with atomic_write(base + ".md") as stream:
        stream.write("\n\n".join(parts) + "\n")
    body = {
        **about,
        "versions": versions(),
        "headers": list(headers),
        "rows": list(map(list, rows)),
    }
    write_json(base + ".json", {**body, "notes": list(notes), **(record or {})})
    return base


def say_written(base, endings=("csv", "md", "json"), log=print):
    """Prints where the files of one name are."""
    log(f"\nwritten: {shown(base)}." + ", .".join(endings))
