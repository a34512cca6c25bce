"""Every model there is, found by name, with its options: small, in a graph, with random weights."""

import dfar_case
import numpy as np
import pytest
from dfar_case import Case, model_hparams
from graph import Bench, close, random_values

from dfar_tf.estimator.model_fn import loss_terms
from dfar_tf.estimator.scoring import assign, short_name
from dfar_tf.models import model_names
from recommenders_utils.backend import tf
from recommenders_utils.errors import UserError

# DFAR with every kind of layer: FFHA, FHA, layer norms, batch norms, positions, aggregation, towers.
WHOLE_DFAR = {"encoder_block": "transformer", "position_embedding": True, "num_heads": 4}
# Beside the defaults and the options that ``options_of`` finds.
MORE = {"dfar": [WHOLE_DFAR], "dfar_released": [{"lambda_bpr": 0.1}]}


def options_of(name):
    """Hyper-parameters to test a model with: its defaults, each ``feedback_input``, ``released_form``."""
    try:
        schema = model_hparams(name).schema
    except UserError:  # which test_every_model_is_described reports
        return [{}]
    found = [{}]
    if "feedback_input" in schema:
        default = model_hparams(name).feedback_input
        choices = schema["feedback_input"].choices
        found += [{"feedback_input": choice} for choice in choices if choice != default]
    if "released_form" in schema:
        found.append({"released_form": True})
    return found + MORE.get(name, [])


def label(case):
    """``caser`` or ``caser:positive_only``: a case as tests and recorded files name it."""
    name, options = case
    words = [key if value is True else f"{value}" for key, value in options.items()]
    return ":".join([name, *words])


def cases():
    """(name, options) of every model with each of its options."""
    return [(name, options) for name in model_names() for options in options_of(name)]


def recorded_cases():
    """The cases worth a checkpoint in tests/support/data: every model, and every released form."""
    return [
        (name, options)
        for name, options in cases()
        if (options == {} and name != "dfar") or options in (WHOLE_DFAR, {"released_form": True})
    ]


def each_model():
    """Every model, for the heavy tests: SASRec's relatives, which share its encoder, are ``slow``."""
    slow = ("esasrec", "gsasrec", "tha4rec")
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in slow else [])
        for name in model_names()
    ]


def stem(case):
    """The name of a recorded case's files in tests/support/data."""
    name, options = case
    return "_".join([name] + ["released_form"] * ("released_form" in options))


def small_hparams(name, options):
    """Small, without dropout and without the penalty on embeddings, which reaches every row."""
    hp = model_hparams(name, embed_l2=0.0, **options)
    smaller = {"dropout": 0.0, "attention_layers": [7, 4]}
    return hp.replace(**{key: value for key, value in smaller.items() if key in hp})


