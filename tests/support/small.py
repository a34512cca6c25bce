"""Small whole runs for the tests, through the command line's ``main``; each is made once a session."""

import collections
import contextlib
import functools
import gzip
import io
import os
import signal

import pandas as pd

from dfar_tf.__main__ import run
from recommenders_utils.synthetic.ratings import generate_ratings

# Dense enough that a small DFAR learns what is planted in seconds: next items follow from the last
# few items *and* their labels.
SHAPE = {"users": 400, "items": 60, "records": 6000, "positive_share": 0.7, "topics": 10}
EPOCHS = 12
MODEL = (
    "--min_item_records=0",
    "--min_user_records=0",
    "--train_targets=positive",
    "--max_seq_length=4",
    "--hidden_size=16",
    "--tower_layers=32",
    "--init_stddev=0.2",
    "--learning_rate=0.01",
    "--batch_size=100",
    "--EARLY_STOP=100",
    "--device=cpu",
    "--paper_column=none",
    "--show_progress=false",
)
TRAIN = (*MODEL, f"--epochs={EPOCHS}", "--seed=1")

_made = {}

Outcome = collections.namedtuple("Outcome", "status out err")
Run = collections.namedtuple("Run", "folder flags arguments outcome")


def once(make):
    """Calls ``make(tmp_path_factory)`` once a session and keeps what it gave."""

    @functools.wraps(make)
    def kept(factory):
        if make not in _made:
            _made[make] = make(factory)
        return _made[make]

    return kept


def call(*arguments):
    """Runs a command in this process; returns (status, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(list(map(str, arguments)))
    finally:
        signal.signal(signal.SIGTERM, before)
    return Outcome(status, out.getvalue(), err.getvalue())


def flags_of(arguments):
    """``{name: text}`` of ``--name=text`` arguments."""
    return dict(argument[2:].split("=", 1) for argument in arguments)


def tree(folder):
    """All files and folders below a folder, with their sizes: what a failure must not change."""
    return {
        os.path.relpath(os.path.join(at, name), str(folder)): os.path.getsize(
            os.path.join(at, name)
        )
        for at, folders, files in os.walk(str(folder))
        for name in folders + files
        if name in files or not os.listdir(os.path.join(at, name))
    }


def results_in(folder, ending=""):
    """Names of a folder's results, not of the links to the newest."""
    names = sorted(name for name in os.listdir(str(folder)) if name.endswith(ending))
    return [name for name in names if not os.path.islink(os.path.join(str(folder), name))]


@once
def cache_dir(factory):
    """The folder of prepared data that the session's runs share."""
    return factory.mktemp("prepared")


@once
def ratings_file(factory):
    """The generated log with the planted signal."""
    path = factory.mktemp("ratings") / "SYNTHETIC_small.csv"
    generate_ratings(str(path), seed=1, **SHAPE)
    return path


@once
def house_file(factory):
    """A log without signal, in another dress: TSV, gzip, a header in RecBole's way, other order."""
    folder = factory.mktemp("house")
    generate_ratings(str(folder / "plain.csv"), seed=1, signal=0.0, **SHAPE)
    frame = pd.read_csv(str(folder / "plain.csv"), header=None)
    # It plays a person's own log, so that nothing in it or about it may say SYNTHETIC.
    frame[0], frame[1] = frame[0].str.replace("SYNU", "u"), frame[1].str.replace("SYNI", "film ")
    columns = {3: "timestamp:float", 1: "item_id:token", 2: "rating:float", 0: "user_id:token"}
    frame = frame[list(columns)].rename(columns=columns)
    with gzip.open(str(folder / "house log.tsv.gz"), "wt") as stream:
        frame.to_csv(stream, sep="\t", index=False)
    (folder / "plain.csv").unlink()
    return folder / "house log.tsv.gz"


@once
def learnt_run(factory):
    """DFAR on the planted signal, long enough to learn it."""
    return _run(factory, ratings_file(factory), *TRAIN)


@once
def other_run(factory):
    """Another model on the same log: other seed, width and ablation, one epoch."""
    learnt_run(factory)  # which prepares the data
    flags = ("--seed=8", "--epochs=1", "--hidden_size=8", "--ablation=fha")
    return _run(factory, ratings_file(factory), *MODEL, *flags)


@once
def chance_run(factory):
    """The very same training on a log that has nothing to teach."""
    return _run(factory, house_file(factory), *TRAIN)


def _run(factory, ratings, *flags):
    folder = factory.mktemp("runs") / "a run"
    arguments = (
        "amazon",
        f"--ratings={ratings}",
        f"--cache_dir={cache_dir(factory)}",
        f"--run_dir={folder}",
        *flags,
    )
    outcome = call(*arguments)
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    return Run(folder, flags_of(arguments[1:]), arguments, outcome)
