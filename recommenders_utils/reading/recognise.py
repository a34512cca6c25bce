"""Which form a log is read with: the one the user names, the one its columns fit, or that of ratings."""

from typing import Any, Optional, Tuple

from recommenders_utils.errors import UserError, shortened
from recommenders_utils.reading.adapters import adapter_files, adapter_from, load_adapter, path_of
from recommenders_utils.reading.layout import EXAMPLE, SPELLINGS, by_spelling, detect
from recommenders_utils.reading.suggestion import ROLES, column_named, example, quoted

# Feedback by the common names of its columns, and an adapter's keys, the first of which get the
# columns found; the first kind that a file has counts.
_LIKE, _HATE = "like islike liked", "hate ishate dislike isdislike"
_PLAY = "playtimems playduration playtime play watchtime"
_DURATION = "durationms videoduration duration"
_FEEDBACK = (
    (("label click isclick clicked",), {"label": None}),
    ((_LIKE, _HATE), {"positive": None, "negative": None}),
    (("rating ratings score stars overall",), {"rating": None}),
    (("watchratio",), {"watch_ratio": None, "threshold": 0.5}),
    ((_PLAY, _DURATION), {"play": None, "duration": None, "threshold": 0.5}),
)
RECOGNISED = "common names"
_RATINGS = adapter_from(
    {**ROLES, "rating": "rating", "forms": [{}, {"columns": list(SPELLINGS)}]},
    "ratings",
    "built in",
)
for _form in _RATINGS.forms:
    _form.built_in = True


def ratings(path: str) -> Tuple[Any, Any]:
    """The layout of a ratings file and the form it is read with, which is built in.

    Columns are found by name (user_id, item_id, rating, timestamp or a common spelling such as
    reviewerID, asin, overall, unixReviewTime; RecBole's ``name:type`` too); without a header they are
    user, item, rating, time.

    Returns:
      (Layout, Form).

    Raises:
      UserError: columns that cannot be told; see ``detect``.
    """
    layout = detect(path)
    for form in _RATINGS.forms:
        if form.fits(layout):
            return layout, form
    if layout.header is None:
        raise UserError(
            f"{path}:{layout.first_line}: no header, and {layout.width} columns: "
            f"{shortened(str(layout.samples[0]), 400)}; without a header expected exactly user, item, "
            f"rating, time; add a header line such as {EXAMPLE}"
        )
    found = by_spelling(layout.header)
    missing = [role for role in SPELLINGS if role not in found]
    also = "; ".join(f"{role}: {', '.join(SPELLINGS[role].split()[:6])}" for role in missing)
    raise UserError(
        f"{path}:{layout.header_line}: no column for {', '.join(missing)} among "
        f"{shortened(str(layout.header), 400)}; expected a header such as {EXAMPLE} (also understood "
        f"for {also}), or no header and exactly the columns user, item, rating, time"
    )


def choose(path: str, named: Optional[str], folder: str) -> Tuple[Any, ...]:
    """The layout of a log and the form it is read with.

    Args:
      path: the log.
      named: an adapter's name, a path of one (with a ``/`` or ending in .yaml or .yml), or None: the
        adapter whose columns the file has, else columns by their common names.
      folder: where adapters are found by name.

    Returns:
      (Layout, Form, Adapter).

    Raises:
      UserError: no such adapter; none fits or several do; the file lacks columns of the one named,
        with the columns found and an example to write.
    """
    adapter = load_adapter(path_of(named, folder)) if named else None
    told = adapter and len(adapter.forms) == 1 and adapter.forms[0].keys.get("delimiter")
    layout = detect(path, told or None)
    if adapter:
        for form in adapter.forms:
            if form.fits(layout):
                return layout, form, adapter
        raise UserError(_misfit(adapter, layout, folder))
    adapters, fitting = _fitting(layout, folder)
    if len(fitting) > 1:
        flags = " or ".join(f"--adapter={name}" for name in fitting)
        raise UserError(f"{path}: its columns fit several adapters; choose one with {flags}")
    if fitting:
        return fitting.popitem()[1]
    common = _by_common_names(layout)
    if common is not None:
        adapter = adapter_from(common, RECOGNISED, path)
        return layout, adapter.forms[0], adapter
    raise UserError(_unknown(layout, adapters))


def _fitting(layout, folder):
    """The adapters of a folder, and what ``choose`` returns for each of them that a file fits, by name.

    Where one needs all the columns that another does and more, the other is out.
    """
    adapters = [load_adapter(file) for file in adapter_files(folder)]
    found = {
        adapter.name: (layout, form, adapter)
        for adapter in adapters
        for form in reversed(adapter.forms)
        if adapter.recognises(form, layout)
    }
    marks = {name: adapter.marks(form) for name, (_, form, adapter) in found.items()}
    for name, mine in marks.items():
        if any(mine < others for others in marks.values()):
            del found[name]
    return adapters, found


def _by_common_names(layout):
    """An adapter's keys from the columns' common names, or None."""
    keys = {key: column_named(layout, SPELLINGS[role]) for key, role in ROLES.items()}
    if None in keys.values():
        return None
    for groups, made in _FEEDBACK:
        columns = [column_named(layout, names) for names in groups]
        if None not in columns:
            expressions = map(quoted, columns)
            return {**keys, **made, **dict(zip(made, expressions))}
    return None


def _misfit(adapter, layout, folder):
    wanted = "; or ".join(
        "no header and " + ", ".join(form.columns)
        if form.columns
        else "a header with " + ", ".join(form.needed())
        for form in adapter.forms
    )
    cure, fitting = "Name another adapter, or write one", _fitting(layout, folder)[1]
    if len(fitting) == 1:
        cure = f"Leave --adapter out: they fit {next(iter(fitting))}. Or write one"
    elif not fitting and _by_common_names(layout):
        keys = _by_common_names(layout).items()
        read = ", ".join(f"{key} {value}" for key, value in keys if isinstance(value, str))
        cure = f"Leave --adapter out: they are read by their names ({read}). Or write one"
    return (
        f"{layout.path}: adapter {adapter.name} ({adapter.path}) expects {wanted}. The columns found: "
        f"{layout.found()}. {cure}:\n{example(layout)}"
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
        f"{layout.path}: no known adapter fits it. Its columns: {layout.found()}."
        f"{named} an adapter such as my.yaml and give it with --adapter=my.yaml:\n{example(layout)}"
    )
