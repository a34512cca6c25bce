"""Speed and memory on a generated log of Table 1's shape, every ratio measured in one run."""

import itertools
import os
import resource
import sys
import tempfile
import time

import numpy as np
from tqdm import tqdm

from dfar_tf.bench.matrix_rate import executed_products, matrix_rate, padded_products
from dfar_tf.bench.table import RELEASED, step_table
from dfar_tf.estimator.model_fn import (
    apply_gradients,
    apply_model,
    loss_terms,
    make_gradients,
    make_optimizer,
)
from dfar_tf.estimator.session import choose_devices, configure
from dfar_tf.models import make_model
from dfar_tf.paths import in_checkout, shown
from dfar_tf.runs.folder import versions
from recommenders_utils.backend import tf
from recommenders_utils.dataset.preparation import prepare
from recommenders_utils.errors import UserError
from recommenders_utils.files import write_json
from recommenders_utils.io import SequentialIterator
from recommenders_utils.synthetic.ratings import generate_ratings, stand_in_overrides

WARM_UP = 10
IN_MEMORY = 20  # batches that stand in memory where the input pipeline is not to be measured
BLOCK = 10  # steps in a row with the pipeline, then as many without


def run_bench(hparams, steps=60, output=None, command=""):
    """Measures preparation, step time by part, throughput, memory and the shared history's gain.

    Args:
      hparams: the merged hyper-parameters.
      steps: measured steps of each kind.
      output: folder for ``bench.json``; ``results/`` in the checkout if None.
      command: the command line, for the record.

    Returns:
      dict of the figures, as written.

    Raises:
      UserError: ``steps`` is not a positive whole number.
    """
    if not str(steps).isdigit() or int(steps) < 1:
        raise UserError(f"--steps: {steps!r} is not a positive whole number.")
    steps = int(steps)
    print("bench: SYNTHETIC log of Table 1's Amazon shape", flush=True)
    store, prepare_seconds = prepared(hparams)
    iterator = SequentialIterator(store, hparams)
    results = {"prepare_seconds": prepare_seconds, "targets_per_step": hparams.batch_size}
    shared = StepBench(hparams, store, iterator, share_history=True)
    results.update(_parts(shared, iterator, steps))
    results["work"] = _work(shared, hparams, results["seconds"]["step_from_memory"])
    results["test_seconds"] = shared.test_seconds(iterator)
    results["peak_gib"] = peak_gib()
    # Only now, so that the peak above is that of normal training.
    repeated = StepBench(hparams, store, iterator, share_history=False)
    results.update(_shared_against_repeated(shared, repeated, max(steps // 4, 3)))
    table = step_table(results)
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


class StepBench:
    """One graph and session of a model: its forward pass, gradients, whole step and, if wanted, tests."""

    def __init__(self, hparams, store, iterator, share_history, tests=True):
        self.hparams = hparams
        batches = list(itertools.islice(iterator.train_batches(0), IN_MEMORY))
        whole = [batch for batch in batches if len(batch["user"]) == len(batches[0]["user"])]
        self.batch = whole[0]
        stacked = {name: np.stack([batch[name] for batch in whole]) for name in self.batch}
        config, _, _ = choose_devices(hparams.device)
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
            scorer = tf.autograph.experimental.do_not_convert(apply_model)
            constants = {name: tf.constant(value) for name, value in self.batch.items()}
            self.scores = tf.sigmoid(scorer(model, constants, True, share_history)["logits"])
            if tests:
                batches = tf.data.make_initializable_iterator(iterator.eval_dataset("test"))
                self.tests = batches.initializer
                self.test_scores = scorer(model, batches.get_next(), False)["logits"]
            self.config = config
            self.session = tf.Session(config=configure(config, hparams))
            self.session.run(tf.global_variables_initializer())
            self.memory, self.live = self.session.run(handles)

    def _step(self, model, features, share_history):
        outputs = apply_model(model, features, True, share_history)
        terms = loss_terms(model, outputs, features)
        loss = tf.add_n([weight * value for weight, value in terms.values()])
        optimizer = make_optimizer(self.hparams)
        gradients = make_gradients(self.hparams, optimizer, loss, model)
        dense = [getattr(g, "values", g) for g, _ in gradients if g is not None]
        # One number of each: what only a control edge needs is optimised away and not computed.
        self.backward = tf.add_n([tf.reshape(g, [-1])[0] for g in dense])
        self.forward = loss
        self.step = apply_gradients(optimizer, gradients, model)

    def run_live(self):
        """One training step out of the running input pipeline; returns its loss."""
        return float(self.session.run([self.forward, self.step], {self.source: self.live})[0])

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


def prepared(hparams):
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
    batches = endless(iterator)
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


def _work(bench, hparams, seconds):
    """The step beside what its products cost at the machine's matrix rate."""
    rate = matrix_rate(bench.config)
    executed = executed_products(bench.session, bench.step, {bench.source: bench.memory})
    work = {
        "matrix_rate": rate,
        "executed": executed,
        "step_to_executed": seconds / (executed / rate),
    }
    if hparams.model_type == "dfar":
        padded = padded_products(hparams)
        work.update(padded=padded, step_to_padded=seconds / (padded / rate))
    return work


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


def endless(iterator):
    """Training batches, epoch after epoch."""
    epoch = 0
    while True:
        yield from iterator.train_batches(epoch)
        epoch += 1


def peak_gib():
    """The largest the process has been, in GiB, on Linux without what it was before it ran Python."""
    if os.path.exists("/proc/self/status"):  # ru_maxrss begins with that of the parent
        with open("/proc/self/status") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("VmHWM")) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
