"""Top-K lists of many users: chosen, printed, and written as CSV or JSON while they are computed."""

import contextlib
import json
import os
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.objectives import objective_lines
from dfar_tf.paths import shown
from dfar_tf.serving.api import unknown_user
from dfar_tf.serving.recommend import recommend
from recommenders_utils.errors import UserError, shortened
from recommenders_utils.files import atomic_write
from recommenders_utils.reading.text import open_text, readable
from recommenders_utils.tables import counted, format_table

TOGETHER = 4096  # users whose histories are held at a time
PRINTED = 10  # users whose lists are printed
AD_HOC = "(given history)"


def choose_users(run, text):
    """Rows of the users that were requested.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      text: ``all``, a file of one raw id a line (plain or gzip), or raw ids with commas between.

    Returns:
      int64 array of rows of the vocabulary's ``histories``, in the requested order.

    Raises:
      UserError: a user who is not in the run's data, with the file's line; no user at all.
    """
    if text == "all":
        return np.arange(run.vocabulary.histories.num_users)
    of_file = os.path.isfile(text)
    if of_file:
        with readable(text):
            with open(text, "rb") as stream:
                packed = stream.read(2) == b"\x1f\x8b"
            with open_text(text, packed, "utf-8-sig") as stream:
                named = _named(stream)
    else:
        named = _named(text.split(","))
    if not named:
        raise UserError(
            f"--users={text}: no user found; expected raw ids, a file of raw ids, or all."
        )
    rows = run.vocabulary.user_rows([name for _, name in named])
    if (rows < 0).any():
        number, name = named[int(np.argmax(rows < 0))]
        where = f"{text}:{number}" if of_file else "--users"
        raise UserError(f"{where}: {unknown_user(shortened(name), run.vocabulary.histories)}")
    return rows


def _named(names):
    """(number, name) of what is not blank; blank lines cost no memory, however many."""
    return [(number, name.strip()) for number, name in enumerate(names, 1) if name.strip()]


def recommend_lists(run, users=None, history=None, output=None, say=print, titles=None, **options):
    """Recommends, prints the first lists, writes all of them and says how long it took.

    Args:
      run: ``dfar_tf.serving.api.Run``.
      users: what ``choose_users`` takes, or None.
      history: a history's text (see ``Vocabulary.parsed``), or None; one of the two is given.
      output: file for the lists, ``.json`` or ``.csv``; or None.
      say: called with each line to print.
      titles: ``{raw id: title}`` or None.
      **options: ``k``, ``exclude_seen``, ``exclude_disliked`` and ``explain`` of ``recommend``.

    Returns:
      Mean seconds per user.

    Raises:
      UserError: both or neither of users and history; an output of another kind; see ``choose_users``,
        ``recommend``.
    """
    if (users is None) == (history is None):
        raise UserError("--users and --history: give exactly one of the two.")
    if output and not output.endswith((".csv", ".json")):
        raise UserError(
            f"--output={output}: expected a name that ends in .csv or .json. Rename it."
        )
    if history is None:
        rows = choose_users(run, users)
        names = run.vocabulary.histories.user_ids[rows]
        parts = (
            run.vocabulary.stored(rows[start : start + TOGETHER])
            for start in range(0, len(rows), TOGETHER)
        )
    else:
        histories = run.vocabulary.parsed([history])
        names, parts = [AD_HOC], [histories]
        if histories.unknown_items[0]:
            left = counted(int(histories.unknown_items[0]), "record")
            say(f"{left} left out: the run's data do not have the item")
    for line in objective_lines(run.hparams):
        say(line)
    run.scorer.warm_up(options.get("explain"))
    written, begun = _writer(output, run, options), time.perf_counter()
    count, seconds = 0, 0.0
    with written as write, _bar(run, len(names)) as bar:
        for part in parts:
            for found in recommend(run, part, titles=titles, **options):
                name = str(names[count])
                if count < PRINTED:
                    with bar.external_write_mode():
                        say("\n" + as_text(run, name, found))
                write(name, found)
                count, seconds = count + 1, seconds + found.seconds
                bar.update()
    if count > PRINTED:
        rest = f"in {shown(output)}" if output else "not written: give --output=FILE for them"
        more = count - PRINTED
        who = "the list of 1 more user is" if more == 1 else f"the lists of {more:,} more users are"
        say(f"\n{who} {rest}")
    took = time.perf_counter() - begun
    say(
        f"\n{counted(count, 'user')}, {run.store.num_items:,} items: "
        f"{1000 * seconds / count:.2f} ms per user to encode, score and rank; {took:.2f} s in all"
    )
    return seconds / count


def as_text(run, name, found):
    """One list as a table for a terminal."""
    frame = found.items.drop(columns="because", errors="ignore")
    title = f"{_data(run)}, {run.hparams.model_type}: best {len(frame)} for {name}"
    text = format_table(list(frame.columns), frame.to_numpy().tolist(), title)
    if "because" in found.items:
        text += "\n\nwhy (the change of the logit that each record brings):"
        for rank, why in zip(found.items["rank"], found.items["because"]):
            text += f"\n{rank:>4}. " + why
    if found.head_groups:
        rows = [
            [pair, each["attention"], each["pairs"]] for pair, each in found.head_groups.items()
        ]
        text += "\n\n" + format_table(("query > key", "attention", "share of pairs"), rows)
    return text


def _data(run):
    name, synthetic = run.store.meta["name"], run.store.meta["synthetic"]
    return name + " (SYNTHETIC)" if synthetic and "SYNTHETIC" not in name else name


def _bar(run, total):
    shown = run.hparams.show_progress and total > PRINTED
    return tqdm(total=total, desc="recommending", unit=" users", disable=not shown)


@contextlib.contextmanager
def _writer(output, run, options):
    """Yields a function that adds a user's list to the file; the file is complete or absent."""
    if output is None:
        yield lambda name, found: None
        return
    with atomic_write(output, newline="") as stream:
        if output.endswith(".csv"):
            yield _csv_rows(stream, run)
            return
        about = {
            "data": _data(run),
            "synthetic": run.store.meta["synthetic"],
            "model": run.hparams.model_type,
            "catalogue": run.store.num_items,
            **options,
        }
        stream.write(json.dumps(about, indent=2)[:-2] + ',\n  "users": [')
        yield _json_rows(stream)
        stream.write("\n  ]\n}\n")


def _csv_rows(stream, run):
    synthetic = {"synthetic": "SYNTHETIC"} if run.store.meta["synthetic"] else {}

    def write(name, found):
        frame = found.items.assign(**synthetic)
        frame.insert(0, "user", name)
        frame.to_csv(stream, index=False, header=not stream.tell())

    return write


def _json_rows(stream):
    separator = [""]

    def write(name, found):
        one = {"user": name, "seconds": found.seconds}
        if found.head_groups:
            one["head_groups"] = found.head_groups
        # By pandas, which writes NaN (of a feedback that the history has no record of) as null.
        one["items"] = json.loads(found.items.to_json(orient="records", double_precision=15))
        stream.write(separator[0] + "\n    " + json.dumps(one))
        separator[0] = ","

    return write
