"""Appendix A.1.5, measured: what MHA, THA, FHA and FFHA cost against T, H and D, in one run.

Letters: B batch, T history, D width, H heads of the layer, R head relations (attention maps).
"""

import time

import numpy as np
from tqdm import tqdm

from dfar_tf.estimator.session import choose_devices
from dfar_tf.experiments.plotting import line, new_figure, save_figure
from dfar_tf.experiments.results import say_written, write_results
from dfar_tf.layers import (
    FactorizationHeadsAttention,
    FeedbackAwareFactorizationHeadsAttention,
    MultiHeadAttention,
    TalkingHeadsAttention,
)
from dfar_tf.runs.folder import versions
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError
from recommenders_utils.tables import format_table

KINDS = ("MHA", "THA", "FHA", "FFHA")
BASE = {"T": 20, "relations": 4, "D": 32}
AXES = {"T": (10, 20, 50, 100), "relations": (4, 16, 64), "D": (32, 64, 128)}
BATCH = 64


def make_layer(kind, relations, width):
    """A layer with this many attention maps: H = R heads for MHA and THA, H = sqrt(R) for FHA and FFHA.

    Every layer's heads are D / H wide, H its own, as the models make them.
    """
    heads = relations if kind in ("MHA", "THA") else round(relations**0.5)
    if kind in ("FHA", "FFHA") and heads**2 != relations:
        raise UserError(f"relations: {relations} is not a square; FHA has H * H of them.")
    sizes = {"num_heads": heads, "key_dim": max(width // heads, 1)}
    made = {
        "MHA": MultiHeadAttention,
        "THA": TalkingHeadsAttention,
        "FHA": FactorizationHeadsAttention,
        "FFHA": FeedbackAwareFactorizationHeadsAttention,
    }
    return made[kind](name=kind.lower(), **sizes)


def multiply_adds(kind, length, relations, width):
    """Multiply-adds of one history, forward: projections, maps, mixes, sums, output (Listings 1-3)."""
    heads = relations if kind in ("MHA", "THA") else round(relations**0.5)
    key = max(width // heads, 1)
    projections = 3 * length * width * heads * key
    maps = 2 * relations * length**2 * key  # logits and weighted values
    mixes = 2 * length**2 * relations**2 if kind == "THA" else 0
    return projections + maps + mixes + length * relations * key * width


def run_complexity(hparams, repeats=20, command="", output=None, say=print):
    """Measures every kind at every point of each axis, in turn, and prints, writes and draws.

    Args:
      hparams: for ``device`` and ``seed``.
      repeats: timed runs of each; the median counts.
      command: the command line.
      output: folder; ``results/`` if None.
      say: called with each line to print.

    Returns:
      Rows of (axis, value, kind, heads, parameters, multiply-adds, forward ms, forward and backward ms,
      ratio to MHA).
    """
    points = [(axis, value) for axis, values in AXES.items() for value in values]
    rows = []
    for axis, value in tqdm(points, desc="points", leave=False):
        at = {**BASE, axis: value}
        measured = _measure(at, hparams, repeats)
        for kind in KINDS:
            forward, both, parameters, heads = measured[kind]
            cost = multiply_adds(kind, at["T"], at["relations"], at["D"])
            row = [axis, value, kind, heads, parameters, cost, forward * 1e3, both * 1e3]
            rows.append([*row, both / measured["MHA"][1]])
    headers = ["axis", "value", "layer", "heads", "parameters", "multiply-adds", "forward ms"]
    headers += ["forward + backward ms", "ratio to MHA"]
    about = {
        "command": command,
        "data": f"random inputs, {BATCH} histories a batch",
        "synthetic": False,
        "base": BASE,
        "seed": hparams.seed,
        "tensorflow": versions()["tensorflow"],
        "equal": "numbers of attention maps: MHA and THA with R heads, FHA and FFHA with sqrt(R)",
    }
    notes = [
        "The paper counts O(1) for what FHA adds to MHA (transposes and reshapes) and O(T h_k h) and "
        "O(T h h_o) a query for THA's two mixes; it prints no times. A head is at least 1 wide."
    ]
    title = (
        f"Appendix A.1.5: attention layers at equal numbers of head relations, {BATCH} histories a batch; "
        f"where not varied T {BASE['T']}, relations {BASE['relations']}, D {BASE['D']}; median of {repeats}"
    )
    say("\n" + format_table(headers, [[*r[:6], *(f"{v:.2f}" for v in r[6:])] for r in rows], title))
    for note in notes:
        say(note)
    base = write_results("complexity", headers, rows, about, output, notes)
    _draw(base, rows, about)
    say_written(base, ("csv", "md", "json", "png", "svg"), say)
    return rows


def _measure(at, hparams, repeats):
    """{kind: (forward s, forward and backward s, parameters, heads)}, the kinds run in turn."""
    config, _, _ = choose_devices(hparams.device.split(",")[0])
    random = np.random.RandomState(hparams.seed)
    inputs = random.normal(size=[BATCH, at["T"], at["D"]]).astype(np.float32)
    labels = random.randint(0, 2, [BATCH, at["T"]])
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        place = tf.placeholder(tf.float32, inputs.shape)
        ops, made = {}, {}
        for kind in KINDS:
            made[kind] = layer = make_layer(kind, at["relations"], at["D"])
            extra = [tf.constant(labels)] if kind == "FFHA" else []
            output = tf.autograph.experimental.do_not_convert(layer)(place, *extra)
            loss = tf.reduce_sum(output)
            gradients = tf.gradients(loss, [place, *layer.trainable_weights])
            ops[kind, "both"] = tf.add_n([tf.reduce_sum(g) for g in gradients])
            ops[kind, "forward"] = loss
        session.run(tf.global_variables_initializer())
        taken = {key: [] for key in ops}
        for number in range(3 + repeats):
            for key, op in ops.items():
                started = time.perf_counter()
                session.run(op, {place: inputs})
                if number >= 3:
                    taken[key].append(time.perf_counter() - started)
    found = {}
    for kind, layer in made.items():
        parameters = sum(int(np.prod(v.shape.as_list())) for v in layer.trainable_weights)
        seconds = [float(np.median(taken[kind, what])) for what in ("forward", "both")]
        found[kind] = (*seconds, parameters, layer.num_heads)
    return found


def _draw(base, rows, about):
    figure, axes = new_figure(len(AXES), 2)
    for column, axis in enumerate(AXES):
        for number, kind in enumerate(KINDS):
            own = [row for row in rows if row[0] == axis and row[2] == kind]
            for place, index in ((0, 7), (1, 5)):
                line(
                    axes[place][column],
                    number,
                    [r[1] for r in own],
                    [r[index] for r in own],
                    label=kind,
                )
        for place, what in ((0, "forward + backward, ms"), (1, "multiply-adds a history")):
            panel = axes[place][column]
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            panel.set_xlabel(axis)
            panel.set_ylabel(what)
    axes[0][0].legend(fontsize=7)
    save_figure(figure, base, about, "Cost of the attentions")
