"""The attention family at long histories: time and memory against T, H and D, beside the matrix rate.

Letters: B batch, T history, D width, H heads.
"""

import time

import numpy as np
from tqdm import tqdm

from dfar_tf.bench.complexity import KINDS, make_layer
from dfar_tf.bench.matrix_rate import executed_products, matrix_rate
from dfar_tf.estimator.session import choose_devices, configure, cores, on_cpu
from dfar_tf.experiments.results import say_written, write_results
from recommenders_utils.backend import tf
from recommenders_utils.tables import format_table

BATCH = 20  # section 4.1.3, Micro-video
BASE = {"T": 250, "H": 2, "D": 32}
AXES = {"T": (50, 100, 250, 500), "H": (2, 4), "D": (32, 64)}


def bench_attention(hparams, steps=10, output=None, command="", say=print):
    """Measures MHA, THA, FHA and FFHA with H x H maps each, forward and backward.

    MHA and THA get H * H heads, so that all four have equally many maps. FFHA is measured with its
    label mask; FHA and FFHA also with every map computed ("whole maps").

    Args:
      hparams: ``device`` and ``seed``.
      steps: measured runs.
      output: folder of the results.
      command: the command line.
      say: called with each line to print.

    Returns:
      Rows: T, H, D, kind, ms, GFLOP of products, ratio to their time at the matrix rate, peak MiB.
    """
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    rate = matrix_rate(config)
    points = []
    for axis, values in AXES.items():
        points += [{**BASE, axis: value} for value in values if {**BASE, axis: value} not in points]
    rows = []
    for at in tqdm(points, "attention", unit="point", leave=False):
        for name, found in _measure(at, config, hparams, steps).items():
            seconds, products, peak = found
            ratio = seconds / (products / rate)
            rows.append(
                [at["T"], at["H"], at["D"], name, 1e3 * seconds, products / 1e9, ratio, peak]
            )
    headers = ["T", "H", "D", "layer", "ms", "GFLOP", "of matrix rate", "peak MiB"]
    about = {
        "command": command,
        "data": "SYNTHETIC random sequences, half of the labels liked",
        "batch": BATCH,
        "device": "CPU" if on_cpu(config) else "GPU",
        "cores": cores(),
        "matrix rate, GFLOP/s": round(rate / 1e9, 1),
        "synthetic": True,
    }
    shown = [
        [
            *r[:4],
            f"{r[4]:.1f}",
            f"{r[5]:.2f}",
            f"{r[6]:.1f} x",
            "" if r[7] is None else f"{r[7]:.0f}",
        ]
        for r in rows
    ]
    title = (
        f"TensorFlow {tf.__version__}, forward and backward of {BATCH} histories, H x H maps each; "
        f"matrix rate of this machine {rate / 1e9:.0f} GFLOP/s"
    )
    say("\n" + format_table(headers, shown, title, "rrrlrrrr"))
    notes = [
        "peak: the largest memory in use by the tensors of one run, as counted by TensorFlow's "
        "allocator."
    ]
    say_written(
        write_results(
            "bench-attention", headers, rows, about, output, notes, shown_as=(headers, shown)
        ),
        say=say,
    )
    return rows


def _measure(at, config, hparams, steps):
    """{layer: (seconds, floating-point operations of products, peak MiB)}, the layers run in turn."""
    random = np.random.RandomState(hparams.seed)
    inputs = random.normal(size=[BATCH, at["T"], at["D"]]).astype(np.float32)
    labels = random.randint(0, 2, [BATCH, at["T"]])
    with tf.Graph().as_default(), tf.Session(config=configure(config, hparams)) as session:
        place = tf.placeholder(tf.float32, [None, None, at["D"]])
        side = tf.placeholder(tf.int32, [None, None])
        feed, ops = {place: inputs, side: labels}, {}
        for kind in KINDS:
            layer = make_layer(kind, at["H"] ** 2, at["D"])
            arguments = {"labels": side} if kind == "FFHA" else {}
            for whole in (False, True) if kind in ("FHA", "FFHA") else (False,):
                call = tf.autograph.experimental.do_not_convert(layer)
                output = call(place, return_attention_scores=whole, **arguments)
                loss = tf.reduce_sum(tf.square(output[0] if whole else output))
                gradients = tf.gradients(loss, [place, *layer.trainable_weights])
                name = kind + (", whole maps" if whole else "")
                ops[name] = tf.add_n([tf.reduce_sum(g) for g in gradients])
        session.run(tf.global_variables_initializer())
        taken = {name: [] for name in ops}
        for number in range(2 + steps):
            for name, op in ops.items():
                started = time.perf_counter()
                session.run(op, feed)
                if number >= 2:
                    taken[name].append(time.perf_counter() - started)
        return {
            name: (
                float(np.median(taken[name])),
                executed_products(session, op, feed),
                peak_mebibytes(session, op, feed),
            )
            for name, op in ops.items()
        }


def peak_mebibytes(session, op, feed):
    """The most memory alive at a time in one run, by its own record of allocations; None without one."""
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    record = tf.RunMetadata()
    session.run(op, feed, options=options, run_metadata=record)
    changes = []
    for device in record.step_stats.dev_stats:
        for node in device.node_stats:
            for memory in node.memory:
                changes += [
                    (each.alloc_micros, each.alloc_bytes) for each in memory.allocation_records
                ]
    if not changes:
        return None
    changes.sort()
    return float(np.cumsum([size for _, size in changes]).max()) / 2**20
