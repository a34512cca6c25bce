"""An adapter to start from for a log of an unknown layout: its columns, and what looks like feedback."""

import re
from typing import Any, Optional

from recommenders_utils.errors import shortened
from recommenders_utils.reading.forms import ROW_ORDER
from recommenders_utils.reading.layout import SPELLINGS, find
from recommenders_utils.reading.numbers import is_number

ROLES = {"user": "user_id", "item": "item_id", "time": "timestamp"}
_TIMELY = re.compile("time|date|moment|(^|_)ts(_|$)", re.I)
_LASTING = re.compile("watch|play|listen|dwell|stay|spent|duration|length|upload|birth", re.I)
# What columns of feedback are named like, the surest first; in lower case without punctuation.
_HATE = re.compile("hate|dislike|thumbsdown|notinterested")
_LIKE = re.compile("like|favou?rite|thumbsup|upvote")
_EVENT = re.compile("(event|action|behaviou?r|interaction|feedback)(type|name)?$")
_YES_NO = re.compile(
    "label|click|effective|valid|longview|finish|complete|purchase|bought|buy|skip|like|hate|follow|share"
)
_RATED = re.compile("rating|score|star|overall|points|grade")
_RATIO = re.compile("ratio|percent|pct")
_WATCHED = re.compile("(watch|play|listen|dwell|stay|spent).*(time|ms|sec)|timespent")
_DURATION = re.compile("duration|length")
_UNLIKELY = re.compile(
    "date|hour|minute|day|week|month|year|age|gender|price|city|id$|count|fans|level"
)
_DISLIKED = re.compile("dislike|hate|skip|view|impression|show|expos|remove", re.I)


def example(layout: Any) -> str:
    """An adapter to start from, as YAML text, with the log's own columns where they can be guessed.

    By their names first, then by their values: times are large numbers or dates.
    """
    names = layout.header or [f"column{k + 1}" for k in range(layout.width)]
    guessed = {key: column_named(layout, SPELLINGS[role]) for key, role in ROLES.items()}
    if guessed["time"] is None:
        left = [name for name in names if name not in guessed.values()]
        able = [name for name in left if _all(layout, names.index(name), _is_moment)]
        timely = [name for name in able if _TIMELY.search(name) and not _LASTING.search(name)]
        # The last one that can be: a user or an item comes first, and may be a number as well. A second
        # says more than a day.
        finer = [name for name in timely if "date" not in name.lower()]
        guessed["time"] = (finer or timely or able or [ROW_ORDER])[-1]
    left = [name for name in names if name not in guessed.values()]
    values = {
        name: [row[at] for row in layout.samples if at < len(row)] for at, name in enumerate(names)
    }
    keys, taken = _feedback({name: values[name] for name in left})
    left = [name for name in left if name not in taken] + ["THE_COLUMN"] * 3
    guessed = {key: column or left.pop(0) for key, column in guessed.items()}
    keys = keys or _rating(quoted(left[0]))
    lines = [] if layout.header else [f"columns: [{shortened(', '.join(names), 400)}]"]
    lines += [
        *(f"{key}: {_scalar(column)}" for key, column in guessed.items()),
        *keys,
        "# other feedback: rating:, label: (0 or 1), watch_ratio:, play: and duration:, positive: and",
        "# negative:, or feedback: like - hate; without a time, time: row_order (docs/data.md)",
    ]
    return "\n".join("    " + line for line in lines)


def _feedback(values):
    """The keys of the feedback as lines, and the columns in them; none if no column is named like it.

    Args:
      values: samples of each column that is neither user, item nor time.
    """
    plain = {name: re.sub(r"[\W_]", "", name.lower()) for name in values}

    def first(pattern, test, but=None):
        for name, text in plain.items():
            fits = pattern.search(text) and not (but and but.search(text))
            if fits and values[name] and all(map(test, values[name])):
                return name
        return None

    hate, like = first(_HATE, _is_flag), first(_LIKE, _is_flag, _HATE)
    if hate and like:
        return [f"positive: {_expression(like)}", f"negative: {_expression(hate)}"], [like, hate]
    event = first(_EVENT, lambda text: not is_number(text))
    if event:
        return _events(event, values[event]), [event]
    flag = first(_YES_NO, _is_flag, _HATE)
    if flag:
        away = "1 - " if "skip" in plain[flag] else ""
        return [f"label: {_scalar(away + quoted(flag))}    # 1 liked, 0 disliked"], [flag]
    rated = first(_RATED, is_number)
    if rated:
        return _rating(quoted(rated)), [rated]
    ratio = first(_RATIO, is_number)
    if ratio:
        most = 50 if max(map(float, values[ratio])) > 10 else 0.5
        return [f"watch_ratio: {_expression(ratio)}", f"threshold: {most}"], [ratio]
    watched, duration = first(_WATCHED, is_number), first(_DURATION, is_number, _WATCHED)
    if watched and duration:
        keys = [f"play: {_expression(watched)}", f"duration: {_expression(duration)}"]
        return [*keys, "threshold: 0.5    # positive above this share"], [watched, duration]
    if watched:
        return [f"label: {_scalar(quoted(watched) + ' > 3')}    # liked if longer"], [watched]
    able = [name for name in values if values[name] and all(map(is_number, values[name]))]
    able = [name for name in able if not _UNLIKELY.search(plain[name])] or able
    return (_rating(quoted(able[-1])), able[-1:]) if able else ([], [])


def _rating(column):
    return [f'rating: "{column}"', "threshold: 3    # above it is positive"]


def _events(column, values):
    """``positive`` and ``negative`` of a column of words, by those of its first rows."""
    words = sorted({text for text in values if text and len(text) < 40})[:6]
    disliked = [word for word in words if _DISLIKED.search(word)]
    liked = [word for word in words if word not in disliked]
    sides = (("positive", liked or ["like"]), ("negative", disliked or ["dislike"]))
    return [f"{key}: {_scalar(quoted(column) + _among(found))}" for key, found in sides]


def _among(words):
    quotes = ['"' + word.replace('"', "") + '"' for word in words]
    return f" == {quotes[0]}" if len(quotes) == 1 else f" in ({', '.join(quotes)})"


def _is_flag(text):
    return text.strip().lower() in ("0", "1", "0.0", "1.0", "true", "false")


def _expression(column):
    return _scalar(quoted(column))


def column_named(layout: Any, spellings: str) -> Optional[str]:
    """The first column with one of some spellings, or None."""
    at = find(layout.header or (), spellings.split())
    return None if at is None else layout.header[at]


def _all(layout, at, is_one):
    """Whether all values of a column among the first records are of a kind."""
    return all(at < len(row) and is_one(row[at]) for row in layout.samples)


def _is_moment(text):
    """Whether a text looks like a time: a date, eight digits of one, or unix seconds and finer units."""
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return True
    return is_number(text) and 1e7 <= float(text) < 1e20


def quoted(column: str) -> str:
    """A column as an expression names it."""
    return column if column.isidentifier() else f"`{column}`"


def _scalar(text):
    return text if text.isidentifier() else "'" + text.replace("'", "''") + "'"
