"""The HTML of the report: a summary, the training runs, and a section for each result."""

import base64
import datetime
import html
import json
import numbers
import os
import re

from dfar_tf.runs.tables import metric_name
from recommenders_utils.errors import described
from recommenders_utils.tables import cell_text, undefined

TITLES = {
    "claims": "The paper's claims",
    "table1": "Table 1: the data",
    "table2": "Table 2: models compared",
    "table3": "Table 3: DFAR without its parts",
    "figure4": "Figure 4: attention between feedbacks",
    "figure5": "Figure 5: metrics by length of the history",
    "figure6": "Figure 6: weights of the losses",
    "slices": "Slices of the test targets",
    "sweep": "Sweep of hyper-parameters",
    "complexity": "Cost of the attentions",
    "curves": "Learning curves",
    "published": "Models with the paper's step size",
    "models": "The models",
}
METRIC = re.compile(r"(AUC|GAUC|(MRR|NDCG|hit|HR)(@\d+)?|log loss)$")
STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.css")


def page(sections, command="", summary=(), runs=None):
    """The HTML text.

    Args:
      sections: dicts of name, record and image, as of ``read_sections``.
      command: the command line.
      summary: a dict a log, as of ``summarise``.
      runs: (headers, rows, logs) of the training runs, or None; rows of the same log are compared.
    """
    anchors = [("summary", "Summary")] * bool(summary) + [("runs", "Training runs")] * bool(runs)
    anchors += [(s["name"], title_of(s)) for s in sections]
    links = " ".join(  # with blanks between, so that the line can break
        f'<a href="#{_text(anchor)}">{_text(title.split(":")[0])}</a>' for anchor, title in anchors
    )
    with open(STYLE, encoding="utf-8") as stream:
        style = stream.read()
    made = datetime.datetime.now().isoformat(sep=" ", timespec="minutes")
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>DFAR: results</title><link rel="icon" href="data:,"><style>{style}</style></head><body>'
    )
    intro = f"<header><div><h1>DFAR: results</h1><p>{made}; <code>{_text(command)}</code></p></div></header>"
    parts = [head, intro, f"<main><nav>{links}</nav>"]
    if summary:
        cards = "".join(map(_card, summary))
        parts.append(
            f'<section id="summary"><h2>Summary</h2><div class="cards">{cards}</div></section>'
        )
    if runs:
        headers, rows, logs = runs
        parts.append('<section id="runs"><h2>Training runs</h2>')
        parts.append(
            '<p class="about">Test figures; best and second of each log are marked.</p>'
            + _table(headers, rows, logs)
            + "</section>"
        )
    return "".join([*parts, *map(_section, sections), "</main></body></html>\n"])


def title_of(section):
    """A section's title in words."""
    kind = section["name"].split("-")[0]
    return TITLES.get(kind, section["name"])


def _card(best):
    """A log's best model: its figure, the best untrained one and the paper's, as numbers and bars."""
    metric, value = metric_name(best["metric"]), best["value"]
    lines = [
        f'<div class="card"><h3>{_text(best["title"])} on {_text(best["log"])}</h3>',
        '<p class="synthetic">SYNTHETIC data</p>' if best["synthetic"] else "",
        f'<p class="big">{value:.4f}</p><p class="what">test {_text(metric)}; {_text(best["more"])}</p>',
        _bar(value, ""),
    ]
    if best["untrained"]:
        name, other = best["untrained"]
        told = "above" if value > other else "not above"
        style = "" if value > other else ' class="below"'
        lines.append(
            f"<div{style}>{value - other:+.4f}: {told} the best untrained, {_text(name)} {other:.4f}</div>"
        )
        lines.append(_bar(other, " other"))
    if best["paper"] is not None:
        gap = f"{value - best['paper']:+.4f} to" if best["is_papers"] else "not comparable:"
        other = "" if best["is_papers"] else ", on another log"
        lines.append(f"<div>{gap} the paper's {best['paper']:.4f}{other}</div>")
        lines.append(_bar(best["paper"], " other"))
    return "".join([*lines, "</div>"])


