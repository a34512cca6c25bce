"""What each speed option does to a step, and what its parts cost: all variants in turn within one run."""

import os
import tempfile

import numpy as np
from tqdm import tqdm

from dfar_tf.bench.steps import IN_MEMORY, StepBench, prepared
from dfar_tf.estimator.session import choose_devices, cores, on_cpu
from dfar_tf.experiments.results import say_written, write_results
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.errors import UserError
from recommenders_utils.io import SequentialIterator
from recommenders_utils.synthetic.files import generate_like
from recommenders_utils.tables import format_table

# Steps before measuring, so many that each batch in memory was seen and XLA compiled for its shape; steps
# in a row of one variant.
WARM_UP, BLOCK = IN_MEMORY, 5
LONG = {"max_seq_length": 250, "batch_size": 20, "split": "ratio", "tie_order": "file"}
LONG_SCALE = 0.03  # of Micro-video's users and items, as many records a user

# What is left of a step without a part: other models, or in the last row hardly any numbers.
PARTS = {
    "no_aggregation": ("without: Eq. 15's hidden layer", {"aggregation_layers": []}),
    "no_norm": ("without: towers' normalisation", {"tower_norm": "none"}),
    "no_tower": ("without: towers' hidden layers but one of 1", {"tower_layers": [1]}),
    "no_numbers": ("without: numbers (2 targets a step)", {"batch_size": 2}),
}


def variants(on_gpu, wanted=None):
    """[(name, hyper-parameters changed)]; the first changes none.

    Args:
      on_gpu: whether there is a GPU, for what needs one.
      wanted: keys of the variants beside the defaults, comma-separated; all of them if None.

    Raises:
      UserError: an unknown key.
    """
    threads = 2 * cores()
    found = {
        "all_positions": ("all T positions", {"length_parts": 0}),
        "parts_3": ("3 parts by length", {"length_parts": 3}),
        "parts_6": ("6 parts by length", {"length_parts": 6}),
        "lazy_adam": ("lazy Adam, another optimiser", {"optimizer": "lazy_adam"}),
        "xla": ("XLA, every shape compiled before", {"xla": True}),
        "xla_all_positions": ("XLA, all T positions", {"xla": True, "length_parts": 0}),
        "one_thread": ("1 thread an operation", {"intra_op_threads": 1}),
        "more_at_once": (f"{threads} operations at a time", {"inter_op_threads": threads}),
        **({"mixed_precision": ("mixed precision", {"mixed_precision": True})} if on_gpu else {}),
        **PARTS,
    }
    keys = list(found) if wanted is None else wanted.split(",")
    unknown = [key for key in keys if key not in found]
    if unknown:
        raise UserError(f"--variants: {unknown[0]!r} is none of {', '.join(found)}.")
    return [("defaults", {}), *[found[key] for key in keys]]


def bench_options(hparams, steps=30, output=None, command="", say=print, wanted=None):
    """Measures the step of each variant on an Amazon-shaped and on a Micro-video-shaped log.

    Args:
      hparams: the merged hyper-parameters.
      steps: measured steps of each variant.
      output: folder of the results.
      command: the command line.
      say: called with each line to print.
      wanted: see ``variants``.

    Returns:
      Rows: shape, variant, median ms of a step, ratio to the defaults.

    Raises:
      UserError: an unknown variant.
    """
    config, _, _ = choose_devices(hparams.device)
    every = variants(not on_cpu(config), wanted)
    device = "CPU" if on_cpu(config) else "GPU"
    title = f"TensorFlow {tf.__version__}, {device}, {cores()} cores, SYNTHETIC log; all in one run"
    headers, rows, shown = ["log", "option", "step, ms", "of the defaults"], [], []
    for shape, hp, store in _logs(hparams):
        iterator = SequentialIterator(store, hp)
        names = [(name, changed) for name, changed in every if set(changed) <= set(hp.values())]
        benches = {}
        for name, changed in tqdm(names, "building", leave=False):
            own = hp.replace(**changed)
            batches = SequentialIterator(store, own) if "batch_size" in changed else iterator
            benches[name] = StepBench(own, store, batches, share_history=True)
        taken = {name: [] for name in benches}
        for number in tqdm(range(-(-(WARM_UP + steps) // BLOCK)), shape, unit="round", leave=False):
            for name, bench in benches.items():
                seconds = [bench.time(bench.step) for _ in range(BLOCK)]
                taken[name] += seconds if number * BLOCK >= WARM_UP else []
        base = np.median(taken["defaults"])
        for name, values in taken.items():
            median = float(np.median(values))
            rows.append([shape, name, 1e3 * median, median / float(base)])
        for bench in benches.values():
            bench.session.close()
        # At once, so that what was measured is not lost if the next log is interrupted.
        found = rows[-len(taken) :]
        shown += [[shape, name, f"{ms:.1f}", f"{ratio:.2f} x"] for shape, name, ms, ratio in found]
        say("\n" + format_table(headers, shown[-len(taken) :], title, "llrr"))
    about = {
        "command": command,
        "data": "SYNTHETIC, Table 1's shapes",
        "model": hparams.model_type,
        "device": device,
        "cores": cores(),
        "synthetic": True,
    }
    notes = [
        "Lazy Adam is not the same optimiser as Adam; every other option changes rounding only.",
        "Without: what a step takes if a part is left out; the rest is another model.",
    ]
    say_written(
        write_results(
            "bench-options", headers, rows, about, output, notes, shown_as=(headers, shown)
        ),
        say=say,
    )
    return rows


def _logs(hparams):
    """(name, hyper-parameters, store) of each shape."""
    store, _ = prepared(hparams)
    yield f"Amazon, T {hparams.max_seq_length}", hparams, store
    with tempfile.TemporaryDirectory(prefix="dfar-bench-") as folder:
        hp, store = long_log(hparams, folder)
        yield f"Micro-video, T {hp.max_seq_length}", hp, store


def long_log(hparams, folder):
    """A SYNTHETIC log of Micro-video's shape at ``LONG_SCALE``, prepared in a folder.

    Returns:
      (hparams with ``LONG``, the ``SequenceStore``).
    """
    hp = hparams.replace(**LONG)
    path = os.path.join(folder, "SYNTHETIC.csv")
    generate_like("micro_video", path, scale=LONG_SCALE, show_progress=False)
    data = hp.replace(
        cache_dir=folder,
        rating_min=0.0,
        rating_max=1.0,
        rating_threshold=0.5,
        core_filter="one_pass",
    ).data
    return hp, prepare(path, data, "SYNTHETIC Micro-video shape", True, lambda line: None)
