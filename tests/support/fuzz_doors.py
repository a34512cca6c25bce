"""The fuzz run's doors behind a finished run: its folder, the Python API, and the grids of sweeps."""

import atexit
import functools
import os
import shutil
import tempfile
import warnings

import dfar_tf
from dfar_tf.commands import metrics
from dfar_tf.estimator.state import TrainingState
from dfar_tf.experiments.cells import cell_hparams, grid_points
from dfar_tf.experiments.report import run_report
from dfar_tf.runs import folder as folders
from dfar_tf.runs.grid import seeds_and_rest
from dfar_tf.runs.run import run_experiment
from dfar_tf.runs.slices import read_slices
from dfar_tf.settings import merge_hparams
from recommenders_utils.checksums import write_checked_json
from recommenders_utils.errors import UserError
from recommenders_utils.synthetic.ratings import generate_ratings

SHAPE = {"users": 40, "items": 20, "records": 400, "positive_share": 0.7, "topics": 6}
# Numbers that have no text of their own, by one that stands for them in a case.
HUGE = {"<10**400>": 10**400, "<-10**5000>": -(10**5000)}
EPOCH = {"epoch": 1, "step": 3, "train_loss": 0.5, "seconds": 1.0, "validation": {"auc": 0.6}}
FILES = (
    *("run.json", "hparams.yaml", "results.json", "checksums.json", "best/model.npz"),
    *("best/model.json", "checkpoints/training_state.json", "slices.csv", "predictions_test.csv"),
)


@functools.lru_cache(None)
def template():
    """A finished run of an untrained model, with the state of a trained one."""
    base = tempfile.mkdtemp(prefix="fuzz-run-")
    atexit.register(shutil.rmtree, base, True)
    ratings, run = os.path.join(base, "SYNTHETIC_x.csv"), os.path.join(base, "run")
    generate_ratings(ratings, seed=1, signal=0.0, **SHAPE)
    given = {"ratings": ratings, "cache_dir": os.path.join(base, "cache"), "model_type": "mostpop"}
    given.update(min_item_records=0, min_user_records=0, paper_column="none", untrained="")
    run_experiment(merge_hparams("amazon", **given), run_dir=run, given=given, echo=False)
    os.makedirs(os.path.join(run, "checkpoints"))
    state = os.path.join(run, "checkpoints", "training_state.json")
    write_checked_json(
        state, {"epochs": [EPOCH], "within": [{"step": 4, "loss": 1.5, "terms": {}}]}
    )
    return run


@functools.lru_cache(None)
def _open_run():
    return dfar_tf.load(template())


def run_folder(inside, out, name, changes, sealed, door):
    """Damages one file of a copy of the run, then opens it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-copy-") as copy:
        run = os.path.join(copy, "run")
        shutil.copytree(template(), run)
        if not sealed:
            for part in ("", "checkpoints"):
                os.unlink(os.path.join(run, part, "checksums.json"))
        path = os.path.join(run, name)
        if os.path.exists(path):
            with open(path, "rb") as stream:
                content = stream.read()
            for change in changes:
                content = _changed(content, *change)
            with open(path, "wb") as stream:
                stream.write(content)
        _DOORS[door](run)


def _changed(content, how, at, piece):
    at = at % (len(content) + 1)
    if how == "cut":
        return content[:at]
    if how == "insert":
        return content[:at] + piece + content[at:]
    if how == "over":
        return content[:at] + piece + content[at + len(piece) :]
    return piece  # in place of all


def _evaluated(run):
    class Options:
        predictions, explain = os.path.join(run, "predictions_test.csv"), False
        hparams = staticmethod(functools.partial(merge_hparams))

    setattr(Options, "as", "ours")
    metrics.run(Options)


def _recommended(run):
    with dfar_tf.load(run) as opened:
        opened.recommend([], k=3)


_DOORS = {
    "open": folders.open_run,
    "record": folders.read_record,
    "results": folders.read_results,
    "synthetic": folders.is_synthetic,
    "slices": read_slices,
    "state": lambda run: TrainingState(os.path.join(run, "checkpoints"), "auc", 3).should_stop(),
    "metrics": _evaluated,
    "recommend": _recommended,
    "report": lambda run: run_report(run, os.path.join(run, "report.html"), say=lambda line: None),
}
DOORS = tuple(_DOORS)


def python(inside, out, method, arguments):
    """Calls a method of an open run with any values."""
    arguments = tuple(map(_made, arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "load":
            dfar_tf.load(*arguments[:1], **{"device": arguments[1]}).close()
        elif method == "recommend":
            _open_run().recommend(arguments[0], k=arguments[1])
        else:
            _open_run().score(*arguments)


def _made(value):
    """The value with the numbers of ``HUGE`` in place of their names."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_made, value))
    return HUGE.get(value, value) if isinstance(value, str) else value


def grid(inside, out, text, seeds, seed):
    """What a sweep makes of its grid and seeds before anything is trained."""
    given = {} if seed is None else {"seed": seed}
    numbers, _ = seeds_and_rest(given, seeds)
    assert len(numbers) >= 1
    points = grid_points(text)
    if not points:
        raise UserError("no point")
    for point in points[:8]:
        cell_hparams("amazon", "gru4rec", {}, 1, **point)
