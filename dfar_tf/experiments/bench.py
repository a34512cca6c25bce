"""Speed and memory on a generated log of Table 1's shape, every ratio measured in one run."""

import itertools
import os
import resource
import sys
import tempfile
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.estimator.devices import choose_devices
from dfar_tf.estimator.model_fn import apply_model, loss_terms, make_train_op
from dfar_tf.experiments.run_folder import versions
from dfar_tf.experiments.tables import format_table
from dfar_tf.models import make_model
from dfar_tf.paths import in_checkout, shown
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.dataset.synthetic import generate_ratings, stand_in_overrides
from recommenders_utils.errors import UserError
from recommenders_utils.files import write_json
from recommenders_utils.io import SequentialIterator

# Recorded once from the released code on a log of this shape: TensorFlow 1.15.0, two CPU cores,
# batch 200, 9 negatives, T 20, D 32, H 2. Not measured by this command.
RELEASED = {
    "targets_per_second": 251,
    "prepare_seconds": 7.0,
    "peak_gib": 1.7,
    "test_seconds": 10.0,
}
WARM_UP = 10
IN_MEMORY = 20  # batches that stand in memory where the input pipeline is not to be measured
BLOCK = 10  # steps in a row with the pipeline, then as many without


def run_bench(hparams, steps=60, output=None, command=""):
    """Measures preparation, step time by part, throughput, memory and the shared history's gain.

    Args:
      hparams: the merged hyper-parameters.
      steps: measured steps of each kind.
      output: folder for ``bench.json``; ``results/`` in the checkout if None.
      command: what the person typed, for the record.

    Returns:
      dict of the figures, as written.

    Raises:
      UserError: ``steps`` is not a positive whole number.
    """
    if not str(steps).isdigit() or int(steps) < 1:
        raise UserError(f"--steps: {steps!r} is not a positive whole number.")
    steps = int(steps)
    print("bench: SYNTHETIC log of Table 1's Amazon shape", flush=True)
    store, prepare_seconds = _prepared(hparams)
    iterator = SequentialIterator(store, hparams)
    results = {"prepare_seconds": prepare_seconds, "targets_per_step": hparams.batch_size}
    shared = _Bench(hparams, store, iterator, share_history=True)
    results.update(_parts(shared, iterator, steps))
    results["test_seconds"] = shared.test_seconds(iterator)
    results["peak_gib"] = _peak_gib()
    # Only now, so that the peak above is that of training as it is done.
    repeated = _Bench(hparams, store, iterator, share_history=False)
    results.update(_shared_against_repeated(shared, repeated, max(steps // 4, 3)))
    table = _table(results)
    print("\n" + table)
    folder = output or in_checkout("results")
    path = os.path.join(folder, "bench.json")
    record = {
        "command": command,
        "data": "SYNTHETIC, Table 1's Amazon shape",
        "statistics": store.meta["statistics"],
        "hparams": hparams.to_dict(),
        "versions": versions(),
        "cores": os.cpu_count(),
        "released_recorded": RELEASED,
        "results": results,
    }
    write_json(path, record)
    print(f"\nwritten: {shown(path)}")
    return results


class _Bench:
    """One graph and session of a model: its forward pass, gradients and whole step."""

    def __init__(self, hparams, store, iterator, share_history):
        self.hparams = hparams
        batches = list(itertools.islice(iterator.train_batches(0), IN_MEMORY))
        whole = [batch for batch in batches if len(batch["user"]) == len(batches[0]["user"])]
        self.batch = whole[0]
        stacked = {name: np.stack([batch[name] for batch in whole]) for name in self.batch}
        config, _, _ = choose_devices(hparams.device, lambda line: None)
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.set_random_seed(hparams.seed)
            tf.train.create_global_step()
            model = make_model(hparams, store.num_items, store.num_users)
            memory = tf.data.Dataset.from_tensor_slices(stacked).repeat().prefetch(4)
            sources = [memory, iterator.train_dataset()]
            handles = [tf.data.make_one_shot_iterator(s).string_handle() for s in sources]
            # One graph for both: a second one would run the first one's moving averages too.
            self.source = tf.placeholder(tf.string, [])
            features = tf.data.Iterator.from_string_handle(
                self.source,
                tf.data.get_output_types(sources[1]),
                tf.data.get_output_shapes(sources[1]),
            ).get_next()
            tf.autograph.experimental.do_not_convert(self._step)(model, features, share_history)
            tests = tf.data.make_initializable_iterator(iterator.eval_dataset("test"))
            self.tests = tests.initializer
            scorer = tf.autograph.experimental.do_not_convert(apply_model)
            constants = {name: tf.constant(value) for name, value in self.batch.items()}
            self.scores = tf.sigmoid(scorer(model, constants, True, share_history)["logits"])
            self.test_scores = scorer(model, tests.get_next(), False)["logits"]
            self.session = tf.Session(config=config)
            self.session.run(tf.global_variables_initializer())
            self.memory, self.live = self.session.run(handles)

    def _step(self, model, features, share_history):
        outputs = apply_model(model, features, True, share_history)
        terms = loss_terms(model, outputs, features)
        loss = tf.add_n([weight * value for weight, value in terms.values()])
        gradients = [g for g in tf.gradients(loss, model.trainable_weights) if g is not None]
        dense = [getattr(g, "values", g) for g in gradients]
        # One number of each: what only hangs on a control edge is optimised away and not computed.
        self.backward = tf.add_n([tf.reshape(g, [-1])[0] for g in dense])
        self.forward = loss
        self.step = make_train_op(self.hparams, loss, model)

    def time(self, op, live=False):
        """Seconds of one run, on batches in memory or out of the running input pipeline."""
        source = self.live if live else self.memory
        started = time.perf_counter()
        self.session.run(op, {self.source: source})
        return time.perf_counter() - started

    def test_seconds(self, iterator):
        """Seconds to score the whole test split, after one warm-up."""
        for _ in range(2):
            started = time.perf_counter()
            self.session.run(self.tests)
            for _ in iterator.eval_batches("test"):
                self.session.run(self.test_scores)
        return time.perf_counter() - started


def _prepared(hparams):
    """The generated log, prepared in a fresh folder, and how long reading and preparing took."""
    folder = tempfile.TemporaryDirectory(prefix="dfar-bench-")
    path = os.path.join(folder.name, "SYNTHETIC.csv")
    generate_ratings(path)
    cache = os.path.join(folder.name, "prepared")
    data = hparams.replace(cache_dir=cache, **stand_in_overrides()).data
    started = time.perf_counter()
    store = prepare(path, data, "SYNTHETIC Table 1 shape", True, lambda line: None)
    seconds = time.perf_counter() - started
    store.temporary_folder = folder  # kept as long as the memory-mapped arrays are
    return store, seconds


def _parts(bench, iterator, steps):
    """Median seconds of input, forward, backward, optimiser; each kind in turn, round by round."""
    kinds = ("forward", "backward", "step")
    taken = {kind: [] for kind in (*kinds, "input")}
    batches = _endless(iterator)
    for number in tqdm(range(WARM_UP + steps), desc="step by part", unit="round", leave=False):
        for kind in kinds:
            seconds = bench.time(getattr(bench, kind))
            if number >= WARM_UP:
                taken[kind].append(seconds)
        started = time.perf_counter()
        next(batches)
        taken["input"].append(time.perf_counter() - started)
    medians = {kind: float(np.median(values)) for kind, values in taken.items()}
    live, memory = [], []
    for _ in tqdm(range(-(-steps // BLOCK)), desc="training", unit="block", leave=False):
        memory += [bench.time(bench.step) for _ in range(BLOCK)]
        live += [bench.time(bench.step, live=True) for _ in range(BLOCK)]
    return {
        "seconds": {
            "forward": medians["forward"],
            "backward": max(medians["backward"] - medians["forward"], 0.0),
            "optimiser": max(medians["step"] - medians["backward"], 0.0),
            "input": medians["input"],
            "step_from_memory": float(np.median(memory)),
            "step_with_input": float(np.median(live)),
        },
        "input_share": medians["input"] / float(np.median(live)),
        "input_stall": float(np.median(live) / np.median(memory) - 1),
        "targets_per_second": len(bench.batch["user"]) * len(live) / sum(live),
    }


def _shared_against_repeated(shared, repeated, rounds):
    """The same step with the history encoded once an instance, and once a candidate, in turn."""
    with repeated.graph.as_default():
        variables = {v.op.name: v for v in tf.trainable_variables()}
        feeds = {name: tf.placeholder(v.dtype.base_dtype, v.shape) for name, v in variables.items()}
        assign = tf.group(*[tf.assign(variables[name], feeds[name]) for name in variables])
    with shared.graph.as_default():
        values = shared.session.run({v.op.name: v for v in tf.trainable_variables()})
    repeated.session.run(assign, {feeds[name]: values[name] for name in feeds})
    difference = np.abs(shared.session.run(shared.scores) - repeated.session.run(repeated.scores))
    taken = {"shared": [], "repeated": []}
    for number in tqdm(range(2 + rounds), desc="shared against repeated", leave=False):
        for name, bench in (("shared", shared), ("repeated", repeated)):
            seconds = bench.time(bench.step)
            if number >= 2:
                taken[name].append(seconds)
    ratios = np.array(taken["repeated"]) / np.array(taken["shared"])
    return {
        "share_history": {
            "shared_seconds": float(np.median(taken["shared"])),
            "repeated_seconds": float(np.median(taken["repeated"])),
            "ratio": float(np.median(ratios)),
            "largest_score_difference": float(difference.max()),
        }
    }


def _table(results):
    seconds, ab = results["seconds"], results["share_history"]
    rate, recorded = results["targets_per_second"], RELEASED

    def times(value):
        return f"{value:.1f} x"

    rows = [
        ["preparation, reading included", f"{results['prepare_seconds']:.2f} s",
         times(recorded["prepare_seconds"] / results["prepare_seconds"])],
        ["step: forward", f"{seconds['forward'] * 1e3:.1f} ms", ""],
        ["step: backward", f"{seconds['backward'] * 1e3:.1f} ms", ""],
        ["step: optimiser", f"{seconds['optimiser'] * 1e3:.1f} ms", ""],
        ["step, batches in memory", f"{seconds['step_from_memory'] * 1e3:.1f} ms", ""],
        ["step, input pipeline running", f"{seconds['step_with_input'] * 1e3:.1f} ms",
         f"{results['input_stall']:+.1%} of a step"],
        ["input: making a batch (beside the step)", f"{seconds['input'] * 1e3:.2f} ms",
         f"{results['input_share']:.1%} of a step"],
        ["training", f"{rate:,.0f} targets/s", times(rate / recorded["targets_per_second"])],
        ["test pass", f"{results['test_seconds']:.2f} s",
         times(recorded["test_seconds"] / results["test_seconds"])],
        ["peak memory, training", f"{results['peak_gib']:.2f} GiB",
         times(recorded["peak_gib"] / results["peak_gib"])],
        ["step, history encoded once", f"{ab['shared_seconds'] * 1e3:.1f} ms", ""],
        ["step, history encoded per candidate", f"{ab['repeated_seconds'] * 1e3:.1f} ms",
         times(ab["ratio"]) + " slower"],
        ["largest difference of their scores", f"{ab['largest_score_difference']:.1e}", ""],
    ]  # fmt: skip
    title = (
        f"TensorFlow {tf.__version__}, {os.cpu_count()} cores, SYNTHETIC log of Table 1's shape, "
        f"{results['targets_per_step']} targets a step\n"
        "released: ratio to figures recorded once from the released code (251 targets/s, 7 s, "
        "10 s, 1.7 GB on two cores under TensorFlow 1.15.0), not measured by this command"
    )
    return format_table(["what", "measured", "ratio to released"], rows, title, "lrr")


def _endless(iterator):
    epoch = 0
    while True:
        yield from iterator.train_batches(epoch)
        epoch += 1


def _peak_gib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
