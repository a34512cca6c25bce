"""Results: one table printed, and as CSV, Markdown and JSON, each with a description of its data."""

import hashlib
import json
import os
import shutil

from dfar_tf.experiments.plotting import save_figure
from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import versions
from dfar_tf.runs.tables import describe_protocol
from recommenders_utils.files import atomic_write, slug, together, write_json
from recommenders_utils.tables import format_table, to_csv, to_markdown


def about_data(command, hparams, store, **more):
    """The description of a table, for ``write_results``.

    Args:
      command: the command line.
      hparams: of one of the runs, for the protocol and the settings they share.
      store: the data.
      **more: entries that override or follow.

    Returns:
      dict: command, data, synthetic, protocol, data_fingerprint, loss, settings and ``more``.
    """
    protocol = {**hparams.to_dict()["data"], **store.meta["protocol"], "ties": hparams.ties}
    return {
        "command": command,
        "data": store.meta["name"],
        "synthetic": bool(store.meta["synthetic"]),
        "protocol": describe_protocol(protocol),
        "data_fingerprint": store.meta["fingerprint"],
        "loss": hparams.loss,
        "settings": f"{hparams.optimizer}, learning rate {hparams.learning_rate:g}, width "
        f"{hparams.hidden_size}, batch {hparams.batch_size}, embed_l2 {hparams.embed_l2:g}, "
        f"init_stddev {hparams.init_stddev:g}",
        "stopping": f"{hparams.EARLY_STOP} epochs without a better validation {hparams.early_stop_metric}, "
        f"counted from {hparams.patience_from:g} on; at most {hparams.epochs} epochs",
        **more,
    }


def file_name(*words, synthetic=False):
    """``table2-toys-log-loss``: words joined for a result's name, SYNTHETIC at its end if it is."""
    return "-".join(map(slug, words)) + ("-SYNTHETIC" if synthetic else "")


def asked_name(name, asked):
    """A result's name with a digest of what was asked, so that another question has other files."""
    text = json.dumps(asked, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    stem, mark = name, ""
    if name.endswith("-SYNTHETIC"):
        stem, mark = name[: -len("-SYNTHETIC")], "-SYNTHETIC"
    return f"{stem}-{digest}{mark}"


def link_newest(base, name, endings):
    """Makes ``<name>.<ending>`` beside a result's files a link to them: the newest of its kind."""
    for ending in endings:
        target = f"{base}.{ending}"
        link = os.path.join(os.path.dirname(base), f"{name}.{ending}")
        fresh = f"{link}.tmp-{os.getpid()}"
        try:
            os.symlink(os.path.basename(target), fresh)
        except OSError:  # a disk or a system without links
            shutil.copyfile(target, fresh)
        os.replace(fresh, link)


def heading(what, about):
    """Title of a printed table: what it is, its data, protocol, settings."""
    data = about["data"] + (" - SYNTHETIC data" if about["synthetic"] else "")
    lines = [f"{what} on {data}; loss {about['loss']}", about["protocol"]]
    return "\n".join([*lines, f"{about['settings']}; {about['stopping']}"])


SYNTHETIC_NOTE = "SYNTHETIC data: these results say nothing about the models on real data."


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


def say_written(base, endings=("csv", "md", "json"), say=print):
    """Prints where the files of one name are."""
    say(f"\nwritten: {shown(base)}." + ", .".join(endings))


def publish(
    name,
    title,
    about,
    table,
    printed=None,
    markdown=None,
    align=None,
    footer=(),
    notes=(),
    record=None,
    draw=None,
    output=None,
    before="\n",
    say=print,
    asked=None,
):
    """Prints a table with its notes, writes its files and its figure, and says where they are.

    Args:
      name: of the files, to which a digest of what was asked is added; the name without it is a link to the
        newest.
      title: above the printed table.
      about: as ``write_results`` takes it.
      table: (headers, rows) with numbers as numbers.
      printed: (headers, rows) to print if they are not the same.
      markdown: (headers, rows) of the Markdown table if they are not ``table``'s.
      align: of the printed columns (see ``format_table``).
      footer: lines right below the printed table, in no file.
      notes: lines below the table, printed and written.
      record: what else goes into the JSON.
      draw: makes a figure; no figure if None.
      output: folder; ``results/`` in the checkout if None.
      before: printed before the title.
      say: called with each line to print.
      asked: JSON-able, what the result is the answer to; ``about`` without the command if None.
    """
    if asked is None:
        asked = {key: value for key, value in about.items() if key != "command"}
    say(before + format_table(*(printed or table), title, align))
    if footer or notes:
        say("\n" + "\n".join(footer) if footer else "")
    for note in notes:
        say(note)
    own = asked_name(name, asked)
    endings = ("csv", "md", "json", *(("png", "svg") if draw else ()))
    with together():
        base = write_results(own, *table, about, output, notes, record, markdown)
        if draw:
            save_figure(draw(), base, about, title)
    link_newest(base, name, endings)
    say_written(base, endings, say)
