"""The book as Markdown, from its rows alone: what is there, what is missing, tables, tests, verdicts."""

import collections
import json
import statistics

from dfar_tf.experiments.book.benchmark import title_of
from dfar_tf.experiments.book.claims import UNKNOWN, UNPLANNED, VERDICTS, best_other, told
from dfar_tf.experiments.book.summary import best_means, summary_text
from dfar_tf.experiments.book.works import KINDS
from dfar_tf.experiments.table2 import OURS
from dfar_tf.runs.tables import metric_name
from recommenders_utils.tables import to_markdown

SHOWN = (
    *("AUC", "AUC centred", "GAUC", "MRR@10", "NDCG@10"),
    *("full HR@10", "full NDCG@10", "HR_p - HR_n"),
)
OBSERVED = ("observed AUC valid", "observed AUC test")
METRICS = {"auc": "AUC", "gauc": "GAUC", "mrr@10": "MRR@10", "ndcg@10": "NDCG@10"}


def book_text(titles, cells, pairs, claims, level=2):
    """The whole book.

    Args:
      titles: ``{(log, objective): title}`` of the parts, in their order.
      cells, pairs, claims: dicts by the HEADERS of ``rows``, ``comparisons`` and ``claims``.
      level: of the headings.
    """
    mark = "#" * level
    parts = [f"{mark} In short", summary_text(titles, cells, claims)]
    parts += [f"{mark} Cells", cells_text(titles, cells)]
    for key, title in titles.items():
        own = [[r for r in rows if (r["log"], r["objective"]) == key] for rows in (cells, pairs)]
        if any(row["status"] == "done" for row in own[0]):
            parts += [f"{mark} {title}", *part_text(*own)]
    parts += [f"{mark} The paper's claims", claims_text(titles, claims)]
    return "\n\n".join(parts) + "\n"


def cells_text(titles, cells):
    """How many cells of each part and kind are done, of how many, and how long they took."""
    count = collections.Counter((row["log"], row["objective"], row["kind"]) for row in cells)
    done, failed = (
        collections.Counter(
            (row["log"], row["objective"], row["kind"]) for row in cells if row["status"] == status
        )
        for status in ("done", "failed")
    )
    kinds = [kind for kind in KINDS if any(key[2] == kind for key in count)]
    rows = []
    for key, title in titles.items():
        of = [(*key, kind) for kind in kinds]
        rows.append([title, *(f"{done[k]} of {count[k]}" if count[k] else "" for k in of)])
        rows[-1].append(sum(failed[k] for k in of))
    table = to_markdown(["part", *kinds, "failed"], rows, "l" + "r" * (len(kinds) + 1))
    runs = {row["folder"]: row for row in cells if row["status"] == "done"}
    hours = sum(row["seconds"] for row in runs.values()) / 3600
    spent = f"{len(runs)} runs, {hours:.1f} hours of training and scoring"
    codes = len({row["code"] for row in runs.values() if row["kind"] != "untrained"})
    commits = sorted({row["commit"] for row in runs.values() if row["commit"]})
    made = f"commits {', '.join(commits) or 'unknown'}, {codes} digests of models' code"
    return f"{table}\n\n{spent}; {made}. The other cells are missing."


def part_text(cells, pairs):
    """The blocks of one part: Table 2, its tests, who leads, tuning, and further tables."""
    groups = collections.OrderedDict()
    for row in cells:
        if row["status"] == "done" and row["kind"] not in ("draw", "finalist"):
            groups.setdefault((row["kind"], row["model"], row["cell"]), []).append(row)
    blocks = []
    for kinds, name in (
        (("tuned", "untrained"), "Settings chosen on validation; untrained models below"),
        (("published",), "As published: the paper's step size, 1e-4"),
        (("ablation",), f"{title_of(OURS)} without its parts (Table 3)"),
        (("weight",), "Weights of the two losses (Figure 6)"),
    ):
        own = {key: rows for key, rows in groups.items() if key[0] in kinds}
        if kinds == ("ablation",) and own:
            own = {**{k: v for k, v in groups.items() if k[:2] == ("tuned", OURS)}, **own}
        if own:
            order = sorted(own, key=lambda key: kinds.index(key[0]) if key[0] in kinds else -1)
            blocks.append(f"{name}. Mean ± sample standard deviation over seeds.")
            blocks.append(_table([(key, own[key]) for key in order]))
    lines = [*leading_lines(cells, pairs), *missing_lines(cells)]
    if lines:
        blocks.append("\n".join(f"- {line}" for line in lines))
    tuning = tuning_rows(cells)
    if tuning:
        blocks.append(
            "Tuning: validation figures of the draws, best first, each for a share of the epochs."
        )
        blocks.append(to_markdown(["model", "draws", "best draw", "worst", "chosen"], tuning))
    return blocks


def _table(groups):
    columns = [
        name
        for name in (*SHOWN, *OBSERVED)
        if any(row[name] is not None for _, rows in groups for row in rows)
    ]
    lines = []
    for (kind, model, cell), rows in groups:
        title = cell or title_of(model)
        if cell and kind == "published":
            title = title_of(model)
        figures = [mean_text([row[name] for row in rows]) for name in columns]
        lines.append([f"{title} *" if kind == "untrained" else title, *figures, len(rows)])
    table = to_markdown(["model", *columns, "seeds"], lines, "l" + "r" * (len(columns) + 1))
    return table + ("\n\n\\* untrained" if any(key[0] == "untrained" for key, _ in groups) else "")


