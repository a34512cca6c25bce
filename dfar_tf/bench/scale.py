"""A log of Micro-video's size: generated, prepared, and trained on for some steps."""

import contextlib
import itertools
import os
import sys
import tempfile
import time

from tqdm import tqdm

from dfar_tf.bench.steps import StepBench, endless, peak_gib
from dfar_tf.experiments.results import say_written, write_results
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.io import SequentialIterator
from recommenders_utils.synthetic.files import generate_like
from recommenders_utils.tables import format_table

MICRO_VIDEO = {
    "rating_min": 0.0,
    "rating_max": 1.0,
    "rating_threshold": 0.5,
    "split": "ratio",
    "tie_order": "file",
    "max_seq_length": 250,
    "batch_size": 20,
    "eval_batch_size": 200,
}
LIMITS = {"prepare, s": 60.0, "prepare, peak GiB": 4.0}


def bench_scale(hparams, steps=2000, output=None, command="", scale=1.0, say=print):
    """Generates a SYNTHETIC log of Micro-video's shape, prepares it and trains ``steps`` steps at T 250.

    Args:
      hparams: the merged hyper-parameters; those that make the log's shape are set here.
      steps: training steps.
      output: folder of the results.
      command: the command line.
      scale: share of the users and items.
      say: called with each line to print.

    Returns:
      dict of the figures.
    """
    hp = hparams.replace(**MICRO_VIDEO)
    found = {}
    with tempfile.TemporaryDirectory(prefix="dfar-bench-") as folder:
        path = os.path.join(folder, "SYNTHETIC.csv")
        with _timed(found, "generate"):
            shape = generate_like("micro_video", path, scale=scale)
        found["file, MiB"] = os.path.getsize(path) / 2**20
        data = hp.replace(cache_dir=folder).data
        with _timed(found, "prepare"):
            store = prepare(path, data, "SYNTHETIC Micro-video shape", True, say)
        os.unlink(path)
        iterator = SequentialIterator(store, hp)
        with _timed(found, "build"):
            bench = StepBench(hp, store, iterator, share_history=True, tests=False)
        losses = []
        with _timed(found, "train"):
            for _ in tqdm(range(steps), "training", unit="step", leave=False):
                losses.append(bench.run_live())
        batches = itertools.islice(endless(iterator), 21)
        next(batches)  # which draws the epoch's order
        started = time.perf_counter()
        made = sum(1 for _ in batches)
        found["input, ms a batch"] = 1e3 * (time.perf_counter() - started) / made
        bench.session.close()
    found["step, ms"] = 1e3 * found["train, s"] / steps
    found["targets a second"] = hp.batch_size * steps / found["train, s"]
    tenth = max(steps // 10, 1)
    found["loss, first tenth"] = float(sum(losses[:tenth]) / tenth)
    found["loss, last tenth"] = float(sum(losses[-tenth:]) / tenth)
    rows = [[name, value, LIMITS.get(name)] for name, value in found.items()]
    headers = ["what", "measured", "limit"]
    about = {
        "command": command,
        "data": "SYNTHETIC, Micro-video's shape (Table 1)",
        "statistics": store.meta["statistics"],
        "shape": shape,
        "steps": steps,
        "model": hp.model_type,
        "synthetic": True,
    }
    shown = [[n, f"{v:,.2f}", "" if limit is None else f"{limit:g}"] for n, v, limit in rows]
    title = (
        f"TensorFlow {tf.__version__}, SYNTHETIC log of Micro-video's shape: {shape['users']:,} users, "
        f"{shape['items']:,} items, {shape['records']:,} records; T 250, batch 20, {steps:,} steps"
    )
    say("\n" + format_table(headers, shown, title, "lrr"))
    say_written(
        write_results("bench-scale", headers, rows, about, output, shown_as=(headers, shown)),
        say=say,
    )
    return found


@contextlib.contextmanager
def _timed(found, name):
    """Seconds of a block, and the process's peak memory in it if the system reports it."""
    resettable = _reset_peak()
    started = time.perf_counter()
    yield
    found[f"{name}, s"] = time.perf_counter() - started
    if resettable:
        found[f"{name}, peak GiB"] = _peak_since_reset()
    else:
        found[f"until {name}, peak GiB"] = peak_gib()


def _reset_peak():
    """Resets the kernel's record of the process's peak memory; False if there is none."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
            stream.write("5")
    except OSError:
        return False
    return True


def _peak_since_reset():
    with open("/proc/self/status", encoding="ascii") as stream:
        line = next(line for line in stream if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20
