"""One self-contained HTML page of everything in a results folder: tables, figures and their settings."""

import base64
import datetime
import html
import json
import os

from dfar_tf.paths import in_checkout, shown
from recommenders_utils.errors import UserError
from recommenders_utils.files import atomic_write
from recommenders_utils.tables import cell_text

# The order of the sections; what is not named comes last, by name.
ORDER = (
    "table1",
    "table2",
    "table3",
    "figure4",
    "figure5",
    "figure6",
    "slices",
    "sweep",
    "complexity",
    "curves",
)
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #8886; padding: .2rem .5rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { background: #fff; height: auto; max-width: 100%; }
code, dd { overflow-wrap: anywhere; }
details { font-size: .85rem; } summary { cursor: pointer; } dt { font-weight: 600; } dd { margin: 0 0 .3rem; }
.synthetic { background: #D55E00; color: #fff; padding: .2rem .5rem; }
nav a { margin-right: .8rem; white-space: nowrap; }
"""


def run_report(folder=None, output=None, command="", say=print):
    """Writes ``report.html`` from the JSON, PNG and notes of a results folder.

    Args:
      folder: of the results; ``results/`` in the checkout if None.
      output: path of the page; ``report.html`` in that folder if None.
      command: the command line.
      say: called with each line to print.

    Returns:
      Path of the page.

    Raises:
      UserError: no such folder, no result in it, or a result that is damaged.
    """
    folder = folder or in_checkout("results")
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no such folder; run table2 or another command first.")
    sections = sorted(read_sections(folder), key=lambda s: (_place(s["name"]), s["name"]))
    if not sections:
        raise UserError(f"{folder}: no results in it; run table2 or another command first.")
    path = output or os.path.join(folder, "report.html")
    with atomic_write(path) as stream:
        stream.write(page(sections, command))
    say(f"{len(sections)} results; written: {shown(path)}")
    return path


def read_sections(folder):
    """Yields dicts of name, record and PNG (bytes or None) of each result that ``write_results`` wrote."""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json") or os.path.islink(os.path.join(folder, name)):
            continue  # a link is the newest of files that are read anyway
        base = os.path.join(folder, name[: -len(".json")])
        try:
            with open(base + ".json", encoding="utf-8") as stream:
                record = json.load(stream)
        except ValueError as error:
            raise UserError(
                f"{base}.json: not JSON: {error}. Delete it or run its command again."
            ) from None
        if not isinstance(record, dict) or not {"headers", "rows", "command"} <= set(record):
            continue  # of another command, such as bench or diff
        image = None
        if os.path.exists(base + ".png"):
            with open(base + ".png", "rb") as stream:
                image = stream.read()
        yield {"name": name[: -len(".json")], "record": record, "image": image}


def page(sections, command=""):
    """The HTML text."""
    links = " ".join(  # with blanks between, so that the line can break
        f'<a href="#{_text(s["name"])}">{_text(s["name"].split("-")[0])}</a>' for s in sections
    )
    made = datetime.datetime.now().isoformat(sep=" ", timespec="minutes")
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>DFAR: results</title><link rel="icon" href="data:,"><style>{STYLE}</style></head><body>'
    )
    intro = f"<h1>DFAR: results</h1><p>{made}; <code>{_text(command)}</code></p><nav>{links}</nav>"
    return head + intro + "".join(map(_section, sections)) + "</body></html>\n"


def _section(section):
    name, record = section["name"], section["record"]
    parts = [f'<section id="{_text(name)}"><h2>{_text(name)}</h2>']
    if record.get("synthetic"):
        parts.append('<p class="synthetic">SYNTHETIC data</p>')
    parts.append(f"<p><code>{_text(record['command'])}</code></p>")
    if section["image"] is not None:
        encoded = base64.b64encode(section["image"]).decode()
        parts.append(f'<img alt="figure: {_text(name)}" src="data:image/png;base64,{encoded}">')
    parts.append(_table(record["headers"], record["rows"]))
    parts += [f"<p>{_text(note)}</p>" for note in record.get("notes", [])]
    rest = {k: v for k, v in record.items() if k not in ("headers", "rows", "notes", "command")}
    about = "".join(f"<dt>{_text(k)}</dt><dd>{_text(_value(v))}</dd>" for k, v in rest.items())
    parts.append(f"<details><summary>settings</summary><dl>{about}</dl></details></section>")
    return "".join(parts)


def _table(headers, rows):
    head = "".join(f"<th>{_text(h)}</th>" for h in headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell_text(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _value(value):
    return value if isinstance(value, str) else json.dumps(value)


def _text(value):
    return html.escape(str(value), quote=True)


def _place(name):
    kind = name.split("-")[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)