class Built:
    """A model's graph: outputs in both modes, history shared or not, losses, gradients.

    Attributes:
      missing: trainable variables that the losses' graph does not touch.
      repeats: whether the same batch gives the same numbers again in training.
    """

    def __init__(self, name, options):
        self.name, self.options = name, options
        with Bench() as self.bench:
            self.case = Case(self.bench, small_hparams(name, options))
            self.model = self.case.model
            outputs = {
                (training, share): self.case.outputs(training, share)
                for training, share in ((False, True), (False, False), (True, True), (True, False))
            }
            # Cut off behind the model: the losses' own gradients by the outputs.
            results = {key: tf.identity(value) for key, value in outputs[True, True].items()}
            terms = loss_terms(self.model, results, self.case.features)
            # Each with weight 1: a small one must not make a gradient look like rounding.
            loss = tf.add_n([value for weight, value in terms.values() if weight])
            variables = {short_name(v): v for v in self.model.trainable_weights}
            found = tf.gradients(loss, [*variables.values(), *results.values()])
            self.missing = [name for name, gradient in zip(variables, found) if gradient is None]
            names = [*variables, *("output " + name for name in results)]
            found = {name: g for name, g in zip(names, found) if g is not None}
            self._all = {
                "outputs": outputs,
                "losses": {name: value for name, (_, value) in terms.items()},
                "gradients": {name: tf.convert_to_tensor(g) for name, g in found.items()},
            }
        self.give_weights(5)
        first, again = self.run(dfar_case.batch()), self.run(dfar_case.batch())
        self.repeats = _same(first["losses"], again["losses"]) and all(
            _same(first["outputs"][key], again["outputs"][key]) for key in outputs
        )

    def give_weights(self, seed, scale=0.5):
        """Draws all weights anew."""
        self._values = random_values(self.model.weights, seed, scale)
        assign(self.bench.session, self._values)

    def run(self, arrays):
        """All there is for a batch, in one run, since a graph's first run of anything is slow.

        Returns:
          dict of ``outputs``, dicts by (training, whether the history is encoded once), ``losses``
          in training, and ``gradients`` of the sum of those that have a weight: by variable and, as
          ``output <name>``, by what ``score`` returned.
        """
        return self.case.run(self._all, arrays)

    def run_alike(self, arrays):
        """As ``run``; what is drawn at random is drawn alike each time."""
        if self.repeats:
            return self.run(arrays)
        # The same graph in a new session begins its random numbers anew.
        with tf.Session(graph=self.bench.graph, config=self.bench.config) as session:
            assign(session, self._values)
            return session.run(self._all, self.case.feeds(arrays))


def with_more_padding(name, options, arrays, more):
    """Inference outputs for a batch, and for the same histories with more padding behind them.

    The second model reads longer histories. It has the first one's weights; tables by position have rows
    more, for positions that no record of the batch has.
    """
    found, values = [], {}
    for extra in (0, more):
        hp = small_hparams(name, options)
        with Bench() as bench:
            case = Case(bench, hp.replace(max_seq_length=hp.max_seq_length + extra))
            outputs = case.outputs()
            drawn = random_values(case.model.weights, seed=5)
            for variable, value in drawn.items():
                known = values.setdefault(short_name(variable), value)
                value[: len(known)] = known
            assign(bench.session, drawn)
        longer = {
            key: np.pad(value, [(0, 0), (0, extra)]) if key.startswith("history") else value
            for key, value in arrays.items()
        }
        found.append(case.run(outputs, longer))
    return found


def _same(first, again):
    return all(np.array_equal(first[name], again[name]) for name in first)


def alike(ours, expected):
    """Asserts equality but for rounding, which is of the largest number's size."""
    close(ours, expected, 1e-5 * max(1.0, np.abs(expected).max()))


def part_of(arrays, rows=slice(None), columns=slice(None)):
    """A batch with some of the histories and some of the candidates."""
    part = {name: value[rows] for name, value in arrays.items()}
    for name in ("candidates", "candidate_mask", "labels"):
        part[name] = part[name][:, columns]
    return part


def other_padding(arrays, names=("history_items", "history_labels")):
    """A batch in which something else stands past the histories' ends."""
    random, other = np.random.RandomState(9), dict(arrays)
    past = arrays["history_mask"] == 0
    for name in names:
        high = dfar_case.ITEMS + 1 if name == "history_items" else 2
        drawn = random.randint(0 if high == 2 else 1, high, past.shape)
        other[name] = np.where(past, drawn, arrays[name]).astype(np.int32)
        assert np.any(other[name] != arrays[name])
    return other


def edge(kind):
    """A batch all of whose histories are liked, disliked, one item or empty, or has one row."""
    arrays = dfar_case.batch(1)
    if kind == "one row":
        return part_of(arrays, slice(0, 1), slice(0, 1))
    if kind in ("one item", "no item"):
        arrays["history_mask"][:, int(kind == "one item") :] = 0
    for name in ("history_items", "history_labels"):
        arrays[name] *= arrays["history_mask"].astype(np.int32)
    if kind.startswith("all"):
        arrays["history_labels"][:] = (kind == "all liked") * arrays["history_mask"]
    return arrays