def _bar(value, kind):
    return f'<div class="bar{kind}"><i style="width:{100 * min(max(value, 0), 1):.1f}%"></i></div>'


def _section(section):
    name, record = section["name"], section["record"]
    parts = [f'<section id="{_text(name)}"><h2>{_text(title_of(section))}</h2>']
    about = [record.get("data"), record.get("loss") and f"loss {record['loss']}"]
    about += [f"seeds {', '.join(map(str, record['seeds']))}" if record.get("seeds") else None]
    parts.append(f'<p class="about">{_text("; ".join(map(str, filter(None, about))))}</p>')
    if record.get("synthetic"):
        parts.append('<p class="synthetic">SYNTHETIC data</p>')
    if section["image"] is not None:
        encoded = base64.b64encode(section["image"]).decode()
        alt = _text(f"figure: {title_of(section)}")
        parts.append(f'<img alt="{alt}" src="data:image/png;base64,{encoded}">')
    headers, rows = record["headers"], record["rows"]
    groups = None
    if "part" in headers:  # untrained models are no rivals of the trained
        groups = [row[headers.index("part")] for row in rows]
    parts.append(
        _table(headers, rows, groups, marked=section["name"].startswith(("table2", "sweep")))
    )
    parts += [f"<p>{_text(note)}</p>" for note in record.get("notes", [])]
    rest = {k: v for k, v in record.items() if k not in ("headers", "rows", "notes")}
    listed = "".join(f"<dt>{_text(k)}</dt><dd>{_text(_value(v))}</dd>" for k, v in rest.items())
    parts.append(
        f"<details><summary>command and settings</summary><dl>{listed}</dl></details></section>"
    )
    return "".join(parts)


def _table(headers, rows, groups=None, marked=True):
    """A table that scrolls by itself; the best and second of each metric's column are marked."""
    marks = marks_of(headers, rows, groups) if marked else {}
    head = "".join(f"<th>{_text(h)}</th>" for h in headers)
    body = ""
    for i, row in enumerate(rows):
        cells = (
            f"<td{_class(marks.get((i, j)))}>{_text(_cell(headers[j], cell))}</td>"
            for j, cell in enumerate(row)
        )
        body += "<tr>" + "".join(cells) + "</tr>"
    return (
        '<div class="table" tabindex="0"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def marks_of(headers, rows, groups=None):
    """``{(row, column): "best" or "second"}`` of the columns that are metrics, by group of rows.

    Args:
      headers, rows: of the table.
      groups: the group of each row; rows of ``untrained`` have no marks. One group if None.
    """
    marks, groups = {}, groups or [""] * len(rows)
    for j, header in enumerate(headers):
        if not METRIC.match(str(header)):
            continue
        for group in dict.fromkeys(groups):
            values = sorted(
                {row[j] for row, own in zip(rows, groups) if own == group and _is_number(row[j])},
                reverse=header != "log loss",
            )
            if group == "untrained" or len(values) < 2:
                continue
            for i, row in enumerate(rows):
                if groups[i] == group and row[j] in values[:2]:
                    marks[i, j] = ("best", "second")[values.index(row[j])]
    return marks


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and not undefined(value)


def _class(mark):
    return f' class="{mark}"' if mark else ""


def _cell(header, cell):
    """A cell as text: seconds with two decimals, seeds and epochs without separators."""
    if str(header).split(" ")[-1] in ("seconds", "s") and _is_number(cell):
        return f"{cell:,.2f}"
    if str(header).split(" ")[-1] in ("seed", "epoch") and _is_number(cell):
        return f"{cell:g}"
    return cell_text(cell)


def _value(value):
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except (ValueError, RecursionError):  # thousands of digits
        return described(value)


def _text(value):
    return html.escape(value if isinstance(value, str) else _value(value), quote=True)
