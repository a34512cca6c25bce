"""Which adapter a log is read with: the one a person names, or the one its columns fit."""

import re

from recommenders_utils.errors import UserError
from recommenders_utils.reading.adapter_names import adapter_files, path_of
from recommenders_utils.reading.adapters import adapter_from, load_adapter
from recommenders_utils.reading.layout import detect_log
from recommenders_utils.reading.ratings_layout import SPELLINGS

# Feedback columns by common names, compared as those of users and items are; the first kind that a file
# has counts. Each gives an adapter's keys, with the columns found in place of the numbers.
_FEEDBACK = (
    (("label", "click", "isclick", "clicked"), {"label": "{0}"}),
    (("rating", "ratings", "score", "stars", "overall"), {"rating": "{0}"}),
    (("watchratio",), {"watch_ratio": "{0}", "threshold": 0.5}),
)
_PAIRS = (
    (
        ("like", "islike", "liked"),
        ("hate", "ishate", "dislike", "isdislike"),
        {"positive": "{0}", "negative": "{1}"},
    ),
    (
        ("playtimems", "playduration", "playtime", "play", "watchtime"),
        ("durationms", "videoduration", "duration"),
        {"play": "{0}", "duration": "{1}", "threshold": 0.5},
    ),
)
RECOGNISED = "common names"


def choose(path, named, folder):
    """The layout of a log and the form it is read with.

    Args:
      path: the log.
      named: an adapter's name, a path of one (with a ``/`` or ending in .yaml or .yml), or None: the
        adapter whose columns the file has, else columns by their common names.
      folder: where adapters are found by name.

    Returns:
      (LogLayout, Form, Adapter).

    Raises:
      UserError: no such adapter; none fits or several do; the file lacks columns of the one named,
        with the columns found and an example to write.
    """
    if named:
        adapter = load_adapter(path_of(named, folder))
        told = len(adapter.forms) == 1 and adapter.forms[0].keys.get("delimiter")
        layout = detect_log(path, told or None)
        for form in adapter.forms:
            if _fits(form, layout):
                return layout, form, adapter
        raise UserError(_misfit(adapter, layout))
    layout = detect_log(path)
    adapters = [load_adapter(file) for file in adapter_files(folder)]
    fitting = [
        (form, adapter)
        for adapter in adapters
        if adapter.recognise
        for form in adapter.forms
        if _fits(form, layout)
    ]
    names = list(dict.fromkeys(adapter.name for _, adapter in fitting))
    if len(names) > 1:
        raise UserError(
            f"{path}: its columns fit several adapters; say which with --adapter={names[0]} or "
            + " or ".join(f"--adapter={name}" for name in names[1:])
        )
    if fitting:
        return (layout, *fitting[0])
    common = _by_common_names(layout)
    if common is not None:
        adapter = adapter_from(common, RECOGNISED, path)
        return layout, adapter.forms[0], adapter
    raise UserError(_unknown(layout, adapters))


def _fits(form, layout):
    if form.keys.get("delimiter", layout.delimiter) != layout.delimiter:
        return False
    if layout.header is None:
        return form.columns is not None and len(form.columns) == layout.width
    return form.columns is None and set(form.needed()) <= set(layout.header)


def _find(layout, spellings):
    """The first column with one of some spellings, or None."""
    names = [re.sub(r"[\W_]", "", name.lower()) for name in layout.header or ()]
    for spelling in spellings:
        if spelling in names:
            return layout.header[names.index(spelling)]
    return None


def _by_common_names(layout):
    """An adapter's keys from the columns' common names, or None."""
    keys = {
        key: _find(layout, SPELLINGS[role].split())
        for key, role in (("user", "user_id"), ("item", "item_id"), ("time", "timestamp"))
    }
    if None in keys.values():
        return None
    kinds = [((names,), made) for names, made in _FEEDBACK]
    kinds[1:1] = [((_PAIRS[0][0], _PAIRS[0][1]), _PAIRS[0][2])]
    kinds.append(((_PAIRS[1][0], _PAIRS[1][1]), _PAIRS[1][2]))
    for groups, made in kinds:
        columns = [_find(layout, names) for names in groups]
        if None not in columns:
            quoted = [c if c.isidentifier() else f"`{c}`" for c in columns]
            filled = {k: v.format(*quoted) if isinstance(v, str) else v for k, v in made.items()}
            return {**keys, **filled}
    return None


def _misfit(adapter, layout):
    wanted = []
    for form in adapter.forms:
        if form.columns is not None:
            wanted.append("no header and " + ", ".join(form.columns))
        else:
            wanted.append("a header with " + ", ".join(form.needed()))
    return (
        f"{layout.path}: adapter {adapter.name} ({adapter.path}) expects {'; or '.join(wanted)}. "
        f"The columns found: {layout.found()}. Name another adapter, or write one:\n{example(layout)}"
    )


def _unknown(layout, adapters):
    headless = [
        f"--adapter={adapter.name} ({', '.join(form.columns)})"
        for adapter in adapters
        for form in adapter.forms
        if layout.header is None and form.columns and len(form.columns) == layout.width
    ]
    named = f" Name one of {'; '.join(headless)}, or write" if headless else " Write"
    return (
        f"{layout.path}: no adapter is known to fit it. The columns found: {layout.found()}."
        f"{named} an adapter such as my.yaml and give it with --adapter=my.yaml:\n{example(layout)}"
    )


def example(layout):
    """An adapter to start from, as YAML text, with the log's own columns where they can be guessed."""
    names = layout.header or [f"column{k + 1}" for k in range(layout.width)]
    guessed, left = {}, list(names)
    for key, role in (("user", "user_id"), ("item", "item_id"), ("time", "timestamp")):
        guessed[key] = _find(layout, SPELLINGS[role].split())
        if guessed[key] in left:
            left.remove(guessed[key])
    for key in guessed:
        if guessed[key] is None:
            guessed[key] = left.pop(0) if left else f"THE_{key.upper()}_COLUMN"
    feedback = left[0] if left else "THE_FEEDBACK_COLUMN"
    feedback = feedback if feedback.isidentifier() else f"`{feedback}`"
    lines = [f"{key}: {_scalar(column)}" for key, column in guessed.items()]
    if layout.header is None:
        lines.insert(0, f"columns: [{', '.join(names)}]")
    lines += [
        f'rating: "{feedback}"',
        "threshold: 3    # above it is positive",
        f'# instead of rating: label: "{feedback}" (0 or 1), watch_ratio:, play: and duration:,',
        "# positive: and negative:, or feedback: like - hate (docs/data.md)",
    ]
    return "\n".join("    " + line for line in lines)


def _scalar(text):
    return text if text.isidentifier() else "'" + text.replace("'", "''") + "'"