def mean_text(values):
    """``0.8244 ± 0.0024``: mean and sample standard deviation of figures, those that are None left out."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"


def above_ours(found, metric, ours):
    """Titles of the models that are above ours by a metric, told from noise."""
    for (name, first, second), row in found.items():
        if name == metric and ours in (first, second) and row["p Holm"] is not None:
            gap = -row["difference"] if first == ours else row["difference"]
            if row["p Holm"] < 0.05 and gap > 0:
                yield second if first == ours else first


def leading_lines(cells, pairs):
    """Ours against the best other by validation, and the best trained against the best untrained."""
    ours, rival, lines = title_of(OURS), best_other(cells), []
    found = {
        (row["metric"], row["first"], row["second"]): row
        for row in pairs
        if row["family"] == "table2"
    }
    for metric, name in METRICS.items():
        for first, second, sign in ((ours, rival, 1), (rival, ours, -1)):
            row = found.get((metric, first, second))
            if row:
                gap, high = sign * row["difference"], sign * row["difference"] > 0
                clear = row["p Holm"] is not None and row["p Holm"] < 0.05
                word = ("leads" if high else "does not lead") if clear else "is level"
                lines.append(
                    f"{name}: {ours} {word} ({gap:+.4f}) against {rival}, the best other by "
                    f"validation: {told(row, sign)} (Holm, {row['comparisons']:.0f} pairs)."
                )
        above = [other for other in above_ours(found, metric, ours) if other != rival]
        if above:
            lines.append(f"{name}: above {ours} after correction: {', '.join(above)}.")
    lines += offset_lines(cells)
    best = best_means([row for row in cells if row["status"] == "done"], "NDCG@10")
    trained = [best[group] for group in (OURS, "tuned") if group in best]
    if trained and "untrained" in best:
        (high, name), (low, other) = max(trained), best["untrained"]
        word = "above" if high > low else "not above"
        lines.append(f"NDCG@10: {name} {high:.4f} is {word} the best untrained, {other} {low:.4f}.")
    return lines


def offset_lines(cells):
    """Under softmax, what AUC says of ours and the best other with and without the instances' offsets."""
    done = [row for row in cells if row["status"] == "done" and row["AUC centred"] is not None]
    means = [best_means(done, name) for name in ("AUC", "AUC centred")]
    if any(set(found) != {OURS, "tuned"} for found in means):
        return []
    plain, centred = (
        f"{title_of(OURS)} has {found[OURS][0]:.4f} and {found['tuned'][1]} {found['tuned'][0]:.4f}"
        for found in means
    )
    return [
        f"AUC also compares the offsets of instances, which softmax leaves free: {plain}, the best "
        f"mean of another. With each instance's mean logit taken away (AUC centred) {centred}; "
        "this is not tested."
    ]


def missing_lines(cells):
    """One line that names the models whose settings are not chosen yet; none if all are."""
    waiting = [row["model"] for row in cells if row["kind"] == "tuned" and row["settings"] is None]
    names = ", ".join(title_of(name) for name in dict.fromkeys(waiting))
    return [f"Not tuned yet: {names}."] if names else []


def tuning_rows(cells):
    """A row for each model with draws that are done: what they gave and what was chosen."""
    rows = []
    for model in dict.fromkeys(row["model"] for row in cells if row["kind"] == "draw"):
        own = [row for row in cells if row["model"] == model]
        done = [row for row in own if row["kind"] == "draw" and row["status"] == "done"]
        done.sort(key=lambda row: -row["validation"])
        if not done:
            continue
        chosen = next((row["settings"] for row in own if row["kind"] == "tuned"), None)
        all_draws = [f"{row['validation']:.4f}" for row in done]
        metric = metric_name(done[0]["validation metric"])
        rows.append(
            [
                title_of(model),
                f"{metric} " + " ".join(all_draws),
                settings_text(done[0]["settings"]),
                settings_text(done[-1]["settings"]),
                settings_text(chosen) if chosen else "not yet",
            ]
        )
    return rows


def settings_text(settings):
    """``learning_rate 0.003, dropout 0.2`` of a row's settings."""
    return ", ".join(f"{key} {value}" for key, value in json.loads(settings).items()) or "defaults"


def claims_text(titles, claims):
    """The table of the claims that were measured, and how many were not."""
    rows = []
    for row in claims:
        if row["verdict"] not in (UNKNOWN, UNPLANNED):
            title = titles.get((row["log"], row["objective"]), "any log")
            rows.append([row["of"], title, row["claim"], row["evidence"], row["verdict"]])
    count = collections.Counter(row["verdict"] for row in claims)
    blocks = [", ".join(f"{name}: {count[name]}" for name in VERDICTS if count[name]) + "."]
    if rows:
        blocks.append(to_markdown(["of", "part", "claim", "evidence here", "verdict"], rows))
    for verdict, said in (
        (UNKNOWN, "Not measured, as their cells are missing (number of claims):"),
        (UNPLANNED, "Not planned, as the benchmark asks for no such cells:"),
    ):
        lines = waiting_lines(titles, [row for row in claims if row["verdict"] == verdict])
        if lines:
            blocks.append(said + "\n\n" + "\n".join(lines))
    return "\n\n".join(blocks)


def waiting_lines(titles, claims):
    """``- Toys, log loss: Table 3 (17), Figure 6 (2)``: how many claims of what, for each part."""
    waiting = collections.OrderedDict()
    for row in claims:
        title = titles.get((row["log"], row["objective"]), "any log")
        waiting.setdefault(title, collections.Counter())[row["of"]] += 1
    return [
        f"- {title}: " + ", ".join(f"{of} ({number})" for of, number in found.items())
        for title, found in waiting.items()
    ]
